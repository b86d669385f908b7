package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/fluxcd/pkg/runtime/patch"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/gitover/gitover/api/v1alpha1"
	ctrlanalysis "github.com/gitover/gitover/controllers/analysis"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/analysis"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// soaking is an upgrade of real servers, on a real API server, with a real repository, whose cutover was made: 17 serves, and 15
// follows it. The test is Flux, and the PgProxy controller.
type soaking struct {
	*team
	r           *UpgradeReconciler
	u           *v1alpha1.PgUpgrade
	p           *v1alpha1.PgProxy
	flux        *kustomizev1.Kustomization
	source      *sourcev1.GitRepository
	repository  *gitops.Repository
	work        string
	blue, green *pg.Server
	// leader is the instance that the other one follows.
	leader string
	// pushes is called before a commit is pushed, and pushed after it.
	pushes, pushed func()
}

// watcher is the role of checks.
const watcher = "watcher"

// aSoak whose analysis has these checks; each round is due at once, and two failures in a row are the threshold.
func aSoak(t *testing.T, checks ...v1alpha1.AnalysisCheck) *soaking {
	w := &soaking{team: aTeam(t), pushes: func() {}, pushed: func() {}}
	w.blue, w.green = pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	w.u = w.upgrade("orders")
	w.u.Spec.Version = "17"
	w.u.Spec.Soak.Analysis = &v1alpha1.AnalysisSpec{InitialDelay: &metav1.Duration{}, Interval: &metav1.Duration{Duration: time.Second}, Threshold: 2, Checks: checks}
	w.u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Step: steps.Soak, Run: "orders-15-to-orders-17-x", From: "orders-15", To: "orders-17",
		Attempt: 1, HandledVersion: "17", Databases: []string{"d"}}
	w.createWithStatus(w.u)
	w.fleetOfFlux()
	w.replicates()
	for name, user := range map[string]string{"superuser": "postgres", "watcher": watcher} {
		w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, StringData: map[string]string{"username": user, "password": pg.Password}})
	}
	w.p = &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	w.p.Spec.UpgradeRef.Name, w.p.Spec.Target, w.p.Status.Active = "orders", "orders-15", "orders-15"
	w.p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	w.createWithStatus(w.p)
	w.restart()
	w.must(w.git().Commit(t.Context(), steps.CommitCutover, nil))
	w.fluxApplies()
	w.trafficMoves()
	return w
}

// fleetOfFlux is a repository that Flux follows.
func (w *soaking) fleetOfFlux() {
	w.Helper()
	var bare string
	w.repository, bare = aFleetIn(w.T, map[string]string{
		"kustomization.yaml": "resources:\n- proxy.yaml\n- instances/15\n- instances/17\n",
		"proxy.yaml":         "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-15\n",
	})
	w.work = w.TempDir()
	w.person("clone", "-q", bare, ".")
	w.flux, w.source = w.fleet(w.u)
	w.createWithStatus(w.flux)
	w.create(w.source)
}

// replicates has blue follow green.
func (w *soaking) replicates() {
	w.Helper()
	for _, s := range []*pg.Server{w.blue, w.green} {
		s.Exec("", "CREATE DATABASE d")
		s.Exec("d", "CREATE TABLE orders (id int PRIMARY KEY, failed bool NOT NULL DEFAULT false)")
		w.must(replication.EnsureMarker(w.Context(), s.Server, "d"))
	}
	w.green.Exec("d", "CREATE ROLE "+watcher+" LOGIN PASSWORD "+postgres.Literal(pg.Password)+"; GRANT SELECT ON orders TO "+watcher)
	w.follow("orders-15", "orders-17")
}

// server of an instance.
func (w *soaking) server(instance string) postgres.Server {
	s := w.blue.Server
	if instance == "orders-17" {
		s = w.green.Server
	}
	s.Instance = instance
	return s
}

// follow has one instance follow another, from now on.
func (w *soaking) follow(follower, leader string) {
	w.Helper()
	publisher, subscriber, names := w.server(leader), w.server(follower), postgres.Names{UID: string(w.u.UID)}
	w.must(replication.DropSubscription(w.Context(), publisher, "d", names.Subscription("d", leader)))
	w.must(replication.DropSlot(w.Context(), subscriber, names.Slot("d", leader)))
	w.must(replication.CreatePublication(w.Context(), publisher, "d", names))
	w.must(replication.CreateSlot(w.Context(), publisher, "d", names, follower))
	w.must(replication.CreateSubscription(w.Context(), subscriber, replication.SubscribeOptions{Publisher: publisher, Database: "d", Names: names}))
	w.leader = leader
}

// restart the controller: it knows what the API server, Git and PostgreSQL know.
func (w *soaking) restart() {
	w.Helper()
	addresses, err := analysis.AddressesOf([]string{"127.0.0.0/8"})
	w.must(err)
	w.r = &UpgradeReconciler{Client: w.Client, Uncached: w.Client, Recorder: w.recorder, AnalysisAddresses: addresses,
		Now:    func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
		fleet:  func(u *v1alpha1.PgUpgrade) steps.Git { w.u = u; return w.git() },
		server: w.server}
	w.r.background.wake = make(chan event.TypedGenericEvent[*v1alpha1.PgUpgrade])
	w.Cleanup(w.r.background.stop)
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(w.u), w.u))
}

func (w *soaking) git() steps.Git {
	return &pushing{&gitPort{Client: w.Client, fresh: w.Client, upgrade: w.u, proxy: w.p, source: w.source, flux: w.flux, repository: w.repository}, w}
}

