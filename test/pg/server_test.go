package pg_test

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/test/pg"
)

func TestAServerOfEachVersionAnswersAndSurvivesACrash(t *testing.T) {
	for _, major := range pg.Majors() {
		s := pg.Start(t, major, pg.Logical)
		if got := s.Query("", "SHOW server_version_num"); got == "" {
			t.Errorf("PostgreSQL %d says nothing about its version", major)
		}
		s.Exec("", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
		s.Kill()
		s.Run()
		if got := s.Query("", "SELECT count(*) FROM t"); got != "1" {
			t.Errorf("%s rows after the crash, want 1", got)
		}
		out := pg.Output(t, major, strings.NewReader("SELECT 42"), pg.Environ(s.Server, "postgres"), "psql", "-XAt")
		if strings.TrimSpace(out) != "42" {
			t.Errorf("psql of %d says %q", major, out)
		}
	}
}
