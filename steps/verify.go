package steps

import (
	"context"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

// verifyDone: green follows every table, and a comparison of this attempt found schema and rows
// equal, or explained by rows in flight.
func verifyDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if v, err := brokenReplication(ctx, run, blue, green); v != nil && v.Reason != v1alpha1.ReasonRetainedWAL || err != nil {
		return deref(v), err
	}
	if v, err := unfollowed(ctx, run, blue, green); v != nil || err != nil {
		return deref(v), err
	}
	if v, err := stoppedWorker(ctx, run, blue, green); v != nil || err != nil {
		return deref(v), err
	}
	v := run.Status.Verification
	if v == nil { // a new attempt forgets the comparison of the last
		return act("comparing rows"), nil
	}
	if len(v.Servers) > 0 {
		same, err := run.compared(ctx, blue, green)
		if err != nil {
			return Verdict{}, err
		}
		if !same {
			return act("comparing rows again: a primary was replaced, and may lack some"), nil
		}
	}
	if len(v.Mismatches) > 0 {
		if since := run.Now().Sub(v.At.Time); since > verifyAgain || since < 0 { // a clock was set back
			return act("comparing rows again"), nil
		}
		return waiting(v1alpha1.ReasonVerificationFailed,
			"%d differences: %s. Nothing was switched. Mend the rows on %s or take the version back; compared again every %s",
			len(v.Mismatches), some(v.Mismatches), run.Status.To, verifyAgain), nil
	}
	return done("%d rows in %d tables compared, %d in flight", v.Rows, v.Tables, v.InFlight), nil
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
	return compareRows(ctx, run, blue, green)
}

// compareRows puts into the status what differs between the side that serves and the one that follows.
func compareRows(ctx context.Context, run *Run, blue, green postgres.Server) (err error) {
	result := v1alpha1.VerificationStatus{}
	// before the first row: one that replaces a server meanwhile isn't the one that was compared
	if result.Servers, err = Identities(ctx, blue, green); err != nil {
		return err
	}
	for _, db := range run.Status.Databases {
		drift, err := schemaDrift(ctx, blue, green, db)
		if err != nil {
			return err
		}
		result.Mismatches = append(result.Mismatches, drift...)
		report, err := postgres.Verify(ctx, blue, green, db, postgres.VerifyOptions{
			CountsOnly: run.Upgrade.Spec.Limits.Verify == "Counts",
		})
		if err != nil {
			return err
		}
		result.Tables += int32(report.Tables)
		result.Rows += report.Rows
		result.InFlight += int64(report.InFlight)
		result.Mismatches = append(result.Mismatches, report.Mismatches...)
	}
	result.Mismatches = result.Mismatches[:min(len(result.Mismatches), mostMismatches)]
	result.At = timestamp(run.Now())
	run.Status.Verification = &result
	return nil
}

func schemaDrift(ctx context.Context, blue, green postgres.Server, db string) ([]string, error) {
	drift, err := drifted(ctx, blue, green, db, postgres.SchemaFingerprint)
	for i, d := range drift {
		drift[i] = db + ": " + d
	}
	return drift, err
}

// drifted tells how green's schema differs from blue's, by one kind of fingerprint.
func drifted(ctx context.Context, blue, green postgres.Server, db string,
	fingerprint func(context.Context, postgres.Server, string) (postgres.Fingerprint, error)) ([]string, error) {
	want, err := fingerprint(ctx, blue, db)
	if err != nil {
		return nil, err
	}
	have, err := fingerprint(ctx, green, db)
	if err != nil {
		return nil, err
	}
	return want.Diff(have), nil
}
