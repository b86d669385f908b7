package postgres_test

import (
	"testing"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

// TestTablesOfExtensionsHaveTheirReplicaIdentityOnBothSides: they are published, and a dump doesn't say what they have.
func TestTablesOfExtensionsHaveTheirReplicaIdentityOnBothSides(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[1:3]...), func(t *testing.T, blue, green *pg.Server) {
		// as the script of an extension makes them, on every server
		const script = `CREATE TABLE jobs (n int, what text); CREATE TABLE keyed (n int NOT NULL UNIQUE);
			ALTER EXTENSION plpgsql ADD TABLE jobs; ALTER EXTENSION plpgsql ADD TABLE keyed`
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", script)
		findings, err := preflight.Check(t.Context(), blue.Server, request(green.Major, "d"))
		must(t, err)
		for table, fix := range map[string]string{"public.jobs": "FULL", "public.keyed": "USING INDEX keyed_n_key"} {
			f := found(t, findings, "replica_identity", table)
			if want := "ALTER TABLE " + table + " REPLICA IDENTITY " + fix + ";"; f.Fix != want {
				t.Errorf("fix %q, want %q", f.Fix, want)
			}
			blue.Exec("d", f.Fix)
		}
		prepare(t, green)
		all, err := postgres.ApplicationDatabases(t.Context(), blue.Server, nil, nil)
		must(t, err)
		must(t, transfer.CreateDatabases(t.Context(), blue.Server, green.Server, postgres.Moved(all)))
		green.Exec("d", script)
		pg.CopySchema(t, copy.PreData, blue, green, "d")
		const look = "SELECT string_agg(relname::text || relreplident::text, ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('jobs', 'keyed')"
		if got := green.Query("d", look); got != "jobsf keyedi" {
			t.Errorf("%s", got)
		}
	})
}
