package controllers

import (
	"context"
	"strings"
	"testing"
	"time"

	sdk "code.gitea.io/sdk/gitea"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/conditions"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/gitops/pullrequest"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/gitea"
	"github.com/gitover/gitover/test/objects"
)

// proposing is an upgrade whose team merges pull requests.
type proposing struct {
	*testing.T
	client.Client
	run        *steps.Run
	bare, work string
	step       *steps.Step
}

const greenBranch = "gitover/orders/CommitGreen"

func aProposingUpgrade(t *testing.T) *proposing {
	t.Helper()
	u := objects.Upgrade()
	u.UID = "ours"
	u.Spec.ProxyRef.Name, u.Spec.Instance.Base = "orders", "base"
	u.Spec.Git.Push = &v1alpha1.PushSpec{Branch: "gitover/{{.Upgrade}}/{{.Step}}"}
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Step: steps.CommitGreen, Run: "r", From: "orders-15", To: "orders-17", Attempt: 1}
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "fleet"}}
	k := objects.Kustomization()
	c := fake.NewClientBuilder().WithScheme(schemeOf(t, sourcev1.AddToScheme, kustomizev1.AddToScheme, corev1.AddToScheme)).WithObjects(source, k).Build()
	p := &proposing{T: t, Client: c, work: t.TempDir()}
	port := &gitPort{Client: c, fresh: c, upgrade: u, source: source, flux: k}
	port.repository, p.bare = aFleetIn(t, map[string]string{
		"kustomization.yaml": "resources:\n- proxy.yaml\n- instances/15\n",
		"proxy.yaml":         "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-15\n",
	})
	p.run = &steps.Run{Upgrade: u, Status: &u.Status, Git: port, Now: time.Now}
	p.step, _ = steps.Find(steps.Upgrade, steps.CommitGreen)
	p.git("clone", "-q", p.bare, ".")
	return p
}

// git of a person, in a checkout.
func (p *proposing) git(arguments ...string) string {
	p.Helper()
	return strings.TrimSpace(tool(p.T, p.work, "git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.org"}, arguments...)...))
}

// looks at the step, as the controller does.
func (p *proposing) looks() steps.Verdict {
	p.Helper()
	v, err := p.step.Done(p.Context(), p.run)
	if err != nil {
		p.Fatal(err)
	}
	return v
}

// acts where a look says so.
func (p *proposing) acts() {
	p.Helper()
	if v := p.looks(); !v.RunNeeded {
		p.Fatalf("nothing is to be done: %+v", v)
	}
	if err := p.step.Run(p.Context(), p.run); err != nil {
		p.Fatal(err)
	}
}

func (p *proposing) waitsFor(reason string, words ...string) {
	p.Helper()
	v := p.looks()
	if v.Done || v.RunNeeded || v.Reason != reason {
		p.Fatalf("%+v, want %s", v, reason)
	}
	says(p.T, v.Message, words...)
}

// atGitea moves the repository to a real host of pull requests.
func (p *proposing) atGitea() *gitea.Server {
	p.Helper()
	server := gitea.Start(p.T)
	remote := server.Repository("fleet")
	p.git("remote", "set-url", "origin", remote)
	p.git("push", "-q", "--force", "origin", "HEAD:main")
	url := server.URL + "/" + gitea.User + "/fleet.git"
	a, err := gitops.NewAccess(url, "main", &gitops.Secret{Namespace: "a", Name: "push", Data: map[string][]byte{"username": []byte(gitea.User), "password": []byte(server.Token)}})
	if err != nil {
		p.Fatal(err)
	}
	port := p.run.Git.(*gitPort) //nolint:errcheck // aProposingUpgrade made it
	port.repository = gitops.Open(a, p.TempDir())
	port.source.Spec.URL = url
	err = p.Create(p.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "forge"}, Data: map[string][]byte{"token": []byte(server.Token)}})
	if err != nil {
		p.Fatal(err)
	}
	p.run.Upgrade.Spec.Git.Push.PullRequest = &v1alpha1.PullRequestSpec{Provider: pullrequest.Gitea, Address: server.URL, SecretRef: &v1alpha1.SecretReference{Name: "forge"}}
	return server
}

