package postgres_test

import (
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/test/pg"
)

func TestAnUpgradeAbortedDuringTheCopyLeavesNothing(t *testing.T) {
	somePairs(t, pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}), func(t *testing.T, blue, green *pg.Server) {
		for _, s := range []*pg.Server{blue, green} {
			s.Exec("", "CREATE DATABASE d CONNECTION LIMIT 0")
			s.Exec("d", "CREATE TABLE big (a int PRIMARY KEY, b text)")
		}
		blue.Exec("d", "INSERT INTO big SELECT g, repeat('x', 200) FROM generate_series(1, 400000) g")
		subscribe(t, blue, green, "d", true)
		eventually(t, "the copy begins", func() bool {
			p, err := replication.CopyProgress(t.Context(), blue.Server, green.Server, "d", names)
			must(t, err)
			return p.BytesCopied > 0 && p.TablesCopied == 0
		})
		left := []string{}
		for _, s := range []*pg.Server{green, blue} {
			more, err := replication.RemoveAll(t.Context(), s.Server, names)
			must(t, err)
			left = append(left, more...)
			more, err = replication.Leftovers(t.Context(), s.Server, names)
			must(t, err)
			left = append(left, more...)
		}
		if len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		for _, s := range []*pg.Server{blue, green} {
			if got := s.Query("d", `SELECT (SELECT count(*) FROM pg_replication_slots) || ' ' || (SELECT count(*) FROM pg_subscription) || ' ' ||
				(SELECT count(*) FROM pg_replication_origin) || ' ' || (SELECT count(*) FROM pg_publication) || ' ' || coalesce(to_regnamespace('gitover')::text, '-')`); got != "0 0 0 0 -" {
				t.Errorf("%s has slots, subscriptions, origins, publications, schema: %s", s.Instance, got)
			}
		}
	})
}

func TestASecondAttemptCopiesOverWhatTheFirstOneLeft(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	sell(blue)
	replicate(t, blue, green)
	for _, s := range []*pg.Server{green, blue} {
		left, err := replication.RemoveAll(t.Context(), s.Server, names)
		must(t, err)
		if len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
	blue.Exec("shop", "UPDATE loose SET b = 'second'; DELETE FROM orders WHERE id < 100")
	subscribe(t, blue, green, "shop", true)
	awaitReady(t, green, "shop")
	report, err := verify.Compare(t.Context(), blue.Server, green.Server, "shop", verify.Options{})
	must(t, err)
	if len(report.Mismatches) > 0 {
		t.Errorf("%+v", report)
	}
}
