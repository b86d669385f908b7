package outcome

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// TestALookThatFailsAgainAndAgainIsRepeatedLessOften than one that failed once, each object by itself.
func TestALookThatFailsAgainAndAgainIsRepeatedLessOften(t *testing.T) {
	var r Retries
	orders, stock := types.NamespacedName{Namespace: "shop", Name: "orders"}, types.NamespacedName{Namespace: "shop", Name: "stock"}
	failed := Of(errors.New("the server doesn't answer"), "Verify")
	within := func(got, least time.Duration) {
		t.Helper()
		if most := time.Duration(float64(least) * (1 + retryJitter)); got < least || got > most {
			t.Errorf("again after %s, want %s to %s", got, least, most)
		}
	}
	for _, least := range []time.Duration{firstRetry, 2 * firstRetry, 4 * firstRetry, 8 * firstRetry, 16 * firstRetry, RetryStalled, RetryStalled} {
		within(r.After(orders, failed), least)
	}
	within(r.After(stock, failed), firstRetry)
	if got := r.After(orders, Outcome{RequeueAfter: RetrySoon}); got != RetrySoon {
		t.Errorf("a step in progress is looked at after %s", got)
	}
	within(r.After(orders, failed), firstRetry)
	r.Forget(orders)
	within(r.After(orders, failed), firstRetry)

	// what a human must fix is looked at as ever
	if stalled := Of(&ReasonError{Reason: "UnknownTarget", Stalled: true}, "Verify"); r.After(stock, stalled) != RetryStalled {
		t.Errorf("a stalled object is looked at after %s", r.After(stock, stalled))
	}
}
