package steps

import (
	"context"
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// verifyDone: green follows every table, and a comparison of this attempt found schema and rows
// equal, or explained by rows in flight.
func verifyDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	broken, err := brokenReplication(ctx, run, blue, green)
	if err != nil {
		return Verdict{}, err
	}
	if broken != nil && broken.Reason != v1alpha1.ReasonRetainedWAL {
		return *broken, nil
	}
	if v, err := unfollowed(ctx, run, blue, green); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	if v, err := stoppedWorker(ctx, run, blue, green); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	why, err := toCompare(ctx, run, blue, green)
	if err != nil {
		return Verdict{}, err
	}
	v := run.Status.Verification
	switch {
	case why != "" && broken != nil: // said, and no reason to stop
		compare := slowly("%s; %s", broken.Message, why)
		compare.Reason = broken.Reason
		return compare, nil
	case why != "":
		return slowly("%s", why), nil
	case len(v.Mismatches) > 0:
		return waiting(v1alpha1.ReasonVerificationFailed,
			"%d differences: %s. Nothing was switched. Fix the rows on %s or take the version back; compared again every %s",
			len(v.Mismatches), some(v.Mismatches), run.Status.To, verifyAgain), nil
	}
	return done("%s compared, %d in flight", comparedText(v), v.InFlight), nil
}

// toCompare says why rows are to be compared now, and how far that has come; empty if they aren't.
func toCompare(ctx context.Context, run *Run, blue, green postgres.Server) (string, error) {
	v := run.Status.Verification
	if v == nil { // a new attempt forgets the comparison of the last
		return "comparing rows" + comparingText(run.Status.Comparing), nil
	}
	if len(v.Servers) > 0 {
		same, err := run.compared(ctx, blue, green)
		if err != nil {
			return "", err
		}
		if !same {
			return "comparing rows again, since a primary was replaced and may lack some" + comparingText(run.Status.Comparing), nil
		}
	}
	// less than nothing: a clock was set back
	if since := run.Now().Sub(v.At.Time); len(v.Mismatches) > 0 && (since > verifyAgain || since < 0) {
		return "comparing rows again" + comparingText(run.Status.Comparing), nil
	}
	return "", nil
}

// comparedText says what was compared.
func comparedText(v *v1alpha1.VerificationStatus) string {
	text := fmt.Sprintf("%d rows in %d tables", v.Rows, v.Tables)
	if v.Sampled > 0 {
		text += fmt.Sprintf(", a sample of %d of them,", v.Sampled)
	}
	if v.OnStandby > 0 {
		text += fmt.Sprintf(" (%d rows on a standby)", v.OnStandby)
	}
	return text
}

func verifyRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	if v, err := unfollowed(ctx, run, blue, green); err != nil {
		return err
	} else if v != nil { // rows that are still to be copied are no differences
		return followRun(ctx, run)
	}
	if carryOf(run.Upgrade).LargeObjects { // so that the first switch has less to do
		for _, db := range run.Status.Databases {
			if _, err := transfer.CarryAhead(ctx, blue, green, db, transfer.Carry{LargeObjects: true}); err != nil {
				return err
			}
		}
	}
	return compareRows(ctx, run, blue, green)
}
