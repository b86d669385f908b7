package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/steps/postgres/verify"
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
	if v, err := unreplicatedTables(ctx, run, blue, green); v != nil || err != nil {
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
	case why != "" && broken != nil: // it is reported, but does not stop this step
		compare := slowly("%s; %s", broken.Message, why)
		compare.Reason = broken.Reason
		return compare, nil
	case why != "":
		return slowly("%s", why), nil
	case len(failover.TakeDiffering(run.Status, run.Upgrade.Spec.Retry)) > 0:
		return Verdict{ReturnTo: CopyData, Message: fmt.Sprintf("%s, and rows differ; copying them again", run.Status.Failover.Message)}, nil
	case len(v.Mismatches) > 0:
		return waiting(v1alpha1.ReasonVerificationFailed,
			"%d differences: %s. Nothing was switched. Fix the rows on %s or revert the version; compared again every %s",
			len(v.Mismatches), some(v.Mismatches), run.Status.To, verifyAgain), nil
	}
	run.Status.Failover = nil
	return done("%s compared, %d in flight", comparedText(v), v.InFlight), nil
}

// toCompare says why rows are to be compared now, with the progress; empty if they aren't.
func toCompare(ctx context.Context, run *Run, blue, green postgres.Server) (string, error) {
	v := run.Status.Verification
	if v == nil { // a new attempt drops the comparison of the last one
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
	if v, err := unreplicatedTables(ctx, run, blue, green); err != nil {
		return err
	} else if v != nil { // rows that still have to be copied are no differences
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

// compareRows writes the differences between the serving and the following side into the status. It continues an
// interrupted comparison of the same servers.
func compareRows(ctx context.Context, run *Run, blue, green postgres.Server) error {
	c, err := run.comparison(ctx, blue, green)
	if err != nil {
		return err
	}
	pace := paceOf(run.Upgrade.Spec.Limits.VerifyRowsPerSecond)
	for _, db := range run.Status.Databases[max(0, slices.Index(run.Status.Databases, c.Database)):] {
		if db != c.Database {
			c.Database, c.Schema, c.Table, c.Bound = db, "", "", ""
		}
		if err := compareDatabase(ctx, run, blue, green, pace, &c); err != nil {
			return err
		}
	}
	result := c.Found
	result.Mismatches = result.Mismatches[:min(len(result.Mismatches), mostMismatches)]
	result.At = timestamp(run.Now())
	run.Note(func(s *v1alpha1.PgUpgradeStatus) { s.Verification, s.Comparing = &result, nil })
	return nil
}

// comparison is the one that was interrupted, or a new one.
func (r *Run) comparison(ctx context.Context, blue, green postgres.Server) (v1alpha1.ComparingStatus, error) {
	method := r.Upgrade.Spec.Limits.Verify
	// before the first row: a server that replaces one of these meanwhile isn't the one that was compared
	servers, err := failover.Identities(ctx, blue, green)
	if err != nil {
		return v1alpha1.ComparingStatus{}, err
	}
	if c := r.Status.Comparing; c != nil && c.Method == method && slices.Equal(c.Found.Servers, servers) && slices.Contains(r.Status.Databases, c.Database) {
		return *c.DeepCopy(), nil
	}
	c := v1alpha1.ComparingStatus{Method: method}
	c.Found.Servers, c.Found.At = servers, timestamp(r.Now())
	for _, db := range r.Status.Databases {
		rows, err := verify.ExpectedRows(ctx, blue, db, r.samplePercent())
		if err != nil {
			return c, err
		}
		c.RowsExpected += rows
	}
	begun := c.DeepCopy()
	r.Note(func(s *v1alpha1.PgUpgradeStatus) { s.Comparing = begun })
	return c, nil
}

// compareDatabase continues with the database of a comparison, and adds the results to it.
func compareDatabase(ctx context.Context, run *Run, blue, green postgres.Server, pace *rate.Limiter, c *v1alpha1.ComparingStatus) error {
	before := *c.DeepCopy()
	if before.Table == "" {
		drift, err := schema.Compare(ctx, blue, green, c.Database, schema.Whole)
		if err != nil {
			return err
		}
		for _, d := range drift.Differences {
			before.Found.Mismatches = append(before.Found.Mismatches, c.Database+": "+d)
		}
	}
	report, err := verify.Compare(ctx, blue, green, c.Database, verify.Options{
		CountsOnly: c.Method == "Counts", SamplePercent: run.samplePercent(), Pace: pace, Standby: run.standbyOf(blue),
		From: verify.Place{Schema: before.Schema, Table: before.Table, Bound: before.Bound},
		Progress: func(found verify.Report, next verify.Place) {
			now := before.DeepCopy()
			addFound(&now.Found, found)
			now.Schema, now.Table, now.Bound = next.Schema, next.Table, next.Bound
			now.ETA = endOf(run.Now(), now)
			run.Note(func(s *v1alpha1.PgUpgradeStatus) { s.Comparing = now })
		},
	})
	if err != nil {
		return err
	}
	addFound(&before.Found, report)
	if len(report.Mismatches) > 0 {
		before.Found.Differ = append(before.Found.Differ, c.Database)
	}
	*c = before
	return nil
}

// addFound to the earlier results, with no more differences than the status may hold.
func addFound(sum *v1alpha1.VerificationStatus, found verify.Report) {
	sum.Tables += int32(found.Tables)
	sum.Rows += found.Rows
	sum.Sampled += int32(found.Sampled)
	sum.OnStandby += found.OnStandby
	sum.InFlight += int64(found.InFlight)
	sum.Mismatches = append(sum.Mismatches, found.Mismatches...)
	sum.Mismatches = sum.Mismatches[:min(len(sum.Mismatches), mostMismatches)]
}

// endOf a comparison at its current rate; nil while that is unknown.
func endOf(now time.Time, c *v1alpha1.ComparingStatus) *metav1.Time {
	taken := now.Sub(c.Found.At.Time)
	if c.Found.Rows == 0 || taken <= 0 || c.Found.Rows >= c.RowsExpected {
		return nil
	}
	left := float64(c.RowsExpected-c.Found.Rows) / float64(c.Found.Rows)
	end := timestamp(now.Add(time.Duration(left * float64(taken))))
	return &end
}

// samplePercent of large tables; 0 for all rows.
func (r *Run) samplePercent() int32 {
	if limits := r.Upgrade.Spec.Limits; limits.Verify == "Sample" {
		return cmp.Or(limits.VerifySample, 10)
	}
	return 0
}

// standbyOf an instance, where its rows are compared; nil if the spec names none.
func (r *Run) standbyOf(s postgres.Server) *postgres.Server {
	host := r.Upgrade.Spec.Limits.VerifyStandby
	if host == "" {
		return nil
	}
	version := VersionOf(r.Upgrade.Name, r.Upgrade.Spec.Adopt, s.Instance)
	host = strings.NewReplacer("{instance}", s.Instance, "{version}", version).Replace(host)
	if name, text, found := strings.Cut(host, ":"); found {
		if port, err := strconv.Atoi(text); err == nil {
			host, s.Port = name, port
		}
	}
	if !strings.Contains(host, ".") {
		host += "." + r.Upgrade.Namespace + ".svc"
	}
	s.Host = host
	return &s
}

// paceOf a comparison; nil for no limit.
func paceOf(rowsPerSecond int32) *rate.Limiter {
	if rowsPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(rowsPerSecond), int(rowsPerSecond))
}

// comparingText describes the progress of a comparison.
func comparingText(c *v1alpha1.ComparingStatus) string {
	if c == nil || c.RowsExpected == 0 {
		return ""
	}
	text := fmt.Sprintf(": %d of about %d rows", c.Found.Rows, max(c.RowsExpected, c.Found.Rows))
	if n := len(c.Found.Mismatches); n > 0 {
		text += fmt.Sprintf(", %d differences so far", n)
	}
	if c.ETA != nil {
		text += ", done about " + c.ETA.UTC().Format("15:04:05") + " UTC"
	}
	return text
}
