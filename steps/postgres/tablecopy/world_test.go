package tablecopy_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
	"github.com/gitover/gitover/test/pg"
)

const database = "shop"

// start a source with a database of this content, and a target with its schema, up to indexes and foreign keys.
func start(t *testing.T, from, to int, content string) (blue, green *pg.Server) {
	t.Helper()
	blue, green = pg.Start(t, from, pg.Logical), pg.Start(t, to, pg.Logical)
	blue.Exec("", "CREATE DATABASE "+database)
	blue.Exec(database, content)
	green.Exec("", "CREATE DATABASE "+database)
	pg.CopySchema(t, copy.PreData, blue, green, database)
	return blue, green
}

func options(blue, green *pg.Server) tablecopy.Options {
	return tablecopy.Options{From: blue.Server, To: green.Server, FromDatabase: database, ToDatabase: database, Jobs: 3}
}

// copies everything, which must go well.
func copies(t *testing.T, o tablecopy.Options) tablecopy.Report {
	t.Helper()
	report, err := tablecopy.Copy(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// digest is each table's rows, as text, summed up.
func digest(t *testing.T, s *pg.Server) map[string]string {
	t.Helper()
	ctx, found := context.Background(), map[string]string{}
	err := postgres.WithSession(ctx, s.Server, database, func(conn *pgx.Conn) error {
		names, err := postgres.Column[string](ctx, conn, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')`)
		if err != nil {
			return err
		}
		for _, name := range names {
			var count, sum string
			query := `SELECT count(*)::text, coalesce(sum(hashtextextended(t::text COLLATE "C", 0)), 0)::text FROM ONLY ` + name + " t"
			if err := conn.QueryRow(ctx, query).Scan(&count, &sum); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			found[name] = count + " rows, " + sum
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func sameRows(t *testing.T, blue, green *pg.Server) {
	t.Helper()
	want, have := digest(t, blue), digest(t, green)
	for name := range want {
		if want[name] != have[name] {
			t.Errorf("%s: %s here, %s there", name, want[name], have[name])
		}
	}
	if len(want) == 0 || len(want) != len(have) {
		t.Errorf("%d and %d tables", len(want), len(have))
	}
}
