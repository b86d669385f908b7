package steps

import (
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// PostgreSQL's count of failures never goes back, also when all is well again.
func TestAFailureOfTheCopyIsReportedWhileItIsNew(t *testing.T) {
	clock := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	run := &Run{Status: &v1alpha1.PgUpgradeStatus{}, Now: func() time.Time { return clock }}
	looks := []struct {
		after    time.Duration
		failures int64
		want     bool
	}{
		{0, 0, false},
		{time.Second, 1, true},
		{time.Second, 1, true},
		{failureShown, 1, false},
		{time.Second, 2, true},
		{time.Second, 0, true}, // the server crashed and counts from zero
		{failureShown, 0, false},
		{time.Second, 1, true},
	}
	for i, look := range looks {
		clock = clock.Add(look.after)
		showProgress(run, replication.Progress{TablesTotal: 1})
		showFailures(run, look.failures)
		if got := failedLately(run); got != look.want {
			t.Errorf("look %d, %d failures: reported is %t", i, look.failures, got)
		}
	}
}
