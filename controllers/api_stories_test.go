package controllers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

func TestAnUpgradeIsLookedAtOnceWhatItRefersToComes(t *testing.T) {
	w := aTeam(t)
	w.run()
	u := w.upgrade("orders")
	w.create(u)
	says := func(reason, words string) {
		t.Helper()
		w.await(reason+" of "+words, soon, u, func() bool {
			return conditions.GetReason(u, v1alpha1.ReadyCondition) == reason && strings.Contains(conditions.GetMessage(u, v1alpha1.ReadyCondition), words)
		})
	}
	says(v1alpha1.ReasonSourceNotFound, "Kustomization")
	k, g := w.fleet(u)
	w.createWithStatus(k)
	says(v1alpha1.ReasonSourceNotFound, "GitRepository")
	w.create(g)
	says(v1alpha1.ReasonFluxPending, "PgProxy orders does not exist")
	if !controllerutil.ContainsFinalizer(u, v1alpha1.Finalizer) {
		t.Error("nothing would remove its slots when it is deleted")
	}
}

func TestAProxyIsLookedAtOnceItsUpgradeComes(t *testing.T) {
	w := aTeam(t)
	w.run()
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target = "orders", "orders-15"
	p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	w.create(p)
	reason := func(reason string) func() bool {
		return func() bool { return conditions.GetReason(p, v1alpha1.ReadyCondition) == reason }
	}
	w.await("the upgrade is missed", soon, p, reason(v1alpha1.ReasonUpgradeNotFound))
	w.create(w.upgrade("orders"))
	w.await("the superuser's Secret is missed", soon, p, reason(v1alpha1.ReasonSecretNotFound))
}

// What stands in a PgProxy has to fit its pooler; the refusal says what to do.
func TestAProxySaysOnlyWhatItsPoolerCanDo(t *testing.T) {
	w := aTeam(t)
	for _, story := range []struct {
		name string
		spec func(*v1alpha1.PgProxySpec)
		says string
	}{
		{"a pooler of an unknown type", func(s *v1alpha1.PgProxySpec) { s.Pooler.Type = "Odyssey" }, "PgBouncer"},
		{"HAProxy can't hold sessions", func(s *v1alpha1.PgProxySpec) { s.Pooler.Type, s.Switch.Sessions = "HAProxy", "Wait" }, "say End, or leave it out"},
		{"HAProxy ends sessions", func(s *v1alpha1.PgProxySpec) { s.Pooler.Type, s.Switch.Sessions = "HAProxy", "End" }, ""},
		{"HAProxy ends sessions anyway", func(s *v1alpha1.PgProxySpec) { s.Pooler.Type = "HAProxy" }, ""},
		{"PgBouncer waits for sessions", func(s *v1alpha1.PgProxySpec) { s.Switch.Sessions = "Wait" }, ""},
		{"a Service has no pods", func(s *v1alpha1.PgProxySpec) {
			s.Pooler.Type, s.Pooler.Service = "Service", &v1alpha1.LocalReference{Name: "db"}
		}, "type Service has none"},
		{"a Service by its name", func(s *v1alpha1.PgProxySpec) {
			s.Pooler = v1alpha1.PoolerSpec{Type: "Service", Service: &v1alpha1.LocalReference{Name: "db"}}
		}, ""},
		{"a Service without a name", func(s *v1alpha1.PgProxySpec) { s.Pooler = v1alpha1.PoolerSpec{Type: "Service"} }, "service names the Service of type Service, which needs it"},
		{"a Service can't hold sessions", func(s *v1alpha1.PgProxySpec) {
			s.Pooler = v1alpha1.PoolerSpec{Type: "Service", Service: &v1alpha1.LocalReference{Name: "db"}}
			s.Switch.Sessions = "Wait"
		}, "say End, or leave it out"},
		{"PgBouncer without pods", func(s *v1alpha1.PgProxySpec) { s.Pooler = v1alpha1.PoolerSpec{} }, "selector names the pods"},
		{"PgBouncer and a Service", func(s *v1alpha1.PgProxySpec) { s.Pooler.Service = &v1alpha1.LocalReference{Name: "db"} }, "leave it out with other types"},
		{"something else is done to sessions", func(s *v1alpha1.PgProxySpec) { s.Switch.Sessions = "Freeze" }, "sessions"},
	} {
		p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
		p.Spec.UpgradeRef.Name, p.Spec.Target = "orders", "orders-15"
		p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
		story.spec(&p.Spec)
		err := w.Create(t.Context(), p, client.DryRunAll)
		if story.says == "" && err != nil || story.says != "" && (err == nil || !strings.Contains(err.Error(), story.says)) {
			t.Errorf("%s: got %v, want words that say %q", story.name, err, story.says)
		}
	}
}

func TestARequestIsAnsweredAtOnceAndAStatusAsksForNothing(t *testing.T) {
	w := aTeam(t)
	w.run()
	u, sentinel := w.upgrade("orders"), w.upgrade("sentinel")
	w.create(u)
	w.await("a first look", soon, u, func() bool { return conditions.IsStalled(u) })
	request := func(token string) {
		t.Helper()
		before := u.DeepCopy()
		metav1.SetMetaDataAnnotation(&u.ObjectMeta, meta.ReconcileRequestAnnotation, token)
		w.must(w.Patch(t.Context(), u, client.MergeFrom(before)))
		w.await("the request "+token+" is answered", soon, u, func() bool { return u.Status.LastHandledReconcileAt == token })
	}
	request("first")
	name := u.Name
	w.looks.name.Store(&name)
	// events come in order: once the sentinel was looked at, what this writes was judged
	before := u.DeepCopy()
	u.Status.Version = "15"
	w.must(w.Status().Patch(t.Context(), u, client.MergeFrom(before)))
	w.create(sentinel)
	w.await("a look at the sentinel", soon, sentinel, func() bool { return conditions.IsStalled(sentinel) })
	if n := w.looks.n.Load(); n != 0 {
		t.Errorf("%d looks, because of a status", n)
	}
	request("second")
	if w.looks.n.Load() == 0 {
		t.Error("looks aren't counted")
	}
}

