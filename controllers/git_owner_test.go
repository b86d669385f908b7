package controllers

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/commits"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/githttp"
	"github.com/gitover/gitover/test/objects"
)

// aFleet is a real Git server whose directory apps/a holds these files.
func aFleet(t *testing.T, files map[string]string) *gitops.Repository {
	t.Helper()
	repository, _ := aFleetIn(t, files)
	return repository
}

// aFleetIn gives the bare repository's directory, too.
func aFleetIn(t *testing.T, files map[string]string) (repository *gitops.Repository, bare string) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	root, work := t.TempDir(), t.TempDir()
	backend, err := githttp.Backend(root, "x")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	for name, text := range files {
		file := filepath.Join(work, "apps/a", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"init -q -b main", "add -A", "-c user.name=Ada -c user.email=ada@example.org commit -q -m begin", "clone -q --bare . " + root + "/fleet.git"} {
		command := exec.Command(git, strings.Fields(line)...)
		command.Dir = work
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", line, err, output)
		}
	}
	access, err := gitops.NewAccess(server.URL+"/fleet.git", "main", nil)
	if err != nil {
		t.Fatal(err)
	}
	return gitops.Open(access, t.TempDir()), root + "/fleet.git"
}

// Another cluster's upgrade cut over and removed blue in the directory that this one applies too.
func TestWhatAnotherUpgradeDidIsNotDoneForUs(t *testing.T) {
	u := objects.Upgrade()
	u.UID = "ours"
	u.Spec.ProxyRef.Name = "orders"
	u.Status = v1alpha1.PgUpgradeStatus{Run: "r", From: "orders-15", To: "orders-17", Attempt: 1}
	for _, s := range []struct {
		story, owner string
		refused      string // what the refusal says; empty: done already
	}{
		{"the file names us", gitops.Owner{UID: "ours"}.Line(), ""},
		{"the file names another", gitops.Owner{UID: "theirs", Name: "b/orders"}.Line(), "b/orders with UID theirs"},
		{"nobody is named", "", "no commit there is of this PgUpgrade"},
	} {
		t.Run(s.story, func(t *testing.T) {
			g := &gitPort{upgrade: u, repository: aFleet(t, map[string]string{
				"kustomization.yaml":              "resources:\n- proxy.yaml\n- instances/17\n",
				"proxy.yaml":                      "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-17\n",
				"instances/17/kustomization.yaml": s.owner + "\nresources: [../../base]\n",
			})}
			for _, step := range []string{steps.CommitCutover, steps.CommitFinalize} {
				state, err := g.CommitState(t.Context(), step)
				if s.refused == "" {
					if err != nil || !state.AlreadyApplied {
						t.Errorf("%s: %+v, %v", step, state, err)
					}
					continue
				}
				if err == nil {
					t.Fatalf("%s is taken for done: %+v", step, state)
				}
				if m := outcome.ReasonOf(err, ""); m.Reason != v1alpha1.ReasonInvalidSpec || !m.Stalled {
					t.Errorf("%s: %+v", step, m)
				}
				says(t, err.Error(), s.refused, "# gitover.dev/owner: ours a/orders")
			}
		})
	}
}

// A commit would change the file, and what Flux applies would stay as it is: the preflight says so, before green is made.
func TestACutoverThatFluxWouldNotBringToTheProxyIsRefusedBeforeAnythingIsMade(t *testing.T) {
	u := objects.Upgrade()
	u.Spec.ProxyRef.Name = "orders"
	u.Status = v1alpha1.PgUpgradeStatus{Run: "r", From: "orders-15", To: "orders-17", Attempt: 1}
	repository := aFleet(t, map[string]string{
		"kustomization.yaml": "resources:\n- proxy.yaml\n",
		"proxy.yaml":         "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-15\n",
	})
	for _, s := range []struct {
		story  string
		change func(k *kustomizev1.Kustomization)
		reason string
		says   []string
	}{
		{"it reaches the proxy", func(*kustomizev1.Kustomization) {}, "", nil},
		{"in another namespace and with other images", func(k *kustomizev1.Kustomization) {
			k.Spec.TargetNamespace, k.Spec.Images = u.Namespace, []kustomize.Image{{Name: "postgres", NewTag: "15"}}
		}, "", nil},
		{"Flux sets the target by a patch", func(k *kustomizev1.Kustomization) {
			k.Spec.Patches = []kustomize.Patch{{Target: &kustomize.Selector{Kind: "PgProxy"}, Patch: "- op: replace\n  path: /spec/target\n  value: orders-15\n"}}
		}, v1alpha1.ReasonBuildFailed, []string{"apps/a/proxy.yaml", `still builds PgProxy orders with "orders-15"`, "Leave spec.target to that file alone"}},
	} {
		t.Run(s.story, func(t *testing.T) {
			k := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "databases"}}
			k.Spec.Path, k.Spec.SourceRef = "./apps/a", kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "fleet"}
			s.change(k)
			g := &gitPort{upgrade: u, repository: repository, flux: k, source: &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "fleet"}}}
			g.upgrade.Spec.Git.Path = "apps/a"
			tip, err := repository.Fetch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = g.checkTarget(t.Context(), tip)
			if s.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("it isn't refused")
			}
			if m := outcome.ReasonOf(err, ""); m.Reason != s.reason || !m.Stalled {
				t.Errorf("%+v: %v", m, err)
			}
			says(t, err.Error(), s.says...)
		})
	}
}

