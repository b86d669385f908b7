package gate

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

var aDay = &metav1.Duration{Duration: 24 * time.Hour}

// Freeze is what keeps anything from beginning.
type Freeze struct {
	// Reason that its author gave.
	Reason string
	// Until is when no freeze lasts any more, as far as a few that follow each other tell.
	Until time.Time
}

func (f Freeze) String() string {
	return fmt.Sprintf("frozen until %s: %s", f.Until.UTC().Format("2006-01-02 15:04:05 UTC"), f.Reason)
}

// mostInARow of freezes that follow each other are added up.
const mostInARow = 64

// Frozen says what lasts at t; nil if nothing does. One that can't be understood isn't counted: Problems names it.
func Frozen(freezes []v1alpha1.Freeze, t time.Time) *Freeze {
	var found *Freeze
	for range mostInARow {
		reason, end := lasting(freezes, t)
		if end.IsZero() {
			break
		}
		if found == nil {
			found = &Freeze{Reason: reason}
		}
		found.Until, t = end, end
	}
	return found
}

// lasting is the freeze at t that ends last.
func lasting(freezes []v1alpha1.Freeze, t time.Time) (reason string, end time.Time) {
	for _, f := range freezes {
		if until, err := freezeEnd(f, t); err == nil && until.After(end) {
			reason, end = f.Reason, until
		}
	}
	return reason, end
}

// freezeEnd is when a freeze that lasts at t ends; zero if it doesn't last.
func freezeEnd(f v1alpha1.Freeze, t time.Time) (time.Time, error) {
	if f.Schedule != "" {
		s, err := parse(f.Recurrence)
		if err != nil {
			return time.Time{}, err
		}
		return s.lasting(t), nil
	}
	switch {
	case f.From == nil || f.Until == nil:
		return time.Time{}, errors.New("it has neither from and until, nor schedule and duration")
	case !f.From.Before(f.Until):
		return time.Time{}, fmt.Errorf("until %s must be after from %s", f.Until.UTC().Format(time.RFC3339), f.From.UTC().Format(time.RFC3339))
	case t.Before(f.From.Time) || !t.Before(f.Until.Time):
		return time.Time{}, nil
	}
	return f.Until.Time, nil
}
