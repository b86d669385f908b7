package postgres_test

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/test/pg"
)

// busy writes to the shop until the returned function is called: single rows again and again,
// inserts, deletes and rows that end up as they were.
func busy(t *testing.T, s *pg.Server, database string) (stop func()) {
	t.Helper()
	return repeating(t, s, database, 10*time.Millisecond,
		`UPDATE customers SET vip = NOT vip WHERE id = 1 + (random() * 20)::int; UPDATE customers SET name = name WHERE id = 300`,
		`INSERT INTO orders (customer, total) VALUES (1, random() * 100); DELETE FROM orders WHERE id % 97 = (random() * 96)::int`,
		`UPDATE loose SET b = random()::text WHERE a = 20; UPDATE events SET what = '{"a": 1}' WHERE at = '2025-02-01'`)
}

// repeating runs statements, each in a session of its own, until the returned function is called.
func repeating(t *testing.T, s *pg.Server, database string, every time.Duration, statements ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for _, statement := range statements {
		conn, err := s.Connect(ctx, database)
		must(t, err)
		wait.Go(func() {
			defer conn.Close(context.Background())
			pace := time.NewTicker(every)
			defer pace.Stop()
			for ctx.Err() == nil {
				<-pace.C
				if _, err := conn.Exec(ctx, statement); err != nil && ctx.Err() == nil {
					t.Errorf("writer: %v", err)
					return
				}
			}
		})
	}
	return func() { cancel(); wait.Wait() }
}

func TestVerifyIsExactWhileApplicationsWrite(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[:2]...), func(t *testing.T, blue, green *pg.Server) {
		sell(blue)
		replicate(t, blue, green)
		report, err := verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{})
		must(t, err)
		if report.Tables != 7 || report.Rows != 500+3000+9000+100+50+20 || report.InFlight != 0 || len(report.Mismatches) > 0 {
			t.Errorf("a quiet shop: %+v", report)
		}

		stop := busy(t, blue, "shop")
		defer stop()
		for range 3 {
			report, err = verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{})
			must(t, err)
			if len(report.Mismatches) > 0 {
				t.Errorf("a busy shop: %+v", report)
			}
		}
		green.Exec("shop", `SET session_replication_role = replica; DELETE FROM customers WHERE id = 400; INSERT INTO codes VALUES ('secret of mine', 'x');
			UPDATE loose SET b = 'another of mine' WHERE a = 33; UPDATE "Odd ""name""" SET m = 'sad' WHERE "Sel ect" = 3`)
		report, err = verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{})
		must(t, err)
		all := strings.Join(report.Mismatches, "\n")
		hidden := green.Query("shop", `SELECT ctid::text FROM codes WHERE code = 'secret of mine'`)
		for _, want := range []string{
			`table "public"\."customers": row \(400\) is missing on the new side`,
			`table "public"\."codes": row with key hash [0-9a-f]{8} at ctid ` + regexp.QuoteMeta(hidden) + ` is only on the new side`,
			`table "public"\."loose": row at ctid \(\d+,\d+\) is only on the new side`,
			`table "public"\."loose": row at ctid \(\d+,\d+\) is missing on the new side`,
			`table "public"\."Odd ""name""": row with key hash [0-9a-f]{8} at ctid \(\d+,\d+\) differs`,
		} {
			if !regexp.MustCompile(want).MatchString(all) {
				t.Errorf("not found: %s in\n%s", want, all)
			}
		}
		if len(report.Mismatches) != 5 || strings.Contains(all, "of mine") {
			t.Errorf("mismatches:\n%s", all)
		}
		counts, err := verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{CountsOnly: true})
		must(t, err)
		if all := strings.Join(counts.Mismatches, "\n"); len(counts.Mismatches) != 2 || !strings.Contains(all, "500 rows, 499 on the new side") {
			t.Errorf("counts:\n%s", all)
		}
	})
}

func TestVerifySaysWhenGreenDoesNotFollow(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	sell(blue)
	replicate(t, blue, green)
	must(t, replication.SetSubscriptionEnabled(t.Context(), green.Server, "shop", names.Subscription("shop", green.Instance), false))
	_, err := verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{Patience: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "await marker") {
		t.Errorf("error %v", err)
	}
}

