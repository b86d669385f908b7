package switchover_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/switchover"
)

// A slot on the new side waits for the transactions that run there. A migration that is
// committed meanwhile came after the guard's look at the schema.
func TestDDLWhileASwitchIsPreparedUndoesIt(t *testing.T) {
	s := newStage(t, 15, 17)
	in := s.input()
	blue, green := s.servers[in.From.Instance], s.servers[in.To.Instance]
	busy, err := green.Connect(t.Context(), "")
	must(t, err)
	defer busy.Close(t.Context())
	_, err = busy.Exec(t.Context(), "BEGIN; CREATE TABLE busy (); ")
	must(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := switchover.Switch(t.Context(), in)
		ended <- err
	}()
	eventually(t, "a slot waits for the transaction", func() bool {
		return green.Query("", "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_create_logical_replication_slot%' AND wait_event_type = 'Lock'") == "t"
	})
	blue.Exec("orders", "ALTER TABLE ledger ADD COLUMN late int")
	_, err = busy.Exec(t.Context(), "ROLLBACK")
	must(t, err)
	err = <-ended
	s.say(nil)
	var aborted *switchover.AbortedError
	if !errors.As(err, &aborted) || !strings.Contains(err.Error(), "late") {
		t.Fatalf("the switch went on: %v", err)
	}
	t.Log(err)
	s.oneSideOpen()
	if !aborted.Result.HeldAt.IsZero() {
		t.Error("traffic was held")
	}
}

// PostgreSQL skips the rows of a table that the subscription doesn't know, and values of a
// sequence that nobody read would be handed out twice.
func TestTablesAndSequencesThatComeRightBeforeTheFenceUndoTheSwitch(t *testing.T) {
	s := newStage(t, 15, 17)
	for name, ddl := range map[string]string{
		"table":    "CREATE TABLE late_table (id int PRIMARY KEY)",
		"sequence": "CREATE SEQUENCE late_sequence",
		"column":   "ALTER TABLE ledger ADD COLUMN late int",
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.awaitGuard()
			in := s.input()
			in.Trace = func(point switchover.Point) {
				if point == switchover.PointHold { // the last look was before
					for _, server := range []string{in.To.Instance, in.From.Instance} {
						s.servers[server].Exec("orders", "SET default_transaction_read_only = off; "+ddl)
					}
				}
			}
			_ = s.undone(in)
			s.move() // what came is on both sides
		})
	}
}

// On the old side alone, with a row: the new side stops applying changes, and traffic isn't held
// until it is known that it never drains.
func TestATableThatComesRightBeforeTheFenceIsFoundBeforeTheNewSideStops(t *testing.T) {
	before := databases
	databases = []string{"orders", "b", "c", "d", "e", "f"} // with so many, a session a side has to do
	defer func() { databases = before }()
	s := newStage(t, 15, 17)
	in := s.input()
	in.Trace = func(point switchover.Point) {
		if point == switchover.PointHold {
			s.servers[in.From.Instance].Exec("orders", "CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)")
		}
	}
	_ = s.undone(in)
}
