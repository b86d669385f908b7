package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
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
