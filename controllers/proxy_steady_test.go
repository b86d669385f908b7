package controllers

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/fluxcd/pkg/runtime/patch"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// The servers are those of a soak, or of a rollback; nothing but this look tends the rollback path.
func TestTheRollbackPathGoesOnAfterTheSuperusersPasswordWasChanged(t *testing.T) {
	b := newRollbackPath(t)
	b.until("")
	b.active.Exec("", "ALTER ROLE postgres PASSWORD 'rotated'")
	b.active.Password = "rotated"
	b.active.Exec("", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
	b.until("")
	if got := b.follower.Query("", "SELECT count(*) FROM pg_subscription WHERE subconninfo LIKE '%rotated%'"); got != "1" {
		t.Errorf("%s subscriptions know the password", got)
	}
}

// TestARollbackPathThatBeginsIsNotBroken for as long as a subscriber may take to connect.
func TestARollbackPathThatBeginsIsNotBroken(t *testing.T) {
	b := newRollbackPath(t, pg.Settings{"max_logical_replication_workers": "0"}) // nobody connects
	replication := b.replication()
	replication.starting = true
	if trouble, activeErr, err := replication.keepUp(t.Context(), []string{"d"}); trouble != "" || activeErr != nil || !errors.Is(err, errStarting) {
		t.Errorf("right after a switch: %q, %v, %v", trouble, activeErr, err)
	}
	if trouble := b.look(); !strings.Contains(trouble, "nothing reads the slot") {
		t.Errorf("later: %q", trouble)
	}
}

// A row that somebody wrote on the side that follows stops it.
func TestARollbackPathThatIsStoppedIsNotReady(t *testing.T) {
	b := newRollbackPath(t)
	for _, s := range []*pg.Server{b.follower, b.active} {
		s.Exec("d", "CREATE TABLE t (id int PRIMARY KEY)")
	}
	b.until("")
	b.follower.Exec("d", "INSERT INTO t VALUES (1)")
	b.active.Exec("d", "INSERT INTO t VALUES (1)")
	b.until("fails or doesn't run")
	b.follower.Exec("d", "DELETE FROM t")
	b.until("")
}

// PostgreSQL itself says nothing when it skips the changes of a table that it doesn't know.
func TestATableThatIsMadeDuringTheSoakIsReplicated(t *testing.T) {
	b := newRollbackPath(t)
	b.until("")
	for _, s := range []*pg.Server{b.follower, b.active} {
		s.Exec("d", "CREATE TABLE late (id int PRIMARY KEY)")
	}
	b.active.Exec("d", "INSERT INTO late VALUES (1)")
	b.follower.Exec("d", "INSERT INTO late VALUES (1)")
	b.until("table public.late isn't replicated yet and has rows on " + b.follower.Instance)
	b.follower.Exec("d", "TRUNCATE late")
	b.until("")
	if got := b.follower.Query("d", "SELECT count(*) FROM late"); got != "1" {
		t.Errorf("%s rows", got)
	}
}

// TestARollbackPathIsNotReadyWhileTheServingSideIsSilent, as in a failover; before the cutover nothing is said.
func TestARollbackPathIsNotReadyWhileTheServingSideIsSilent(t *testing.T) {
	p, u := &v1alpha1.PgProxy{}, &v1alpha1.PgUpgrade{}
	p.Status.Active = "orders-17"
	x := &proxyScope{proxy: p, upgrade: u}
	u.Status.From, u.Status.To, u.Status.Workflow, u.Status.Step = "orders-15", "orders-17", steps.Upgrade, steps.AwaitSwitch
	rollbackUnknown(x, errors.New("connection refused"))
	if said := rollbackOf(p); said != nil {
		t.Errorf("%+v", said)
	}
	u.Status.Step = steps.Soak
	rollbackUnknown(x, errors.New("connection refused"))
	if said := rollbackOf(p); said == nil || said.Status != metav1.ConditionFalse || said.Reason != v1alpha1.ReasonServerUnreachable || !strings.Contains(said.Message, "whether orders-15 follows") {
		t.Errorf("%+v", said)
	}
}

// TestASideThatFollowsAndLetsApplicationsInIsFencedAgain, on a real API server and a real PostgreSQL, unless a switch leads there.
func TestASideThatFollowsAndLetsApplicationsInIsFencedAgain(t *testing.T) {
	w := aTeam(t)
	b := newRollbackPath(t)
	u := w.upgrade("orders")
	u.Spec.Adopt = &v1alpha1.AdoptSpec{Name: "orders-15", Version: "15", Host: b.follower.Host, Port: int32(b.follower.Port), SecretRef: &v1alpha1.SecretReference{Name: "follower"}}
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "follower"},
		StringData: map[string]string{"username": b.follower.User, "password": string(b.follower.Password)}})
	u.Status.Workflow, u.Status.Step, u.Status.From, u.Status.To, u.Status.Databases = steps.Upgrade, steps.Soak, "orders-15", "orders-17", []string{"d"}
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target = "orders", "orders-17"
	p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	w.create(p)
	r := &ProxyReconciler{Client: w.Client, Uncached: w.Client, Recorder: w.recorder, Now: time.Now, Identity: "me"}
	look := func() {
		t.Helper()
		x := &proxyScope{proxy: p, upgrade: u, identity: identity{password: "secret"}, patcher: patch.NewSerialPatcher(p, w.Client)}
		p.Status.Active = "orders-17"
		w.must(persist(t.Context(), x.patcher, p))
		r.staysFenced(t.Context(), x)
		if p.Status.FencedAgain != nil {
			w.must(r.rollbackPath(t.Context(), x))
		}
	}
	open := func() bool {
		t.Helper()
		found, err := fence.OpenDatabases(t.Context(), b.follower.Server, []string{"d"})
		w.must(err)
		return len(found) > 0
	}
	look()
	if p.Status.FencedAgain != nil || len(w.recorder.Events) > 0 {
		t.Errorf("it was fenced: %+v", p.Status.FencedAgain)
	}
	b.follower.Exec("", "ALTER DATABASE d CONNECTION LIMIT -1")
	look()
	stored := &v1alpha1.PgProxy{}
	w.must(w.Get(t.Context(), client.ObjectKeyFromObject(p), stored))
	now, err := failover.Identities(t.Context(), b.follower.Server)
	w.must(err)
	if open() || stored.Status.FencedAgain == nil || stored.Status.FencedAgain.SystemIdentifier != now[0].SystemIdentifier {
		t.Errorf("open is %t; %+v", open(), stored.Status.FencedAgain)
	}
	select {
	case said := <-w.recorder.Events:
		if !strings.Contains(said, "FencedAgain orders-15 let applications in, though orders-17 serves: fenced again (databases: d)") {
			t.Error(said)
		}
	default:
		t.Error("nothing was said")
	}
	way := conditions.Get(p, v1alpha1.RollbackReadyCondition)
	if way == nil || way.Status != metav1.ConditionFalse || !strings.Contains(way.Message, "orders-15 let applications in, though orders-17 serves, and is fenced again; rows are compared") {
		t.Errorf("%+v", way)
	}
	if o := recovering(p, u); o == nil || !strings.Contains(o.Message, "orders-15 let applications in") {
		t.Errorf("a switch would begin: %+v", o)
	}
	first := stored.Status.FencedAgain.At
	for _, noted := range []bool{false, true} {
		if noted {
			u.Status.FencedAgain = p.Status.FencedAgain.DeepCopy()
		}
		b.follower.Exec("", "ALTER DATABASE d CONNECTION LIMIT -1")
		look()
		if again := p.Status.FencedAgain.At.After(first.Time); again != noted || open() {
			t.Errorf("the first time was noted: %t; this is another time: %t; it is open: %t", noted, again, open())
		}
	}
	u.Status.FencedAgain = p.Status.FencedAgain.DeepCopy()
	if o := recovering(p, u); o != nil {
		t.Errorf("it was noted: %+v", o)
	}

	b.follower.Exec("", "ALTER DATABASE d CONNECTION LIMIT -1")
	w.must(w.Get(t.Context(), client.ObjectKeyFromObject(p), stored))
	stored.Status.Switch = &v1alpha1.SwitchStatus{ID: "s", From: "orders-17", To: "orders-15", StartedAt: metav1.Now()}
	w.must(w.Status().Update(t.Context(), stored))
	look()
	if !open() {
		t.Error("a switch leads there, and it was closed")
	}

	w.must(w.Get(t.Context(), client.ObjectKeyFromObject(p), stored))
	stored.Status.Switch, stored.Status.Active = nil, "orders-17"
	w.must(w.Status().Update(t.Context(), stored))
	stored.Spec.Target, stored.Spec.Suspend = "orders-15", true
	w.must(w.Update(t.Context(), stored))
	w.createWithStatus(u)
	if o := r.reconcile(t.Context(), stored, patch.NewSerialPatcher(stored, w.Client)); o.Reason != v1alpha1.ReasonSuspended || open() {
		t.Errorf("a switch back is wanted, and waits: %+v, open is %t", o, open())
	}
}

