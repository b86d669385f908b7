package steps

import (
	"context"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres/replication"
)

// TestASlotThatIsBeingMadeIsNotTakenForOne: it is listed while it waits for a transaction of the application's. Who goes on then
// ends the session that makes it, and the slot is gone.
func TestASlotThatIsBeingMadeIsNotTakenForOne(t *testing.T) {
	p := newPair(t, 15, 17)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	slot := p.run.Names().Slot("d", p.run.Status.To)
	must(replication.DropSlot(t.Context(), p.blue.Server, slot))
	long, err := p.blue.Connect(t.Context(), "d")
	must(err)
	defer long.Close(context.WithoutCancel(t.Context()))
	_, err = long.Exec(t.Context(), "BEGIN; CREATE TABLE long (id int)")
	must(err)

	published := make(chan error, 1)
	go func() { published <- publishRun(t.Context(), p.run) }()
	for end := time.Now().Add(time.Minute); p.blue.Query("", "SELECT count(*) FROM pg_replication_slots") != "1"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the slot isn't listed")
		}
	}
	if v, err := publishDone(t.Context(), p.run); err != nil || v.Done || !v.Slow {
		t.Errorf("%+v, %v while the slot is being made", v, err)
	}
	_, err = long.Exec(t.Context(), "COMMIT")
	must(err)
	must(<-published)
	if v, err := publishDone(t.Context(), p.run); err != nil || !v.Done {
		t.Errorf("%+v, %v when it is made", v, err)
	}
}
