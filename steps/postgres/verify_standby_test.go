package postgres_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/test/pg"
)

// TestRowsAreReadOnAStandbyWhereThereIsOne while applications write; what differs is judged by the primary.
func TestRowsAreReadOnAStandbyWhereThereIsOne(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	sell(blue)
	replicate(t, blue, green)
	standby := blue.Standby(t)
	compare := func() verify.Report {
		t.Helper()
		report, err := verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{Standby: &standby.Server})
		must(t, err)
		return report
	}
	const scans = "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE schemaname <> 'gitover'"
	before := blue.Query("shop", scans)
	report := compare()
	if report.Tables != 7 || report.Rows == 0 || report.OnStandby != report.Rows || len(report.Mismatches) > 0 {
		t.Errorf("a quiet shop: %+v", report)
	}
	if after := blue.Query("shop", scans); after != before {
		t.Errorf("the primary's tables were read: %s scans, then %s", before, after)
	}

	stop := busy(t, blue, "shop")
	report = compare()
	stop()
	if report.Tables != 7 || len(report.Mismatches) > 0 {
		t.Errorf("a busy shop: %+v", report)
	}

	green.Exec("shop", "SET session_replication_role = replica; DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)")
	report = compare()
	if len(report.Mismatches) != 1 || !strings.Contains(report.Mismatches[0], "is missing on the new side") || report.OnStandby == 0 || report.OnStandby >= report.Rows {
		t.Errorf("a row is missing: %+v", report)
	}
}

// TestAStandbyThatIsOfNoUseIsNamed instead of compared with.
func TestAStandbyThatIsOfNoUseIsNamed(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	sell(blue)
	replicate(t, blue, green)
	standby := blue.Standby(t)
	refused := func(where postgres.Server, words ...string) {
		t.Helper()
		_, err := verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{Standby: &where, Patience: time.Second})
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%q isn't said: %v", word, err)
			}
		}
	}
	standby.Query("", "SELECT pg_wal_replay_pause()")
	refused(standby.Server, standby.Address(), "doesn't replay within 1s what test-15 commits")
	standby.Query("", "SELECT pg_wal_replay_resume()")
	refused(green.Server, green.Address()+" is no standby of test-15", "limits.verifyStandby")
	standby.Stop()
	refused(standby.Server, "the standby to compare rows on", standby.Address())
}

// TestASampleOfALargeTableIsCompared and all of a small one, at the pace that was asked for.
func TestASampleOfALargeTableIsCompared(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("d", `CREATE TABLE large (id int PRIMARY KEY); INSERT INTO large SELECT generate_series(1, 1100000);
		CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 1000); ANALYZE`)
	replicate(t, blue, green)
	compare := func(o verify.Options) verify.Report {
		t.Helper()
		report, err := verify.Compare(t.Context(), blue.Server, green.Server, "d", o)
		must(t, err)
		return report
	}
	const perSecond = 100_000
	begun := time.Now()
	report := compare(verify.Options{SamplePercent: 10, Pace: rate.NewLimiter(perSecond, perSecond)})
	if took, least := time.Since(begun), time.Duration(report.Rows-perSecond)*time.Second/perSecond; took < least {
		t.Errorf("%d rows in %v, at least %v at the pace that was asked for", report.Rows, took, least)
	}
	if report.Tables != 2 || report.Sampled != 1 || report.Rows < 100_000 || report.Rows > 550_000 || len(report.Mismatches) > 0 {
		t.Errorf("%+v", report)
	}
	expected, err := verify.ExpectedRows(t.Context(), blue.Server, "d", 10)
	if must(t, err); expected < 110_000 || expected > 112_000 {
		t.Errorf("%d rows expected", expected)
	}
	// the first and the last rows, and all of the small table, are always part of it
	green.Exec("d", "SET session_replication_role = replica; DELETE FROM large WHERE id IN (1, 1100000); DELETE FROM small WHERE id = 500")
	if report := compare(verify.Options{SamplePercent: 1}); len(report.Mismatches) != 3 {
		t.Errorf("%+v", report)
	}
}
