package switchover_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/switchover"
)

// TestAnOldSideThatForgetsThatItWasLeftIsFencedAgain: a standby of it that no commit waits for has stopped before the decision, and
// is promoted once the new side serves. Once fenced again, it is a side as any other.
func TestAnOldSideThatForgetsThatItWasLeftIsFencedAgain(t *testing.T) {
	for _, lost := range []switchover.Point{switchover.PointBegin, switchover.PointHold} {
		t.Run("since "+string(lost), func(t *testing.T) {
			s := newStage(t, 15, 17)
			s.limits.Hold = 30e9
			blue := s.servers[s.active]
			standby := blue.Standby(t)
			in := s.input()
			in.Trace = func(at switchover.Point) {
				if at == lost {
					standby.CatchUp(blue)
					standby.Stop()
				}
			}
			_, err := switchover.Switch(t.Context(), in)
			must(t, err)
			s.switched(in)
			s.failOver(blue, standby)
			old := s.servers[in.From.Instance]
			open := func() []string {
				t.Helper()
				found, err := fence.OpenDatabases(t.Context(), old.Server, databases)
				must(t, err)
				return found
			}
			if left := open(); !slices.Equal(left, slices.Sorted(slices.Values(databases))) {
				t.Fatalf("open are %v: this shows nothing", left)
			}
			way := s.way("app", "client", true)
			way.Port = uint16(old.Port)
			conn, err := pgx.ConnectConfig(t.Context(), way)
			must(t, err)
			defer func() { _ = conn.Close(context.Background()) }()

			serves := func(answer bool) func(context.Context) (bool, error) {
				return func(context.Context) (bool, error) { return answer, nil }
			}
			must(t, fence.Again(t.Context(), old.Server, databases, serves(true)))
			if len(open()) == 0 {
				t.Fatal("the side that serves was closed")
			}
			must(t, fence.Again(t.Context(), old.Server, databases, func(context.Context) (bool, error) { // another controller's switch
				old.Exec("gitover", "SELECT gitover.abort(id, 'another') FROM gitover.switches WHERE state = 'open'")
				old.Exec("gitover", "SELECT gitover.begin('later', 'a', 'b', '{}'), gitover.abort('later', 'another')")
				return false, nil
			}))
			if len(open()) == 0 {
				t.Fatal("a switch that began meanwhile was overtaken")
			}
			for range 2 {
				must(t, fence.Again(t.Context(), old.Server, databases, serves(false)))
				if left := open(); len(left) > 0 {
					t.Fatalf("open are %v", left)
				}
			}
			if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("a session of an application is left behind the fence")
			}
			s.oneSideOpen()
		})
	}
}