func (p *proposing) squash() string {
	p.git("pull", "-q")
	p.git("merge", "-q", "--squash", "origin/"+greenBranch)
	p.git("commit", "-q", "-m", "Let us try 17 (#1)")
	p.git("push", "-q", "origin", "HEAD:main", ":"+greenBranch)
	return p.git("rev-parse", "HEAD")
}

func TestACommitWaitsOnItsBranchUntilPeopleMergeIt(t *testing.T) {
	p := aProposingUpgrade(t)
	main := p.git("rev-parse", "main")
	p.acts()
	if p.git("fetch", "-q"); p.git("rev-parse", "origin/main") != main {
		t.Fatal("it was pushed to the branch that Flux follows")
	}
	pushed := p.git("rev-parse", "origin/"+greenBranch)
	p.waitsFor(v1alpha1.ReasonWaitingForMerge, "merge branch "+greenBranch+" to main", pushed[:12])
	if w := p.run.Status.Proposal; w == nil || w.Branch != greenBranch || w.Into != "main" || w.Commit != pushed || w.Base != main || w.Step != steps.CommitGreen {
		t.Errorf("%+v", w)
	}

	// the process died after the push, before it could say so
	p.run.Status.Proposal = nil
	p.waitsFor(v1alpha1.ReasonWaitingForMerge, greenBranch)
	if w := p.run.Status.Proposal; w == nil || w.Commit != pushed || w.Base != main {
		t.Errorf("%+v", w)
	}

	squashed := p.squash()
	if v := p.looks(); !v.Done {
		t.Fatalf("%+v", v)
	}
	if c := p.run.Status.Commits; len(c) != 1 || c[0].SHA != squashed || c[0].Step != steps.CommitGreen || p.run.Status.Proposal != nil {
		t.Errorf("%+v, %+v", c, p.run.Status.Proposal)
	}
	source := &sourcev1.GitRepository{}
	if err := p.Get(t.Context(), client.ObjectKey{Namespace: "a", Name: "fleet"}, source); err != nil || source.Annotations[meta.ReconcileRequestAnnotation] != squashed {
		t.Errorf("Flux isn't asked to fetch it: %v, %v", source.Annotations, err)
	}
	if v := p.looks(); !v.Done { // nothing of the proposal is remembered any more
		t.Errorf("%+v", v)
	}

	p.git("revert", "--no-edit", "HEAD")
	p.git("push", "-q", "origin", "HEAD:main")
	if v := p.looks(); v.Reverted == nil || v.Reverted.SHA != p.git("rev-parse", "HEAD") {
		t.Errorf("a revert of what was squashed isn't obeyed: %+v", v)
	}
}

// TestTheMergeButtonGoesOnWithAnUpgrade of a real Gitea; a pull request that is closed there refuses the commit.
func TestTheMergeButtonGoesOnWithAnUpgrade(t *testing.T) {
	p := aProposingUpgrade(t)
	server := p.atGitea()
	p.acts()
	opens := func() *v1alpha1.PullRequestStatus {
		t.Helper()
		v := p.looks()
		if !v.RunNeeded || v.Effect == nil {
			t.Fatalf("%+v", v)
		}
		if err := v.Effect(t.Context(), p.run); err != nil {
			t.Fatal(err)
		}
		return p.run.Status.Proposal.PullRequest
	}
	first := opens()
	p.waitsFor(v1alpha1.ReasonWaitingForMerge, "merge "+first.URL+" to go on", greenBranch)

	host := server.Client()
	closed := sdk.StateClosed
	if _, _, err := host.EditPullRequest(gitea.User, "fleet", first.Number, sdk.EditPullRequestOption{State: &closed}); err != nil {
		t.Fatal(err)
	}
	p.waitsFor(v1alpha1.ReasonProposalRefused, first.URL+" is closed", "spec.retry")
	p.run.Upgrade.Spec.Retry = "again"
	p.acts()
	second := opens()
	if second.Number == first.Number {
		t.Error("people would look at the closed one")
	}
	p.waitsFor(v1alpha1.ReasonWaitingForMerge, second.URL)
	server.Merge("fleet", second.Number)
	p.git("pull", "-q")
	if v := p.looks(); !v.Done || p.run.Status.Commits[0].SHA != p.git("rev-parse", "HEAD") {
		t.Errorf("%+v, %+v", v, p.run.Status.Commits)
	}
}

