package controllers

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// TestALookThatFailsAgainAndAgainIsRepeatedLessOften than one that failed once, each object by itself.
func TestALookThatFailsAgainAndAgainIsRepeatedLessOften(t *testing.T) {
	var r retries
	orders, stock := types.NamespacedName{Namespace: "shop", Name: "orders"}, types.NamespacedName{Namespace: "shop", Name: "stock"}
	failed := outcomeOf(errors.New("the server doesn't answer"), "Verify")
	within := func(got, least time.Duration) {
		t.Helper()
		if most := time.Duration(float64(least) * (1 + retryJitter)); got < least || got > most {
			t.Errorf("again after %s, want %s to %s", got, least, most)
		}
	}
	for _, least := range []time.Duration{firstRetry, 2 * firstRetry, 4 * firstRetry, 8 * firstRetry, 16 * firstRetry, retryStalled, retryStalled} {
		within(r.after(orders, failed), least)
	}
	within(r.after(stock, failed), firstRetry)
	if got := r.after(orders, outcome{requeueAfter: retrySoon}); got != retrySoon {
		t.Errorf("a step in progress is looked at after %s", got)
	}
	within(r.after(orders, failed), firstRetry)
	r.forget(orders)
	within(r.after(orders, failed), firstRetry)

	// what a human must fix is looked at as ever
	if stalled := outcomeOf(&reasonError{reason: "UnknownTarget", stalled: true}, "Verify"); r.after(stock, stalled) != retryStalled {
		t.Errorf("a stalled object is looked at after %s", r.after(stock, stalled))
	}
}
