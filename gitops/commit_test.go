package gitops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestGreenAndTheCutoverAreCommittedOnce(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	first, err := r.Commit(ctx, request("CommitGreen", AddInstance(green())))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first.AlreadyThere).To(BeFalse())
	g.Expect(first.Tries).To(Equal(1))
	g.Expect(first.Diff).To(ContainSubstring("+- instances/17"))
	g.Expect(first.Commit.Trailers).To(Equal(map[string]string{"Gitover-Upgrade": "default/orders/1", "Gitover-Step": "CommitGreen"}))
	g.Expect(s.show("apps/orders/instances/17/kustomization.yaml")).To(Equal(string(content(t, "testdata/instance/kustomization.yaml"))))

	again, err := s.open().Commit(ctx, request("CommitGreen", AddInstance(green())))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.AlreadyThere).To(BeTrue(), "another life of the process")
	g.Expect(again.Commit.SHA).To(Equal(first.Commit.SHA))

	cutover, err := r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(err).NotTo(HaveOccurred())
	bare := s.root + "/fleet.git"
	g.Expect(run(t, bare, "git", "fsck", "--strict")).NotTo(ContainSubstring("error"))
	g.Expect(run(t, bare, "git", "show", "--format=", "--name-only", cutover.Commit.SHA)).To(Equal("apps/orders/proxy.yaml\n"))
	g.Expect(run(t, bare, "git", "log", "-1", "--format=%an <%ae>%n%(trailers:key=Gitover-Step,valueonly)", "main")).To(HavePrefix("Gitover <gitover@example.org>\nCommitCutover\n"))

	h := s.human()
	h.git("revert", "--no-edit", cutover.Commit.SHA)
	h.push()
	g.Expect(s.show("apps/orders/proxy.yaml")).To(Equal(base["apps/orders/proxy.yaml"]), "a revert is always clean")
}

func TestFourWritersTenCommitsEachLoseNothing(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	var group sync.WaitGroup
	failures := make(chan error, 40)
	for writer := range 4 {
		group.Go(func() {
			access := s.access("main")
			// Four processes, as far as the one-writer rule is concerned.
			access.url = strings.Replace(access.url, "fleet.git", fmt.Sprintf("fleet-%d.git", writer), 1)
			if err := os.Symlink("fleet.git", fmt.Sprintf("%s/fleet-%d.git", s.root, writer)); err != nil {
				failures <- err
			}
			r := Open(access, t.TempDir())
			for i := range 10 {
				name := fmt.Sprintf("notes/%d-%d.yaml", writer, i)
				_, err := r.Commit(ctx, CommitRequest{Directory: "apps/orders", Message: name, Author: gitover, Attempts: 40,
					Edit: func(tree *Tree) error { return tree.Write(name, []byte("a: 1\n")) }})
				if err != nil {
					failures <- err
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	subjects := strings.Fields(s.log())
	g.Expect(subjects).To(HaveLen(40 + len(strings.Fields("Start the fleet"))))
	g.Expect(strings.Fields(run(t, s.root+"/fleet.git", "git", "ls-tree", "-r", "--name-only", "main", "apps/orders/notes/"))).To(HaveLen(40))
}

func TestWithinAProcessNobodyRaces(t *testing.T) {
	s := newStage(t)
	var group sync.WaitGroup
	for writer := range 4 {
		r := s.open()
		group.Go(func() {
			for i := range 3 {
				step := fmt.Sprintf("step-%d-%d", writer, i)
				result, err := r.Commit(t.Context(), request(step, SetTarget("orders", step)))
				if err != nil || result.Tries != 1 {
					t.Errorf("%d tries, %v", result.Tries, err)
				}
			}
		})
	}
	group.Wait()
}

func TestARepositorysNameIsNotTakenForTheServersWords(t *testing.T) {
	g := NewWithT(t)
	access, err := NewAccess("http://127.0.0.1:1/protected-branch-denied-tls:.git", "main", nil)
	g.Expect(err).NotTo(HaveOccurred())
	err = Open(access, "").CheckPush(t.Context())
	g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
	g.Expect(errors.Is(err, ErrPushForbidden)).To(BeFalse(), "%v", err)
}

func TestARaceIsLostAndThenWonOnTopOfTheOther(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	h := s.human()
	races := 0
	s.on(func(w http.ResponseWriter, r *http.Request, backend http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") && races < 2 {
			races++
			h.pull()
			h.write("apps/orders/kustomization.yaml", fmt.Sprintf("# race %d\n", races)+base["apps/orders/kustomization.yaml"])
			h.commit("A race")
			h.push()
		}
		backend.ServeHTTP(w, r)
	})
	result, err := s.open().Commit(ctx, request("CommitGreen", AddInstance(green())))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Tries).To(Equal(3))
	g.Expect(s.show("apps/orders/kustomization.yaml")).To(Equal("# race 2\n" + base["apps/orders/kustomization.yaml"] + "- instances/17\n"))

	races = -1000
	limited := request("CommitCutover", SetTarget("orders", "orders-17"))
	limited.Attempts = 3
	result, err = s.open().Commit(ctx, limited)
	g.Expect(errors.Is(err, ErrConflict)).To(BeTrue(), "%v", err)
	g.Expect(Temporary(err)).To(BeTrue())
	g.Expect(result.Tries).To(Equal(3))
}

func TestAPushWhoseAnswerWasLostIsFound(t *testing.T) {
	for name, cut := range map[string]func(http.ResponseWriter){
		"cut off": func(_ http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"502":     func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"empty":   func(_ http.ResponseWriter) {},
	} {
		t.Run(name, func(t *testing.T) {
			g, ctx := NewWithT(t), t.Context()
			s := newStage(t)
			pushes := 0
			s.on(func(w http.ResponseWriter, r *http.Request, backend http.Handler) {
				if !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
					backend.ServeHTTP(w, r)
					return
				}
				pushes++
				backend.ServeHTTP(newDiscard(), r)
				cut(w)
			})
			result, err := s.open().Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.AlreadyThere).To(BeFalse(), "it was this call's")
			g.Expect(pushes).To(Equal(1))
			g.Expect(strings.Count(s.log(), "CommitCutover")).To(Equal(1))
		})
	}
}

type discard struct{ header http.Header }

func newDiscard() discard                        { return discard{http.Header{}} }
func (d discard) Header() http.Header            { return d.header }
func (d discard) Write(data []byte) (int, error) { return len(data), nil }
func (d discard) WriteHeader(int)                {}

func TestAServerThatIsDownIsUnreachableAndComesBack(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	s.on(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	})
	r := s.open()
	_, err := r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
	s.on(nil)
	_, err = r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(err).NotTo(HaveOccurred())

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	s.on(func(http.ResponseWriter, *http.Request, http.Handler) { <-release })
	_, err = r.Fetch(short)
	g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
	g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue(), "%v", err)
}

