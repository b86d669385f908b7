package controllers

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/switchover"
)

func TestASwitchOfAnotherControllerIsLeftAloneForAWhile(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	limits := switchover.Limits{LongTransaction: 5 * time.Second, Hold: 10 * time.Second}
	for _, story := range []struct {
		name    string
		holder  string
		age     time.Duration
		elected bool
		want    time.Duration
	}{
		{"its own, of before it was started again", "me", time.Second, false, 0},
		{"another's, and leader election says that the other is gone", "other", time.Second, true, 0},
		{"another's, without leader election", "other", time.Second, false, 44 * time.Second},
		{"another's that must have ended", "other", 46 * time.Second, false, 0},
		{"another's, begun in the future: the clocks differ", "other", -time.Hour, false, 0},
	} {
		t.Run(story.name, func(t *testing.T) {
			r := &ProxyReconciler{Identity: "me", Elected: story.elected, Now: func() time.Time { return now }}
			since := metav1.NewMicroTime(now.Add(-story.age))
			s := &v1alpha1.SwitchStatus{Controller: story.holder, ControllerSince: &since}
			if got := r.patienceWith(s, limits); got != story.want {
				t.Errorf("waits %v, not %v", got, story.want)
			}
		})
	}
	r := &ProxyReconciler{Identity: "me", Now: func() time.Time { return now }}
	if got := r.patienceWith(&v1alpha1.SwitchStatus{}, limits); got != 0 {
		t.Errorf("waits %v for a switch of an older release, which names nobody", got)
	}
}

// TestOnlyGitAbandonsARollbackPath, and only that of the switch in progress.
func TestOnlyGitAbandonsARollbackPath(t *testing.T) {
	for _, c := range []struct {
		says, to, finalized, workflow string
		givenUp                       bool
	}{
		{"nothing was said", "orders-17", "", steps.Upgrade, false},
		{"the new version is final", "orders-17", "17", steps.Upgrade, true},
		{"an earlier version was final", "orders-17", "15", steps.Upgrade, false},
		{"the new version was final, but traffic goes back", "orders-15", "17", steps.Upgrade, false},
		{"a human reverted the cutover, and the new side shall follow", "orders-15", "", steps.RolledBack, false},
		{"the version was reverted", "orders-15", "", steps.Rollback, true},
		{"the version was reverted, but the revert was reverted", "orders-17", "", steps.Rollback, false},
	} {
		u := &v1alpha1.PgUpgrade{Status: v1alpha1.PgUpgradeStatus{Workflow: c.workflow, From: "orders-15", To: "orders-17"}}
		u.Name, u.Spec.Soak.FinalizedVersion = "orders", c.finalized
		p := &v1alpha1.PgProxy{Status: v1alpha1.PgProxyStatus{Switch: &v1alpha1.SwitchStatus{To: c.to, From: "orders-15"}}}
		x := &proxyScope{proxy: p, upgrade: u}
		if word := rollbackAbandoned(x); (word != "") != c.givenUp {
			t.Errorf("%s: %q", c.says, word)
		}
		if advice := unfinishedAdvice(x); c.to == u.Status.To && !strings.Contains(advice, `finalizedVersion: "17"`) {
			t.Errorf("%s: advice %q", c.says, advice)
		}
		if advice := undecidedAdvice(x); strings.Contains(advice, `finalizedVersion: "17"`) != (c.to == u.Status.To) || !strings.Contains(advice, "lost for good") {
			t.Errorf("%s: advice %q", c.says, advice)
		}
	}
}

func TestPatienceRunsOutAndAClockThatIsSetBackGivesNoMore(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	waiting := func(ago time.Duration, released int32) *v1alpha1.WaitingStatus {
		return &v1alpha1.WaitingStatus{Since: metav1.NewMicroTime(now.Add(-ago)), Released: released}
	}
	for _, c := range []struct {
		name    string
		spec    time.Duration
		waiting *v1alpha1.WaitingStatus
		left    time.Duration
	}{
		{"nothing waits yet", 40 * time.Second, nil, 40 * time.Second},
		{"the default", -1, nil, time.Minute},
		{"no patience", 0, nil, 0},
		{"some is left", 40 * time.Second, waiting(30*time.Second, 1), 10 * time.Second},
		{"none is left", 40 * time.Second, waiting(time.Hour, 0), 0},
		{"clients waited often enough", 40 * time.Second, waiting(time.Second, mostReleases), 0},
		{"the clock was set back", 40 * time.Second, waiting(-time.Hour, 0), 40 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &v1alpha1.PgProxy{}
			if c.spec >= 0 {
				p.Spec.Switch.Patience = &metav1.Duration{Duration: c.spec}
			}
			p.Status.Waiting = c.waiting
			if left := patienceLeft(p, now); left != c.left {
				t.Errorf("%s is left, want %s", left, c.left)
			}
		})
	}
}

func TestPatienceCountsFromWhenNothingButTransactionsIsInTheWay(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	r := &ProxyReconciler{Now: func() time.Time { return now }}
	p := &v1alpha1.PgProxy{}
	transaction := switchover.Obstacle{Kind: switchover.LongTransaction}
	drift := switchover.Obstacle{Kind: switchover.SchemaDrift}

	r.waits(p, []switchover.Obstacle{transaction, drift})
	if p.Status.Waiting != nil {
		t.Error("patience is spent on a schema that differs")
	}
	r.waits(p, []switchover.Obstacle{transaction})
	began := now
	now = now.Add(20 * time.Second)
	r.waits(p, nil)
	if w := p.Status.Waiting; w == nil || !w.Since.Time.Equal(began) {
		t.Errorf("waits since %v, want %s", w, began)
	}
	forgetAttempts(p, "orders-17")
	if p.Status.Waiting != nil || p.Status.FailedTarget != "orders-17" {
		t.Errorf("another target begins with %+v", p.Status)
	}
}
