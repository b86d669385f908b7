package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/switchover"
)

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
