package gitops

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	. "github.com/onsi/gomega"
	gossh "golang.org/x/crypto/ssh"

	"github.com/gitover/gitover/gitops/history"
	"github.com/gitover/gitover/test/gitssh"
)

// A long history: Gitover's commit, many of others, a branch that forked long ago and is merged.
func longHistory(h human) (ours, fork, merged string) {
	h.write("apps/orders/proxy.yaml", strings.Replace(base["apps/orders/proxy.yaml"], "orders-15", "orders-17", 1))
	ours = h.commit("Ours\n\nGitover-Step: X")
	fork = h.commit("Fork")
	h.git("checkout", "-q", "-b", "old")
	merged = h.commit("On the old branch\n\nGitover-Step: Y")
	h.git("checkout", "-q", "main")
	for n := range 60 {
		h.write("notes.yaml", fmt.Sprintf("n: %d\n", n))
		h.commit(fmt.Sprint("Others ", n))
	}
	h.git("merge", "-q", "--no-ff", "-m", "Merge what is old", "old")
	h.commit("Others, at last")
	h.push()
	return ours, fork, merged
}

func TestAShallowCloneIsDeepenedUntilAQuestionIsAnswered(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	h := s.human()
	ours, fork, merged := longHistory(h)
	began := strings.TrimSpace(h.git("rev-parse", "HEAD~30"))
	for name, directory := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		r := Open(s.access("main"), directory)
		commits := func() (n int) {
			g.Expect(r.locked(ctx, func(c *clone) error {
				line, err := c.lineAt(ctx)
				if err != nil {
					return err
				}
				return c.graph.Walk(ctx, line.Tip, func(_ plumbing.Hash, _ *history.Commit, _ bool) (bool, error) { n++; return true, nil })
			})).To(Succeed())
			return n
		}
		_, err := r.Fetch(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(commits()).To(Equal(firstDepth), name)

		found, err := r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "X"}, "HEAD isn't a commit")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(shas(found)).To(Equal([]string{ours}), "what isn't known to have come before is no end")

		r = Open(s.access("main"), t.TempDir())
		found, err = r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "none"}, began)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(BeEmpty())
		found, err = r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "Y"}, began)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(shas(found)).To(Equal([]string{merged}), "it came to the branch after the beginning, though it is older")

		contained, err := r.IsAncestor(ctx, fork, "")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(contained).To(BeTrue())
		by, err := r.RevertedBy(ctx, Commit{SHA: ours})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(by).To(BeNil())
		change, err := Open(s.access("main"), t.TempDir()).LastChange(ctx, "", "apps/orders/proxy.yaml", "spec.target")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(change.SHA).To(Equal(ours))
	}
}

func TestAQuestionAboutTheNewestCommitsReadsNoMore(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	h := s.human()
	for n := range 300 {
		h.git("commit", "-q", "--allow-empty", "-m", fmt.Sprint("Others ", n))
	}
	h.push()
	began := strings.TrimSpace(h.git("rev-parse", "HEAD"))
	r := s.open()
	request := request("CommitCutover", SetTarget("orders", "orders-17"))
	request.Since = began
	result, err := r.Commit(ctx, request)
	g.Expect(err).NotTo(HaveOccurred())
	h.pull()
	h.commit("Meanwhile")
	h.push()
	_, err = r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	by, err := r.RevertedBy(ctx, result.Commit)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(by).To(BeNil())
	again, err := r.Commit(ctx, request)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.AlreadyThere).To(BeTrue())
	_, err = r.IsAncestor(ctx, result.Commit.SHA, strings.TrimSpace(h.git("rev-parse", "HEAD~250")))
	g.Expect(errors.Is(err, ErrUnknownRevision)).To(BeTrue(), "a revision of Flux from long before can't have the commit: %v", err)
	g.Expect(r.locked(ctx, func(c *clone) error {
		g.Expect(c.depth).To(BeNumerically("<", 64))
		return nil
	})).To(Succeed())
}

