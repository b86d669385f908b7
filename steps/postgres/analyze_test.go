package postgres_test

import (
	"fmt"
	"testing"

	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

// TestStatisticsAreThoseOfWhatIsThereNow: autovacuum comes while rows are copied, before indexes and extended statistics are made,
// and plans would go by what it didn't see.
func TestStatisticsAreThoseOfWhatIsThereNow(t *testing.T) {
	for _, major := range []int{13, 17} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := pg.Start(t, major, pg.Settings{"autovacuum": "off"})
			s.Exec("", "CREATE DATABASE d")
			s.Exec("d", `
				CREATE TABLE correlated (a int, b int, note text); INSERT INTO correlated SELECT i % 10, i % 10, 'Note ' || i FROM generate_series(1, 1000) i;
				CREATE TABLE plain (a int); INSERT INTO plain VALUES (1);
				CREATE TABLE emptied (note text); INSERT INTO emptied VALUES ('a');
				CREATE TABLE never (a int);
				CREATE TABLE parts (a int, note text) PARTITION BY LIST (a); CREATE TABLE part PARTITION OF parts FOR VALUES IN (1); INSERT INTO parts VALUES (1, 'a')`)
			s.Exec("d", "ANALYZE correlated; ANALYZE plain; ANALYZE emptied; ANALYZE parts") // as autovacuum does
			s.Exec("d", "DELETE FROM emptied; CREATE STATISTICS both_ (dependencies) ON a, b FROM correlated; CREATE INDEX lowered ON correlated (lower(note)); "+
				"CREATE INDEX ON emptied (lower(note)); CREATE INDEX ON parts (lower(note))")
			want := 3 // correlated, never, parts
			if _, missing, err := transfer.Analyzed(t.Context(), s.Server, "d"); err != nil || missing != want {
				t.Errorf("%d tables lack statistics, want %d; %v", missing, want, err)
			}
			for range 2 {
				must(t, transfer.Analyze(t.Context(), s.Server, "d"))
			}
			eventually(t, "no table lacks statistics", func() bool { // 13 tells of an ANALYZE a moment later
				done, _, err := transfer.Analyzed(t.Context(), s.Server, "d")
				must(t, err)
				return done
			})
			for what, query := range map[string]string{
				"extended statistics":     "SELECT count(*) FROM pg_stats_ext WHERE statistics_name = 'both_' AND dependencies IS NOT NULL",
				"an index of expressions": "SELECT count(*) FROM pg_stats WHERE tablename = 'lowered'",
			} {
				if s.Query("d", query) != "1" {
					t.Errorf("%s have no data", what)
				}
			}
		})
	}
}