// rollbackPath is a server that serves and one that follows.
type rollbackPath struct {
	t                *testing.T
	active, follower *pg.Server
	names            postgres.Names
	memory           memory
}

func newRollbackPath(t *testing.T, more ...pg.Settings) *rollbackPath {
	t.Helper()
	ctx, settings := t.Context(), maps.Clone(pg.Logical)
	for _, m := range more {
		maps.Copy(settings, m)
	}
	b := &rollbackPath{t: t, active: pg.Start(t, 17, settings), follower: pg.Start(t, 15, settings), names: postgres.Names{UID: pg.UpgradeUID}}
	for _, s := range []*pg.Server{b.active, b.follower} {
		s.Exec("", "CREATE DATABASE d")
		b.must(fence.EnsureRegister(ctx, s.Server, agentRole, "secret"))
		b.must(replication.EnsureMarker(ctx, s.Server, "d"))
	}
	b.must(fence.FenceStandby(ctx, b.follower.Server, []string{"d"}))
	b.must(replication.CreatePublication(ctx, b.active.Server, "d", b.names))
	b.must(replication.CreateSlot(ctx, b.active.Server, "d", b.names, b.follower.Instance))
	b.must(replication.CreateSubscription(ctx, b.follower.Server, replication.SubscribeOptions{Publisher: b.active.Server, Database: "d", Names: b.names}))
	return b
}

func (b *rollbackPath) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *rollbackPath) replication() reverseReplication {
	return reverseReplication{active: b.active.Server, follower: b.follower.Server, names: b.names, memory: &b.memory}
}

func (b *rollbackPath) look() string {
	b.t.Helper()
	trouble, activeErr, err := b.replication().keepUp(b.t.Context(), []string{"d"})
	b.must(activeErr)
	b.must(err)
	return trouble
}

// until the trouble is want, or has it in its words.
func (b *rollbackPath) until(want string) {
	b.t.Helper()
	var got string
	eventually(b.t, time.Minute, func() bool {
		got = b.look()
		return got == want || want != "" && strings.Contains(got, want)
	}, func() string { return fmt.Sprintf("trouble %q, which is %q", want, got) })
}