// pushing is Git, with a moment before and after a push.
type pushing struct {
	steps.Git
	w *soaking
}

func (p *pushing) Commit(ctx context.Context, step string, evidence steps.Evidence) error {
	p.w.pushes()
	err := p.Git.Commit(ctx, step, evidence)
	p.w.pushed()
	return err
}

// look as the controller does, at what is stored.
func (w *soaking) look() (o outcome.Outcome) {
	w.Helper()
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(w.u), w.u))
	patcher := patch.NewSerialPatcher(w.u, w.Client)
	seen := &observed{kustomization: w.flux, facts: steps.Facts{Name: "orders", Wanted: w.u.Spec.Version, Retry: w.u.Spec.Retry}}
	w.must(w.r.observeProxy(w.Context(), w.u, seen))
	w.p = seen.proxy
	o = w.r.runWorkflow(w.Context(), w.u, seen, patcher)
	ctrlanalysis.Report(w.recorder, w.u, w.p, w.r.Now())
	w.must(persist(w.Context(), patcher, w.u))
	return o
}

// round is a look at which checks are due.
func (w *soaking) round() outcome.Outcome {
	w.Helper()
	w.ahead.Add(int64(2 * time.Second))
	return w.look()
}

// until a condition, looking again and again.
func (w *soaking) until(what string, is func() bool) {
	w.Helper()
	var last outcome.Outcome
	eventually(w.T, time.Minute, func() bool { last = w.round(); return is() }, func() string {
		return fmt.Sprintf("%s; %s/%s: %+v, analysis %+v", what, w.u.Status.Workflow, w.u.Status.Step, last, w.u.Status.Analysis)
	})
}

func (w *soaking) at(workflow, step string) func() bool {
	return func() bool { return w.u.Status.Workflow == workflow && w.u.Status.Step == step }
}

// killed runs what ends as a process does that is killed, and starts another controller.
func (w *soaking) killed(moment *func(), do func()) {
	w.Helper()
	errKilled := errors.New("killed")
	*moment = func() { panic(errKilled) }
	func() {
		defer func() {
			if r := recover(); r != nil && r != errKilled { //nolint:errorlint // the very value
				panic(r)
			}
		}()
		do()
		w.Error("nothing was pushed")
	}()
	*moment = func() {}
	w.restart()
}

// person does something with Git, in a checkout.
func (w *soaking) person(arguments ...string) string {
	w.Helper()
	return strings.TrimSpace(tool(w.T, w.work, "git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.org"}, arguments...)...))
}

// reverts the commit at the tip of the branch.
func (w *soaking) personReverts() {
	w.Helper()
	w.person("pull", "-q")
	w.person("revert", "--no-edit", "HEAD")
	w.person("push", "-q", "origin", "HEAD:main")
}

// log is the messages of the commits on the branch, newest first.
func (w *soaking) log() []string {
	w.Helper()
	w.person("pull", "-q")
	return strings.Split(strings.Trim(w.person("log", "--format=%B%x00"), "\x00"), "\x00")
}

// fluxApplies the tip of the branch.
func (w *soaking) fluxApplies() {
	w.Helper()
	w.person("pull", "-q")
	revision := "main@sha1:" + w.person("rev-parse", "HEAD")
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(w.p), w.p))
	before := w.p.DeepCopy()
	_, target, _ := strings.Cut(w.person("show", "HEAD:apps/a/proxy.yaml"), "target: ")
	w.p.Spec.Target = strings.TrimSpace(target)
	w.must(w.Patch(w.Context(), w.p, client.MergeFrom(before)))
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(w.source), w.source))
	w.source.Status.Artifact = &meta.Artifact{Revision: revision, Path: "x", URL: "http://x.invalid", Digest: "sha256:" + strings.Repeat("0", 64), LastUpdateTime: metav1.Now()}
	w.must(w.Status().Update(w.Context(), w.source))
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(w.flux), w.flux))
	w.flux.Status.LastAppliedRevision, w.flux.Status.LastAttemptedRevision = revision, revision
	w.must(w.Status().Update(w.Context(), w.flux))
}

// trafficMoves to where Git says, and the way back is open.
func (w *soaking) trafficMoves() {
	w.Helper()
	now := metav1.NewTime(w.r.Now().Truncate(time.Second))
	if w.p.Spec.Target != w.leader {
		w.follow(w.leader, w.p.Spec.Target)
	}
	w.proxy(func(p *v1alpha1.PgProxy) {
		p.Status.Active, p.Status.ActiveSince = p.Spec.Target, &now
		conditions.MarkTrue(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicating, "the other side follows")
	})
}

func (w *soaking) proxy(change func(*v1alpha1.PgProxy)) {
	w.Helper()
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(w.p), w.p))
	before := w.p.DeepCopy()
	change(w.p)
	w.must(w.Status().Patch(w.Context(), w.p, client.MergeFrom(before)))
}

// change the spec, as a commit of the team does.
func (w *soaking) change(spec func(*v1alpha1.PgUpgradeSpec)) {
	w.Helper()
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(w.u), w.u))
	before := w.u.DeepCopy()
	spec(&w.u.Spec)
	w.must(w.Patch(w.Context(), w.u, client.MergeFrom(before)))
}

// says: the condition AnalysisPassed has that reason, and these words.
func (w *soaking) says(reason string, words ...string) {
	w.Helper()
	c := conditions.Get(w.u, v1alpha1.AnalysisPassedCondition)
	if c == nil || c.Reason != reason {
		w.Fatalf("AnalysisPassed: %+v, want %s", c, reason)
	}
	says(w.T, c.Message, words...)
}
