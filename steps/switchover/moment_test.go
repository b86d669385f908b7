package switchover_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/switchover"
)

// patient limits: nobody shall wait for long, as long as there is hope for a better moment.
var patient = switchover.Limits{Patience: time.Minute}

// TestASwitchHoldsTrafficOnlyAtAMomentInWhichItIsShort tells, on one stage, what would have made all clients wait.
func TestASwitchHoldsTrafficOnlyAtAMomentInWhichItIsShort(t *testing.T) {
	newStage(t, 15, 17).tellEach(patient, []story{
		{"an idle transaction costs nobody a stall, and is named", (*stage).idleTransaction},
		{"one that begins with the hold ends the attempt early", (*stage).transactionOfTheLastMoment},
		{"a new side that falls behind in the last moment does, too", (*stage).behindInTheLastMoment},
		{"one that falls behind before is waited for", (*stage).behindBefore},
	})
}

func (s *stage) idleTransaction() {
	conn := s.connect("app", "forgetful", false)
	_, err := conn.Exec(s.t.Context(), "BEGIN; SELECT 'secret of mine'")
	must(s.t, err)
	s.runs("forgetful", "idle in transaction")
	words := []string{"user app", `application "forgetful"`, "idle in transaction", "transaction open for"}
	s.limits.Patience = time.Second // of a minute, most is over
	aborted := s.wrongMoment()
	if !aborted.Result.HeldAt.IsZero() {
		s.t.Errorf("traffic was held for %s", aborted.Result.Held)
	}
	s.named(aborted.Why.(*switchover.WaitingError).Obstacles, switchover.LongTransaction, words...) //nolint:errorlint // wrongMoment fails otherwise
	obstacles, err := switchover.Guard(s.t.Context(), s.input())
	must(s.t, err)
	s.named(obstacles, switchover.LongTransaction, words...) // open for a second by now: nothing is prepared again
	// it ends while the next attempt looks for a moment
	s.limits.StallBudget = 10 * time.Second
	in := s.input()
	prepared := in.Trace
	in.Trace = func(at switchover.Point) {
		if prepared != nil {
			prepared(at)
		}
		if at == switchover.PointStage {
			time.AfterFunc(200*time.Millisecond, func() { _, _ = conn.Exec(context.Background(), "COMMIT") })
		}
	}
	in.Limits.Patience = time.Minute
	s.succeeds(in)
}

func (s *stage) transactionOfTheLastMoment() {
	conn := s.connect("app", "sudden", false)
	s.limits.StallBudget = 300 * time.Millisecond
	in := s.input()
	in.Trace = func(at switchover.Point) {
		if at == switchover.PointHold {
			_, err := conn.Exec(s.t.Context(), "BEGIN; SELECT 1")
			must(s.t, err)
		}
	}
	aborted := s.wrongMomentOf(in)
	s.shortlyHeld(aborted)
	s.named(aborted.Why.(*switchover.WaitingError).Obstacles, switchover.LongTransaction, `application "sudden"`) //nolint:errorlint // wrongMoment fails otherwise
	_, err := conn.Exec(s.t.Context(), "COMMIT")
	must(s.t, err)
	s.limits = switchover.Limits{}
	s.move()
}

func (s *stage) behindInTheLastMoment() {
	in := s.input()
	var unlock func()
	in.Trace = func(at switchover.Point) {
		if at == switchover.PointHold {
			unlock = s.lockMarkers()
		}
	}
	aborted := s.wrongMomentOf(in)
	unlock()
	s.shortlyHeld(aborted)
	var behind *switchover.NewSideBehindError
	if !errors.As(aborted.Why, &behind) {
		s.t.Errorf("given up since %v", aborted.Why)
	}
}

func (s *stage) behindBefore() {
	in := s.input()
	in.Trace = func(at switchover.Point) {
		if at == switchover.PointStage {
			time.AfterFunc(time.Second, s.lockMarkers())
		}
	}
	s.succeeds(in)
}

// lockMarkers keeps rows from arriving on the new side until the function is called that it returns.
func (s *stage) lockMarkers() func() {
	conn, err := s.other().Connect(s.t.Context(), "orders")
	must(s.t, err)
	_, err = conn.Exec(s.t.Context(), "BEGIN; LOCK TABLE gitover.marker IN SHARE ROW EXCLUSIVE MODE")
	must(s.t, err)
	return func() { closed(conn) }
}

func closed(conn *pgx.Conn) { _ = conn.Close(context.Background()) }

// wrongMoment makes an attempt that must be given up since the moment is wrong.
func (s *stage) wrongMoment() *switchover.AbortedError {
	s.t.Helper()
	return s.wrongMomentOf(s.input())
}

func (s *stage) wrongMomentOf(in switchover.Input) *switchover.AbortedError {
	s.t.Helper()
	_, err := switchover.Switch(s.t.Context(), in)
	s.say(nil)
	var aborted *switchover.AbortedError
	if !errors.As(err, &aborted) || !aborted.WrongMoment {
		s.t.Fatalf("the attempt ended otherwise: %v", err)
	}
	s.t.Log(aborted)
	return aborted
}

// shortlyHeld fails if clients waited as long as an attempt without patience lets them.
func (s *stage) shortlyHeld(aborted *switchover.AbortedError) {
	s.t.Helper()
	if held := aborted.Result.Held; held == 0 || held > 2*time.Second {
		s.t.Errorf("traffic was held for %s", held)
	}
}

func (s *stage) succeeds(in switchover.Input) {
	s.t.Helper()
	result, err := switchover.Switch(s.t.Context(), in)
	must(s.t, err)
	s.switched(in)
	s.t.Logf("held for %s", result.Held)
}
