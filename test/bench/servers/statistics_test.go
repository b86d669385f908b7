package servers

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

// BenchmarkStatistics of 18 on 19: collected by ANALYZE, as Gitover does, beside those that pg_dump brings over from 18 on.
func BenchmarkStatistics(b *testing.B) {
	r := newReport(b, "statistics")
	for _, c := range []struct{ name, make string }{
		{"1,000 tables of 1,000 rows", `DO $do$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a int, b text)', i);
			EXECUTE format('INSERT INTO t%s SELECT g, g %% 10, md5(g::text) FROM generate_series(1, 1000) g', i); IF i % 50 = 0 THEN COMMIT; END IF; END LOOP; END $do$`},
		{"3,000,000 rows", `CREATE TABLE large (id int PRIMARY KEY, a int, b text); INSERT INTO large SELECT g, g % 10, md5(g::text) FROM generate_series(1, 3000000) g`},
	} {
		b.Run(c.name, func(b *testing.B) {
			settings := pg.Settings{"autovacuum": "off", "max_wal_size": "4GB"}
			blue, green := pg.Start(b, 18, settings), pg.Start(b, 19, settings)
			for _, s := range []*pg.Server{blue, green} {
				s.Exec("", "CREATE DATABASE orders")
				s.Exec("orders", c.make)
			}
			blue.Exec("orders", "ANALYZE")
			for b.Loop() {
				green.Exec("orders", "DELETE FROM pg_statistic WHERE starelid >= 16384")
				brought := seconds(b, func() error {
					text := pg.Output(b, 19, nil, pg.Environ(blue.Server, "orders"), "pg_dump", "--statistics-only")
					pg.Output(b, 19, strings.NewReader(text), pg.Environ(green.Server, "orders"), "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null")
					return nil
				})
				green.Exec("orders", "DELETE FROM pg_statistic WHERE starelid >= 16384")
				took := seconds(b, func() error { return transfer.Analyze(b.Context(), green.Server, "orders") })
				r.Against(c.name, "planner statistics collected by ANALYZE", "s", took, "pg_dump --statistics-only and psql", brought)
			}
		})
	}
	write(b, r)
}