// The Secrets are read at each look: what people change in them counts at once, in the middle of an upgrade too.
func TestTheProxyAndTheTokenOfTheGitRepositoryMayChangeInTheMiddleOfAnUpgrade(t *testing.T) {
	w, ctx := aTeam(t), t.Context()
	_, bare := aFleetIn(t, map[string]string{"proxy.yaml": "kind: PgProxy\n"})
	backend, err := githttp.Backend(filepath.Dir(bare), "x")
	if err != nil {
		t.Fatal(err)
	}
	var token atomic.Value
	token.Store("first-token")
	git := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != token.Load() {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(rw, r)
	}))
	t.Cleanup(git.Close)
	at, err := url.Parse(git.URL)
	if err != nil {
		t.Fatal(err)
	}
	var through atomic.Int64
	forward := httputil.NewSingleHostReverseProxy(at)
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		through.Add(1)
		forward.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	push := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "push"}, StringData: map[string]string{"username": "gitover", "password": "first-token"}}
	way := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "proxy"}, StringData: map[string]string{"address": "not a URL"}}
	for _, secret := range []*corev1.Secret{push, way} {
		if err := w.Create(ctx, secret); err != nil {
			t.Fatal(err)
		}
	}
	u := objects.Upgrade()
	u.Namespace, u.UID, u.Spec.Git.PushSecretRef = w.namespace, "through", nil
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "fleet"}}
	source.Spec.URL, source.Spec.Reference = "http://git.example.invalid/fleet.git", &sourcev1.GitRepositoryRef{Branch: "main"}
	source.Spec.SecretRef, source.Spec.ProxySecretRef = &meta.LocalObjectReference{Name: "push"}, &meta.LocalObjectReference{Name: "proxy"}
	r := &UpgradeReconciler{Client: w.Client, Uncached: w.Client, CloneDirectory: t.TempDir()}
	look := func() error {
		repository, err := r.repository(ctx, u, source)
		if err == nil {
			_, err = repository.Fetch(ctx)
		}
		return err
	}
	refused := func(reason, words string) {
		t.Helper()
		err := look()
		if err == nil || outcome.ReasonOf(err, "").Reason != reason {
			t.Fatalf("%v, want %s", err, reason)
		}
		says(t, err.Error(), words)
	}
	change := func(secret *corev1.Secret, data map[string]string) {
		t.Helper()
		secret.StringData = data
		if err := w.Update(ctx, secret); err != nil {
			t.Fatal(err)
		}
	}
	refused(v1alpha1.ReasonSecretInvalid, "/proxy: its key \"address\" isn't a URL")
	change(way, map[string]string{"address": proxy.URL})
	if err := look(); err != nil || through.Load() == 0 {
		t.Fatalf("%v, %d requests through the proxy", err, through.Load())
	}
	token.Store("second-token")
	refused(v1alpha1.ReasonGitUnauthorized, "check the keys of Secret "+w.namespace+"/push")
	change(push, map[string]string{"username": "gitover", "password": "second-token"})
	if err := look(); err != nil {
		t.Fatal(err)
	}
	source.Spec.ProxySecretRef.Name = "gone"
	refused(v1alpha1.ReasonSecretNotFound, "proxySecretRef of GitRepository fleet")
}

// What tells the run's commits from older ones is where it began, so that a repository of many commits isn't read from its first one.
func TestARunRemembersTheCommitAtWhichItBegan(t *testing.T) {
	ctx := t.Context()
	repository := aFleet(t, map[string]string{"proxy.yaml": "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-15\n"})
	u := objects.Upgrade()
	u.UID, u.Spec.ProxyRef.Name, u.Spec.Git.Path = "ours", "orders", "apps/a"
	r := &UpgradeReconciler{Now: time.Now, Recorder: record.NewFakeRecorder(10)}
	tip, err := repository.Fetch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.startStep(ctx, u, &observed{repository: repository}, steps.Decision{Begin: true, From: "orders-15", To: "orders-17", Workflow: steps.Upgrade, Step: steps.CommitCutover})
	if u.Status.BaseCommit != tip.SHA {
		t.Errorf("began at %q, not %s", u.Status.BaseCommit, tip.SHA)
	}
	g := &gitPort{upgrade: u, repository: repository, source: &sourcev1.GitRepository{}}
	unique := g.unique(steps.CommitCutover)
	author, committer := commits.People(u)
	made, err := repository.Commit(ctx, gitops.CommitRequest{Directory: "apps/a", Message: "cut over", Author: author, Committer: committer, Unique: unique,
		Trailers: g.trailers(unique, nil, committer), Edit: gitops.SetTarget("orders", "orders-17"), Since: u.Status.BaseCommit})
	if err != nil {
		t.Fatal(err)
	}
	found, err := repository.FindByTrailers(ctx, unique, u.Status.BaseCommit)
	if err != nil || len(found) != 1 || found[0].SHA != made.Commit.SHA {
		t.Errorf("%+v, %v", found, err)
	}
}
