package switchover_test

import (
	"slices"
	"testing"

	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/switchover"
)

// What the preflight blocks may come after it. Before the cutover and after it, the guard looks again.
func TestWhatCameAfterThePreflightIsNamedBeforeItIsLeftBehind(t *testing.T) {
	s := newStage(t, 15, 17)
	agreed := preflight.Scope{Exclude: []string{"forgotten"}, Acknowledged: []string{"large_objects"}}
	for range 2 {
		s.awaitGuard()
		active := s.servers[s.active]
		active.Exec("", "CREATE DATABASE forgotten")
		active.Exec("", "CREATE TABLE stray (a int)") // now the maintenance database is an application's, too
		active.Exec("stock", "SELECT lo_from_bytea(0, 'x')")
		obstacles := s.obstacles()
		s.named(obstacles, switchover.LeftBehind, `database "forgotten" of `+s.active, "drop it", "spec.databases.exclude", "revert the version")
		s.named(obstacles, switchover.LeftBehind, `database "postgres" of `+s.active)
		s.named(obstacles, switchover.LeftBehind, `database "stock" of `+s.active, "1 large objects", "lo_unlink", "acknowledge large_objects")

		in := s.input()
		in.Scope = agreed
		obstacles, err := switchover.Guard(t.Context(), in)
		must(t, err)
		if len(obstacles) != 1 || obstacles[0].Kind != switchover.LeftBehind {
			t.Errorf("all but one is agreed to: %v", obstacles)
		}
		active.Exec("", "DROP TABLE stray")
		_, err = switchover.Switch(t.Context(), in)
		must(t, err)
		s.switched(in)
		s.other().Exec("", "DROP DATABASE forgotten")
		s.other().Exec("stock", "BEGIN READ WRITE; SELECT lo_unlink(oid) FROM pg_largeobject_metadata; COMMIT")
	}
}

func TestTheSpecSaysWhichLaterDatabasesMatter(t *testing.T) {
	s := newStage(t, 15, 17)
	s.servers[s.active].Exec("", "CREATE DATABASE forgotten")
	for _, c := range []struct {
		scope preflight.Scope
		left  bool
	}{
		{preflight.Scope{}, true},
		{preflight.Scope{Exclude: []string{"forgotten"}}, false},
		{preflight.Scope{Include: databases}, false},
		{preflight.Scope{Include: append(slices.Clone(databases), "forgotten")}, true},
	} {
		left, err := preflight.LeftBehind(t.Context(), s.servers[s.active].Server, databases, c.scope)
		must(t, err)
		if (len(left) > 0) != c.left {
			t.Errorf("%+v: %q", c.scope, left)
		}
	}
}
