package analysis

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// TestAPlanThatGotWorseIsSeen on real servers: an index is missing on the new one.
func TestAPlanThatGotWorseIsSeen(t *testing.T) {
	settings := maps.Clone(pg.Settings{"shared_preload_libraries": "pg_stat_statements", "max_parallel_workers_per_gather": "0"})
	blue, green := pg.Start(t, 15, settings), pg.Start(t, 17, settings)
	for i, s := range []*pg.Server{blue, green} {
		s.Instance = []string{"orders-15", "orders-17"}[i]
		s.Exec("", "CREATE DATABASE d")
		s.Exec("d", `CREATE TABLE t (id int, word text); INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 50000) g;
			CREATE ROLE app LOGIN PASSWORD `+postgres.Literal(pg.Password)+"; GRANT SELECT ON t TO app; ANALYZE t")
	}
	from := Sources{
		Former: func(context.Context) (postgres.Server, error) { return blue.Server, nil },
		Server: func(context.Context) (postgres.Server, error) { return green.Server, nil },
	}
	check := v1alpha1.AnalysisCheck{Name: "plans", Timeout: &metav1.Duration{Duration: 30 * time.Second},
		Statements: &v1alpha1.StatementsCheck{Database: "d", MinCalls: 20, MinTime: &metav1.Duration{Duration: time.Nanosecond}}}
	from.one(t, check).is(t, v1alpha1.CheckUnknown, "pg_stat_statements is not installed in database \"d\" of orders-15")
	runs := func(s *pg.Server, times int, sql string) {
		t.Helper()
		as := s.Server
		as.User = "app"
		conn, err := as.Connect(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		for i := range times {
			if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol, i+1); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("d", "CREATE SCHEMA tools; CREATE EXTENSION pg_stat_statements SCHEMA tools")
	}
	blue.Exec("d", "CREATE INDEX ON t (id)")
	runs(blue, 25, "SELECT word FROM t WHERE id = $1")
	runs(blue, 25, "SELECT $1::int + 1")
	runs(green, 5, "SELECT word FROM t WHERE id = $1")
	from.one(t, check).is(t, v1alpha1.CheckUnknown, "no statement ran at least 20 times on orders-15 and on orders-17")
	runs(green, 25, "SELECT $1::int + 1")
	relaxed := check
	relaxed.ThresholdRange = between("", "1000")
	from.one(t, relaxed).is(t, v1alpha1.CheckPassed, " times (queryid ")
	runs(green, 25, "SELECT word FROM t WHERE id = $1")
	worse := from.one(t, check)
	worse.is(t, v1alpha1.CheckFailed, "of orders-17: ", "ms on orders-15)", "at most 2")
	id := green.Query("d", "SELECT queryid FROM tools.pg_stat_statements WHERE query LIKE 'SELECT word FROM t WHERE id%'")
	if !strings.Contains(worse.Value, fmt.Sprintf("(queryid %s ", id)) || strings.Contains(worse.Value, "SELECT") {
		t.Errorf("%s, not the one that reads the whole table (%s)", worse.Value, id)
	}
	check.Statements.MinTime = &metav1.Duration{Duration: time.Minute}
	from.one(t, check).is(t, v1alpha1.CheckPassed, "none of 2 statements takes 1m0s or more")
}