func TestASuspendedUpgradeIsLeftAlone(t *testing.T) {
	w := aTeam(t)
	w.run()
	u := w.upgrade("orders")
	u.Spec.Suspend = true
	w.create(u)
	w.await("it is suspended", soon, u, func() bool {
		return conditions.IsTrue(u, v1alpha1.SuspendedCondition) && u.Status.ObservedGeneration == 1
	})
	if conditions.Has(u, v1alpha1.ReadyCondition) {
		t.Errorf("it was looked at: %+v", u.Status.Conditions)
	}
	before := u.DeepCopy()
	u.Spec.Suspend = false
	w.must(w.Patch(t.Context(), u, client.MergeFrom(before)))
	w.await("it goes on", soon, u, func() bool { return conditions.IsStalled(u) && !conditions.Has(u, v1alpha1.SuspendedCondition) })
}

func TestAnUpgradeThatIsDeletedHalfWayWaitsForItsServersButNotForEver(t *testing.T) {
	w := aTeam(t)
	u := w.upgrade("orders")
	u.Spec.Adopt = &v1alpha1.AdoptSpec{Name: "legacy", Version: "15", Host: "127.0.0.1", Port: 1} // nothing answers there
	u.Finalizers = []string{v1alpha1.Finalizer}
	u.Spec.Suspend = true
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Step: steps.CatchUp, From: "legacy", Databases: []string{"shop"}}
	w.createWithStatus(u)
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "superuser"},
		Data: map[string][]byte{"username": []byte("postgres"), "password": []byte("secret")}})
	w.run()
	w.await("it is suspended", soon, u, func() bool { return conditions.IsTrue(u, v1alpha1.SuspendedCondition) })
	w.must(w.Delete(t.Context(), u))
	w.await("it says what it waits for", 4*soon, u, func() bool {
		return strings.Contains(conditions.GetMessage(u, v1alpha1.ReadyCondition), "not everything is removed yet: on legacy")
	})
	w.ahead.Store(int64(deletePatience + time.Minute))
	before := u.DeepCopy()
	metav1.SetMetaDataAnnotation(&u.ObjectMeta, meta.ReconcileRequestAnnotation, "now")
	w.must(w.Patch(t.Context(), u, client.MergeFrom(before)))
	w.awaitGone(4*soon, u)
	for {
		select {
		case event := <-w.recorder.Events:
			if strings.Contains(event, "LeftBehind") && strings.Contains(event, "by hand: ") {
				if strings.Contains(event, "secret") {
					t.Errorf("the password is in it: %s", event)
				}
				return
			}
		default:
			t.Fatal("no event says what is left behind")
		}
	}
}

// TestWhatOthersWriteDuringALookStays and is looked at: a merged commit, a label, another controller's condition.
func TestWhatOthersWriteDuringALookStays(t *testing.T) {
	w := aTeam(t)
	u := w.upgrade("orders")
	u.Finalizers = []string{v1alpha1.Finalizer}
	w.create(u)
	meanwhile := func() {
		live := &v1alpha1.PgUpgrade{}
		w.must(w.Get(t.Context(), client.ObjectKeyFromObject(u), live))
		live.Spec.Version, live.Labels = "17", map[string]string{"team": "shop"}
		w.must(w.Update(t.Context(), live))
		live.Status.Conditions = append(live.Status.Conditions, metav1.Condition{Type: "Audited", Status: metav1.ConditionTrue, Reason: "Yes", LastTransitionTime: metav1.Now()})
		w.must(w.Status().Update(t.Context(), live))
	}
	watching, ok := w.Client.(client.WithWatch)
	if !ok {
		t.Fatal("the client can't be intercepted")
	}
	patches := 0
	c := interceptor.NewClient(watching, interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
		if patches++; patches == 1 {
			meanwhile()
		}
		return c.SubResource(sub).Patch(ctx, o, p, options...)
	}})
	r := &UpgradeReconciler{Client: c, Uncached: w.Client, Recorder: w.recorder, CloneDirectory: t.TempDir(), Now: time.Now}
	look := func() error {
		_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(u)})
		w.must(w.Get(t.Context(), client.ObjectKeyFromObject(u), u))
		return err
	}
	if err := look(); err != nil {
		t.Logf("the look that was overtaken: %v", err) // it is repeated
	}
	if u.Spec.Version != "17" || u.Labels["team"] != "shop" || !conditions.IsTrue(u, "Audited") {
		t.Fatalf("lost: version %s, labels %v, conditions %+v", u.Spec.Version, u.Labels, u.Status.Conditions)
	}
	if u.Status.ObservedGeneration == u.Generation {
		t.Error("it counts as looked at, which it wasn't")
	}
	w.must(look())
	if u.Status.ObservedGeneration != u.Generation || !conditions.IsStalled(u) || !conditions.IsTrue(u, "Audited") {
		t.Errorf("the next look: generation %d of %d, conditions %+v", u.Status.ObservedGeneration, u.Generation, u.Status.Conditions)
	}
}
