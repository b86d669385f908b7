package proxy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/proxy"
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
		_, err := proxy.Switch(t.Context(), in)
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
	var aborted *proxy.Aborted
	if !errors.As(err, &aborted) || !strings.Contains(err.Error(), "late") {
		t.Fatalf("the switch went on: %v", err)
	}
	t.Log(err)
	s.oneSideOpen()
	if !aborted.Result.HeldAt.IsZero() {
		t.Error("traffic was held")
	}
}
