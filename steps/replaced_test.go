package steps

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/pg"
)

// failOver has a standby that is behind take green's place.
func (p *pair) failOver(standby *pg.Server) {
	p.green.Kill()
	standby.Run()
	standby.Promote()
	p.green = standby
}

// TestRowsAreComparedAgainWhenAPrimaryWasReplaced: what the one before had confirmed is not sent again, and every
// look but the comparison finds all well.
func TestRowsAreComparedAgainWhenAPrimaryWasReplaced(t *testing.T) {
	for _, versions := range [][2]int{{15, 17}, {18, 13}} {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			for _, step := range []string{CopyData, CatchUp, Verify, Approve} {
				p.done(step)
			}
			standby := p.green.Standby(t)
			standby.Stop()
			p.blue.Exec("d", "INSERT INTO first SELECT generate_series(1, 100)")
			p.arrives("SELECT count(*) FROM first", "100")
			p.until(CatchUp, "confirmed", func(Verdict) bool {
				return p.blue.Query("", "SELECT bool_and(confirmed_flush_lsn = pg_current_wal_lsn()) FROM pg_replication_slots") == "t"
			})
			p.failOver(standby)
			p.until(Approve, "back", func(v Verdict) bool { return v.Back == Verify && strings.Contains(v.Message, p.green.Instance) })
			p.says(Verify, v1alpha1.ReasonVerificationFailed, "first")
			p.green.Exec("d", "SET session_replication_role = replica; DELETE FROM first")
			p.blue.Exec("d", "DELETE FROM first")
			now := p.run.Now()
			p.run.Now = func() time.Time { return now.Add(2 * verifyAgain) }
			p.done(Verify)
			p.done(Approve)
		})
	}
}

// TestASoakComparesRowsWhenAPrimaryWasReplaced, and says what a revert would lose.
func TestASoakComparesRowsWhenAPrimaryWasReplaced(t *testing.T) {
	p := newPair(t, 17, 15) // the first serves, the second follows
	p.done(CopyData)
	p.done(CatchUp)
	servers, err := Identities(t.Context(), p.blue.Server, p.green.Server)
	if err != nil {
		t.Fatal(err)
	}
	p.run.Proxy.Status.Switches = []v1alpha1.SwitchRecord{{Outcome: "Switched", From: p.green.Instance, To: p.blue.Instance, Servers: servers}}
	p.run.Proxy.Status.Active = p.blue.Instance
	look := func() *Verdict { return followerReplaced(t.Context(), p.run, p.blue.Instance, p.green.Instance) }
	if v := look(); v != nil {
		t.Errorf("nobody was replaced: %+v", v)
	}
	standby := p.green.Standby(t)
	standby.Stop()
	p.blue.Exec("d", "INSERT INTO first SELECT generate_series(1, 100)")
	p.arrives("SELECT count(*) FROM first", "100")
	p.until(CatchUp, "confirmed", func(Verdict) bool {
		return p.blue.Query("", "SELECT bool_and(confirmed_flush_lsn = pg_current_wal_lsn()) FROM pg_replication_slots") == "t"
	})
	p.failOver(standby)
	v := look()
	if v == nil || !v.Act || v.Effect == nil {
		t.Fatalf("%+v", v)
	}
	if err := v.Effect(t.Context(), p.run); err != nil {
		t.Fatal(err)
	}
	if v = look(); v == nil || v.Reason != v1alpha1.ReasonVerificationFailed || !strings.Contains(v.Message, "first") {
		t.Fatalf("%+v", v)
	}
	p.green.Exec("d", "SET session_replication_role = replica; DELETE FROM first")
	p.blue.Exec("d", "DELETE FROM first")
	if err := compareSides(t.Context(), p.run); err != nil {
		t.Fatal(err)
	}
	if v = look(); v != nil {
		t.Errorf("equal again: %+v", v)
	}
}