func TestADeletedBranchIsARefusalUntilRetryAsksAgain(t *testing.T) {
	p := aProposingUpgrade(t)
	p.acts()
	p.looks()
	p.git("push", "-q", "origin", ":"+greenBranch)
	for range 2 {
		p.waitsFor(v1alpha1.ReasonProposalRefused, greenBranch+" is gone", "spec.retry", "revert the version")
	}
	p.run.Upgrade.Spec.Retry = "again"
	p.acts()
	p.waitsFor(v1alpha1.ReasonWaitingForMerge, greenBranch)
	if p.run.Status.HandledRetry != "again" {
		t.Error("the same value would begin another attempt later")
	}
	p.git("fetch", "-q")
	p.git("push", "-q", "origin", "origin/"+greenBranch+":main") // a fast-forward
	if v := p.looks(); !v.Done || p.run.Status.Commits[0].Author != "Gitover <gitover@users.noreply.gitover.dev>" {
		t.Errorf("%+v, %+v", v, p.run.Status.Commits)
	}
}

func TestAStaleBranchIsPutOnTheTipAgain(t *testing.T) {
	p := aProposingUpgrade(t)
	p.acts()
	p.looks()
	tool(t, p.work, "sh", "-c", "echo '# beside' >> apps/a/kustomization.yaml")
	p.git("commit", "-q", "-a", "-m", "Beside")
	p.git("push", "-q", "origin", "HEAD:main")
	p.acts()
	p.waitsFor(v1alpha1.ReasonWaitingForMerge, greenBranch)
	p.git("fetch", "-q")
	if base := p.git("rev-parse", "origin/"+greenBranch+"^"); base != p.git("rev-parse", "HEAD") || p.run.Status.Proposal.Base != base {
		t.Errorf("it is on %s, %+v", base, p.run.Status.Proposal)
	}
}

func TestWhatIsNoLongerWantedIsWithdrawn(t *testing.T) {
	p := aProposingUpgrade(t)
	p.acts()
	p.looks()
	for _, s := range []struct {
		workflow, step string
		attempt        int32
		obsolete       bool
	}{
		{steps.Upgrade, steps.CommitGreen, 1, false},
		{steps.Upgrade, steps.Preflight, 1, false},
		{steps.Upgrade, steps.Soak, 1, true},
		{steps.Upgrade, steps.CommitGreen, 2, true},
		{steps.Abort, steps.StopReplication, 1, true},
		{"", "", 1, true},
	} {
		status := *p.run.Status
		status.Workflow, status.Step, status.Attempt = s.workflow, s.step, s.attempt
		if steps.ObsoleteProposal(status) != s.obsolete {
			t.Errorf("%+v", s)
		}
	}
	if err := p.run.Git.Withdraw(t.Context(), *p.run.Status.Proposal); err != nil {
		t.Fatal(err)
	}
	if heads := p.git("ls-remote", "--heads", "origin"); strings.Contains(heads, greenBranch) {
		t.Errorf("it is still there: %s", heads)
	}
}

func TestADeletedUpgradeTakesItsProposalAlong(t *testing.T) {
	p := aProposingUpgrade(t)
	p.acts()
	p.looks()
	u := p.run.Upgrade
	u.Finalizers, u.DeletionTimestamp = []string{v1alpha1.Finalizer}, ptr.To(metav1.Now())
	u.Status.From, u.Status.To = "", "" // the servers' part is told elsewhere
	r := &UpgradeReconciler{Client: p.Client, Uncached: p.Client, Recorder: record.NewFakeRecorder(8), Now: time.Now,
		remove: func(context.Context, postgres.Server, postgres.Names) ([]string, error) { return nil, nil },
		fleet:  func(*v1alpha1.PgUpgrade) steps.Git { return p.run.Git }}
	if _, err := r.finalize(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if len(u.Finalizers) > 0 {
		t.Errorf("it stays: %s", conditions.GetMessage(u, v1alpha1.ReadyCondition))
	}
	if heads := p.git("ls-remote", "--heads", "origin"); strings.Contains(heads, greenBranch) {
		t.Errorf("people may still merge it: %s", heads)
	}
}