func TestVerifyFindsWhatDiffersInALargeTable(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Settings{"wal_level": "logical", "log_statement": "all"}), pg.Start(t, 17, pg.Logical)
	sell(blue)
	blue.Exec("shop", `CREATE TABLE large (id bigint PRIMARY KEY, what text);
		INSERT INTO large SELECT 3 * n, 'row ' || n FROM generate_series(1, 240000) n; ANALYZE large`)
	replicate(t, blue, green)
	blue.Exec("shop", `INSERT INTO large VALUES (-5, 'before all'), (9000000, 'after all')`)
	report, err := verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{BytesAtOnce: 1})
	must(t, err)
	if report.Tables != 8 || report.Rows != 240002+500+3000+9000+100+50+20 || len(report.Mismatches) > 0 {
		t.Errorf("equal sides: %+v", report)
	}
	for _, quarter := range []string{`t."id" < 2249996`, `t."id" >= 6749998`} { // of the way from -5 to 9000000
		if !strings.Contains(blue.Log(), quarter) {
			t.Errorf("not cut into four: no range %s", quarter)
		}
	}
	green.Exec("shop", `SET session_replication_role = replica; DELETE FROM large WHERE id = 600000;
		UPDATE large SET what = 'other' WHERE id IN (3, 9000000); INSERT INTO large VALUES (300001, 'nobody wrote this')`)
	report, err = verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{BytesAtOnce: 1})
	must(t, err)
	all := strings.Join(report.Mismatches, "\n")
	for _, want := range []string{"row (600000) is missing", "row (3) differs", "row (9000000) differs", "row (300001) is only on the new side"} {
		if !strings.Contains(all, want) {
			t.Errorf("not found: %s in\n%s", want, all)
		}
	}
	if len(report.Mismatches) != 4 {
		t.Errorf("mismatches:\n%s", all)
	}
}

