package switchover_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/certs"
	"github.com/gitover/gitover/test/pg"
)

func TestTrafficGoesForthAndBackAndForthWithoutLosingARow(t *testing.T) {
	for _, pair := range pg.Every(2, 0, []struct{ from, to, switches int }{{15, 17, 3}, {postgres.Oldest, postgres.Latest, 2}}) {
		t.Run(fmt.Sprintf("%d-%d", pair.from, pair.to), func(t *testing.T) {
			forthAndBack(t, newStage(t, pair.from, pair.to), pair.switches)
		})
	}
}

func forthAndBack(t *testing.T, s *stage, switches int) {
	c := s.startClients(16)
	for range switches {
		s.awaitGuard()
		c.awaitMore(100)
		c.takeWorst()
		in := s.input()
		result, err := switchover.Switch(t.Context(), in)
		if err != nil {
			t.Fatalf("%v", err)
		}
		s.switched(in)
		s.compareSequences(in)
		s.oneSideOpen()
		p := result.Parts
		t.Logf("%s -> %s: held %v (hold %v, fence %v, drain %v, sequences %v [%d], flip %v, decide %v, open %v, resume %v), prepare %v, finish %v, worst %v, terminated %v",
			in.From.Instance, in.To.Instance, result.Held, p.Hold, p.Fence, p.Drain, p.Sequences, result.SequencesMoved, p.Flip, p.Decide, p.Open, p.Resume, p.Prepare, p.Finish, c.takeWorst(), len(result.Terminated))
	}
	c.awaitMore(30)
	c.end(s)
}

func TestManyDatabasesMoveTogether(t *testing.T) {
	pg.Long(t)
	before := databases
	databases = []string{"a", "b", "c", "d", "e e", "f"}
	defer func() { databases = before }()
	forthAndBack(t, newStage(t, 15, 17), 2)
}

// TestDatabasesWithHostileNamesMoveTogether: their names are neither PgBouncer's syntax nor a connection string.
func TestDatabasesWithHostileNamesMoveTogether(t *testing.T) {
	before := databases
	databases = pg.Every(2, 1, []string{"host=evil dbname=x", "quote'd; $$ %s \\", "%include x", "two\nlines = x", "-x", "ünï 😀"})
	defer func() { databases = before }()
	forthAndBack(t, newStage(t, 15, 17), 2)
}

// TestASwitchAndItsRollbackPathRunOverVerifiedTLS with servers that take nothing but TLS.
func TestASwitchAndItsRollbackPathRunOverVerifiedTLS(t *testing.T) {
	s := newStageOver(t, certs.NewAuthority(t), 15, 17)
	forthAndBack(t, s, 2)
	for _, server := range s.servers {
		if got := server.Query("", "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE NOT ssl AND client_addr IS NOT NULL"); got != "0" {
			t.Errorf("%s sessions of %s without TLS", got, server.Instance)
		}
	}
}

// compareSequences checks sequences that clients never touch; the others moved on.
func (s *stage) compareSequences(in switchover.Input) {
	s.t.Helper()
	for _, db := range databases {
		for _, name := range []string{"never", "untouched", `odd "" name`} {
			query := `SELECT last_value || ' ' || is_called FROM "` + name + `"`
			from, to := s.servers[in.From.Instance].Query(db, query), s.servers[in.To.Instance].Query(db, query)
			if from != to {
				s.t.Errorf("sequence %s of %s: %s, then %s", name, db, from, to)
			}
		}
	}
}

// oneSideOpen checks the fences.
func (s *stage) oneSideOpen() {
	s.t.Helper()
	for name, server := range s.servers {
		r, err := fence.OpenRegister(context.Background(), server.Server)
		must(s.t, err)
		states, err := r.Fences(context.Background(), databases)
		must(s.t, err)
		r.Close(context.Background())
		for _, f := range states {
			if f.Fenced() == (name == s.active) {
				s.t.Errorf("%s of %s: fenced is %t, active is %s", f.Database, name, f.Fenced(), s.active)
			}
		}
	}
}