// Its copy is shallow itself: what isn't there can't be told from what never was.
func TestAServerThatHasNotTheWholeHistoryAnswersNothingAboutTheRest(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	h := s.human()
	for range 8 {
		h.commit("Others")
	}
	h.push()
	fleet := s.root + "/fleet.git"
	run(t, s.root, "git", "clone", "-q", "--bare", "--depth", "4", "file://"+fleet, s.root+"/mirror.git")
	run(t, s.root, "sh", "-c", "rm -rf fleet.git && mv mirror.git fleet.git")
	_, err := s.open().FindByTrailers(ctx, map[string]string{"Gitover-Step": "X"}, "")
	g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(ContainSubstring("have the whole history there"))
}

// The answer to a request for older commits is lost.
func TestADeepeningThatFailsIsMadeAgain(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	ours, _, _ := longHistory(s.human())
	r := s.open()
	_, err := r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	requests := 0
	s.on(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if strings.HasSuffix(req.URL.Path, "git-upload-pack") {
			if requests++; requests == 3 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
		}
		next.ServeHTTP(w, req)
	})
	find := func() ([]Commit, error) { return r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "X"}, "") }
	_, err = find()
	g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
	found, err := find()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shas(found)).To(Equal([]string{ours}))
}

func TestOverSSHAShallowCloneIsDeepenedAndHostKeysRotate(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	ours, _, _ := longHistory(s.human())
	signer := func() (gossh.Signer, string) {
		private, public := keyPair(t, "")
		key, err := gossh.ParsePrivateKey([]byte(private))
		g.Expect(err).NotTo(HaveOccurred())
		return key, string(gossh.MarshalAuthorizedKey(public))
	}
	identity, client := keyPair(t, "")
	first, firstKnown := signer()
	second, secondKnown := signer()
	server, err := gitssh.Serve(s.root, client, first)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(server.Close)
	open := func(known string) *Repository {
		access, err := NewAccess("ssh://git@"+server.Address+"/fleet.git", "main", secretOf("identity", identity, "known_hosts", known))
		g.Expect(err).NotTo(HaveOccurred())
		return Open(access, t.TempDir())
	}
	host, port, _ := strings.Cut(server.Address, ":")
	line := func(key string) string { return fmt.Sprintf("[%s]:%s %s", host, port, key) }
	r := open(line(firstKnown))
	found, err := r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "X"}, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shas(found)).To(Equal([]string{ours}))
	result, err := r.Commit(ctx, request("CommitRollback", SetTarget("orders", "orders-15")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.log()).To(HavePrefix(result.Commit.Subject))

	both := open(line(firstKnown) + line(secondKnown))
	_, err = both.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	server.Rotate(second)
	_, err = both.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred(), "people had put both keys in before")
	_, err = r.Fetch(ctx)
	g.Expect(errors.Is(err, ErrUnauthorized)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(And(ContainSubstring("known_hosts"), ContainSubstring("ssh-keyscan")))
	_, err = open(line(secondKnown)).Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred(), "people corrected it")
}

// Others' pushes and merges between looks, and a clone that begins with few commits, never hide a commit that git itself finds.
func TestAClonesFindsAreGits(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	h := s.human()
	r := s.open()
	for n := range 12 {
		h.git("checkout", "-q", "-b", fmt.Sprint("topic-", n))
		for range n * 2 % 7 {
			h.commit(fmt.Sprintf("Topic %d\n\nGitover-Step: T%d", n, n%3))
		}
		h.git("checkout", "-q", "main")
		h.commit(fmt.Sprint("Main ", n))
		if n%3 == 2 { // an older topic
			h.git("merge", "-q", "--no-ff", "-m", "Merge", fmt.Sprint("topic-", n-2))
		}
		h.push()
		tip, err := r.Fetch(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		for step := range 3 {
			found, err := r.FindByTrailers(ctx, map[string]string{"Gitover-Step": fmt.Sprint("T", step)}, "")
			g.Expect(err).NotTo(HaveOccurred())
			command := exec.Command("git", "-C", s.root+"/fleet.git", "log", "--format=%H", fmt.Sprintf("--grep=^Gitover-Step: T%d$", step), tip.SHA)
			output, err := command.Output()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(shas(found)).To(ConsistOf(strings.Fields(string(output))))
		}
	}
}