// TestVerifyCutsATableOfUUIDsAndFindsWhatDiffers, random ones and those that begin with the time.
func TestVerifyCutsATableOfUUIDsAndFindsWhatDiffers(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[1:3]...), func(t *testing.T, blue, green *pg.Server) {
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", `CREATE TABLE random (id uuid PRIMARY KEY, what int); CREATE TABLE timed (id uuid PRIMARY KEY, what int);
			INSERT INTO random SELECT md5(n::text)::uuid, n FROM generate_series(1, 150000) n;
			INSERT INTO timed SELECT (lpad(to_hex(1764000000000 + n), 12, '0') || '7000' || '8' || substr(md5(n::text), 1, 15))::uuid, n FROM generate_series(1, 150000) n;
			ANALYZE`)
		replicate(t, blue, green)
		compare := func() verify.Report {
			report, err := verify.Compare(t.Context(), blue.Server, green.Server, "d", verify.Options{BytesAtOnce: 1})
			must(t, err)
			return report
		}
		green.Exec("", "SELECT pg_stat_reset()")
		if report := compare(); report.Rows != 300000 || len(report.Mismatches) > 0 {
			t.Errorf("equal sides: %+v", report)
		}
		for _, table := range []string{"random", "timed"} {
			eventually(t, table+" was read in three ranges", func() bool {
				return green.Query("d", "SELECT seq_scan + coalesce(idx_scan, 0) >= 3 FROM pg_stat_user_tables WHERE relname = '"+table+"'") == "t"
			})
		}
		first := blue.Query("d", "SELECT min(id::text) FROM random")
		last := blue.Query("d", "SELECT max(id::text) FROM timed")
		green.Exec("d", "SET session_replication_role = replica; DELETE FROM random WHERE id = '"+first+"'; UPDATE timed SET what = -1 WHERE id = '"+last+"'")
		all := strings.Join(compare().Mismatches, "\n")
		if !strings.Contains(all, "row ("+first+") is missing") || !strings.Contains(all, "row ("+last+") differs") {
			t.Errorf("%s", all)
		}
	})
}

// TestAnInterruptedComparisonGoesOnWhereItWas, be it in the middle of a large table, whose columns or key may have
// changed meanwhile.
func TestAnInterruptedComparisonGoesOnWhereItWas(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("d", `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, other int UNIQUE NOT NULL); CREATE TABLE c (id uuid PRIMARY KEY);
		INSERT INTO a SELECT generate_series(1, 10);
		INSERT INTO b SELECT n, n FROM generate_series(1, 200000) n;
		INSERT INTO c SELECT md5(n::text)::uuid FROM generate_series(1, 200000) n;
		ANALYZE`)
	replicate(t, blue, green)
	const rows = 10 + 200000 + 200000
	type stop struct {
		found verify.Report
		next  verify.Place
	}
	var stops []stop
	compare := func(o verify.Options) verify.Report {
		t.Helper()
		o.BytesAtOnce = cmp.Or(o.BytesAtOnce, 1)
		report, err := verify.Compare(t.Context(), blue.Server, green.Server, "d", o)
		must(t, err)
		return report
	}
	all := compare(verify.Options{Progress: func(found verify.Report, next verify.Place) { stops = append(stops, stop{found, next}) }})
	if all.Rows != rows || all.Tables != 3 || len(stops) < 2 {
		t.Fatalf("%+v, told %d times", all, len(stops))
	}
	for _, s := range stops {
		rest := compare(verify.Options{From: s.next})
		if s.found.Rows+rest.Rows != rows || s.found.Tables+rest.Tables != 3 {
			t.Errorf("%+v and, from %+v on, %+v", s.found, s.next, rest)
		}
	}
	// what was compared isn't again, and what wasn't is
	middle := verify.Place{Schema: "public", Table: "b", Bound: `"id" >= 100000`}
	green.Exec("d", "SET session_replication_role = replica; DELETE FROM b WHERE id IN (99999, 100000, 200000)")
	if report := compare(verify.Options{From: middle}); len(report.Mismatches) != 2 || report.Rows != 100001+200000 || report.Tables != 1 {
		t.Errorf("from the middle: %+v", report)
	}
	// also where the table isn't cut any more
	if report := compare(verify.Options{From: middle, BytesAtOnce: 1 << 40}); len(report.Mismatches) != 2 || report.Rows != 100001+200000 || report.Tables != 1 {
		t.Errorf("from the middle of a table that isn't cut: %+v", report)
	}
	// a bound of another column says nothing of this one
	middle.Bound = `"other" >= 100000`
	if report := compare(verify.Options{From: middle}); len(report.Mismatches) != 3 || report.Tables != 2 {
		t.Errorf("from a place that is none any more: %+v", report)
	}
	if expected, err := verify.ExpectedRows(t.Context(), blue.Server, "d", 0); err != nil || expected != rows {
		t.Errorf("%d rows expected, %v", expected, err)
	}
}

// TestATableThatIsWrittenToIsComparedInSmallSlices once it was found to differ as a whole: of rows that change all the time
// few stay unknown.
func TestATableThatIsWrittenToIsComparedInSmallSlices(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Settings{"wal_level": "logical", "log_statement": "all"}), pg.Start(t, 17, pg.Logical)
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("d", "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 250000) n; ANALYZE")
	replicate(t, blue, green)
	green.Exec("d", "SET session_replication_role = replica; UPDATE t SET n = -1 WHERE id = 5; DELETE FROM t WHERE id = 250000")
	stop := repeating(t, blue, "d", 20*time.Millisecond, "UPDATE t SET n = n + 1 WHERE id IN (SELECT 6 + random() * 249993 FROM generate_series(1, 20))")
	report, err := verify.Compare(t.Context(), blue.Server, green.Server, "d", verify.Options{})
	stop()
	must(t, err)
	if all := strings.Join(report.Mismatches, "\n"); len(report.Mismatches) != 2 || !strings.Contains(all, "row (5) differs") || !strings.Contains(all, "row (250000) is missing") {
		t.Errorf("%s", all)
	}
	if report.Rows != 250000 || report.Tables != 1 || report.InFlight > 100 {
		t.Errorf("%+v", report)
	}
	if !strings.Contains(blue.Log(), `t."id" >= 50000`) {
		t.Error("it wasn't cut")
	}
}

// TestATableWithoutANumberToCutItByIsReadAFewTimes however much is written to it: its keys are texts, so that all of it
// is looked at each time.
func TestATableWithoutANumberToCutItByIsReadAFewTimes(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("d", "CREATE TABLE t (key text PRIMARY KEY, n int); INSERT INTO t SELECT md5(n::text), 0 FROM generate_series(1, 100000) n; ANALYZE")
	replicate(t, blue, green)
	green.Exec("d", "SET session_replication_role = replica; UPDATE t SET n = -1 WHERE key IN (md5('1'), md5('2')); DELETE FROM t WHERE key = md5('3')")
	stop := repeating(t, blue, "d", 20*time.Millisecond, "UPDATE t SET n = n + 1 WHERE key IN (SELECT md5((4 + random() * 99995)::int::text) FROM generate_series(1, 20))")
	report, err := verify.Compare(t.Context(), blue.Server, green.Server, "d", verify.Options{RowsAtOnce: 1000})
	stop()
	must(t, err)
	if len(report.Mismatches) != 3 || report.Rows != 100000 {
		t.Errorf("%+v", report)
	}
	eventually(t, "the server counts its scans", func() bool {
		return green.Query("d", "SELECT seq_scan > 0 FROM pg_stat_user_tables WHERE relname = 't'") == "t"
	})
	// a portion at a time it would be a hundred times and more
	if scans := green.Query("d", "SELECT seq_scan < 40 FROM pg_stat_user_tables WHERE relname = 't'"); scans != "t" {
		t.Errorf("the table was read %s times", green.Query("d", "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 't'"))
	}
	t.Logf("%s scans, %d rows in flight", green.Query("d", "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 't'"), report.InFlight)
}