func TestARefusedPushNamesWhoRefusedAndWhy(t *testing.T) {
	for name, c := range map[string]struct{ hook, script, says string }{
		"protected branch": {"pre-receive", "echo 'GL-HOOK-ERR: You are not allowed to push to protected branches.' >&2; exit 1", "not allowed to push to protected"},
		"update hook":      {"update", "echo 'needs a signature' >&2; exit 1", "needs a signature"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := newStage(t)
			s.hook(c.hook, c.script)
			before := s.log()
			result, err := s.open().Commit(t.Context(), request("CommitCutover", SetTarget("orders", "orders-17")))
			g.Expect(errors.Is(err, ErrPushForbidden)).To(BeTrue(), "%v", err)
			g.Expect(result.Tries).To(Equal(1), "trying again wouldn't help")
			g.Expect(err.Error()).To(And(ContainSubstring(c.says), ContainSubstring(`"main"`), ContainSubstring("flux/git"), Not(ContainSubstring(password))))
			g.Expect(s.log()).To(Equal(before))
		})
	}
}

func TestReadOnlyCredentialsAreToldFromWrongOnes(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	s.on(func(w http.ResponseWriter, r *http.Request, backend http.Handler) {
		if strings.Contains(r.URL.String(), "git-receive-pack") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		backend.ServeHTTP(w, r)
	})
	_, err := s.open().Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(errors.Is(err, ErrPushForbidden)).To(BeTrue(), "%v", err)
	err = s.open().CheckPush(ctx)
	g.Expect(errors.Is(err, ErrPushForbidden)).To(BeTrue(), "%v", err)
	s.on(nil)
	g.Expect(s.open().CheckPush(ctx)).To(Succeed())
	err = Open(s.access("release"), "").CheckPush(ctx)
	g.Expect(errors.Is(err, ErrBranchMissing)).To(BeTrue(), "%v", err)

	wrong, err := NewAccess("http://somebody:pa55word@"+strings.TrimPrefix(s.URL, "http://")+"/fleet.git", "main", nil)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Open(wrong, "").Fetch(ctx)
	g.Expect(errors.Is(err, ErrUnauthorized)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).NotTo(ContainSubstring("pa55word"))
	g.Expect(fmt.Sprintf("%v %+v %#v", wrong, wrong, wrong)).NotTo(ContainSubstring("pa55word"))
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	_, err := Open(s.access("release"), "").Fetch(ctx)
	g.Expect(errors.Is(err, ErrBranchMissing)).To(BeTrue(), "%v", err)
	nowhere := request("CommitCutover", SetTarget("orders", "orders-17"))
	nowhere.Directory = "apps/billing"
	_, err = s.open().Commit(ctx, nowhere)
	g.Expect(errors.Is(err, ErrPathMissing)).To(BeTrue(), "%v", err)
	_, err = s.open().Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-15")))
	g.Expect(errors.Is(err, ErrNothingToChange)).To(BeTrue(), "%v", err)
	run(t, "", "git", "init", "-q", "--bare", "-b", "main", s.root+"/empty.git")
	empty := s.access("main")
	empty.url = strings.Replace(empty.url, "fleet.git", "empty.git", 1)
	_, err = Open(empty, "").Fetch(ctx)
	g.Expect(errors.Is(err, ErrBranchMissing)).To(BeTrue(), "%v", err)
	empty.url = strings.Replace(empty.url, "empty.git", "none.git", 1)
	_, err = Open(empty, "").Fetch(ctx)
	g.Expect(errors.Is(err, ErrUnauthorized)).To(BeTrue(), "%v", err)
}

func TestOperationsOnTheServerAreTold(t *testing.T) {
	s := newStage(t)
	told := map[string][]error{}
	r := s.open(WithObserver(func(operation string, took time.Duration, err error) {
		if took <= 0 {
			t.Errorf("%s took %s", operation, took)
		}
		told[operation] = append(told[operation], err)
	}))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.Fetch(t.Context())
	must(err)
	must(r.CheckPush(t.Context()))
	s.hook("pre-receive", "exit 1")
	if _, err := r.Commit(t.Context(), request("CommitCutover", SetTarget("orders", "orders-17"))); err == nil {
		t.Fatal("a hook was passed")
	}
	if len(told["fetch"]) == 0 || told["fetch"][0] != nil || len(told["check"]) != 1 || told["check"][0] != nil || len(told["push"]) != 1 || !errors.Is(told["push"][0], ErrPushForbidden) {
		t.Errorf("told of %v", told)
	}
}
