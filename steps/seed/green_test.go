package seed_test

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/test/pg"
)

// onlyWhatMoves: green has no other databases, nobody but superusers gets in, and nothing of blue's replication is left.
func onlyWhatMoves(t *testing.T, green *pg.Server) {
	t.Helper()
	want := strings.Join([]string{"gitover", "postgres", "shop", "template0", "template1", hostile}, ",")
	if got := green.Query("", `SELECT string_agg(datname, ',' ORDER BY datname COLLATE "C") FROM pg_database`); got != want {
		t.Errorf("databases %s", got)
	}
	if open := green.Query("", "SELECT string_agg(datname, ',') FROM pg_database WHERE datconnlimit <> 0 AND datname NOT IN ('gitover', 'postgres', 'template0', 'template1')"); open != "" {
		t.Errorf("open to applications: %s", open)
	}
	for _, db := range databases {
		if n := green.Query(db, "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_prepared_xacts) + (SELECT count(*) FROM pg_replication_slots)"); n != "0" {
			t.Errorf("database %q: %s publications, subscriptions, prepared transactions and slots", db, n)
		}
		if n := green.Query(db, "SELECT count(*) || ' ' || sum(length(lo_get(oid))) FROM pg_largeobject_metadata"); !strings.HasPrefix(n, "50 ") {
			t.Errorf("database %q: large objects: %s", db, n)
		}
	}
}

// inOrder: every index has the order that text has in green's image, and green knows whose order that is.
func inOrder(t *testing.T, green *pg.Server) {
	t.Helper()
	for _, db := range databases {
		green.Exec(db, "CREATE EXTENSION amcheck")
		n := green.Query(db, `SELECT count(bt_index_check(c.oid, true)) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
			WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p'`)
		if len(n) < 2 {
			t.Errorf("database %q: %s indexes", db, n)
		}
		green.Exec(db, "DROP EXTENSION amcheck")
		old := green.Query(db, `SELECT (SELECT string_agg(collname, ',') FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid)) ||
			(SELECT string_agg(datname, ',') FROM pg_database WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid))`)
		if old != "" {
			t.Errorf("database %q: of an older version: %s", db, old)
		}
	}
}

// backAgain turns the replication around, as a switch does: blue follows green, so that a rollback loses nothing.
func backAgain(t *testing.T, blue, green *pg.Server) {
	t.Helper()
	for _, db := range databases {
		subscription := names.Subscription(db, green.Instance)
		must(t, replication.SetSubscriptionEnabled(t.Context(), green.Server, db, subscription, false))
		must(t, replication.DropSubscription(t.Context(), green.Server, db, subscription))
		pg.Subscribe(t, green, blue, names, db, false)
		green.Exec(db, "INSERT INTO words VALUES ('new', 'new', 'new'); UPDATE orders SET total = 7 WHERE id = 7; DELETE FROM events WHERE at = '2025-01-02'")
		report, err := verify.Compare(t.Context(), green.Server, blue.Server, db, verify.Options{})
		must(t, err)
		if len(report.Mismatches) > 0 || blue.Query(db, "SELECT count(*) FROM words WHERE word = 'new'") != "1" {
			t.Errorf("database %q: %+v", db, report)
		}
	}
}
