package steps

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// losesRows has a standby take green's place that lacks a hundred rows which green has confirmed.
func (p *pair) losesRows() {
	p.t.Helper()
	standby := p.green.Standby(p.t)
	standby.Stop()
	p.blue.Exec("d", "INSERT INTO first SELECT generate_series(1, 100)")
	p.arrives("SELECT count(*) FROM first", "100")
	p.until(CatchUp, "confirmed", func(Verdict) bool {
		return p.blue.Query("", "SELECT bool_and(confirmed_flush_lsn = pg_current_wal_lsn()) FROM pg_replication_slots") == "t"
	})
	p.green.Kill()
	standby.Run()
	standby.Promote()
	p.green = standby
}

// TestRowsAreComparedAgainWhenAPrimaryWasReplaced: what the one before had confirmed is not sent again, and every
// look but the comparison finds all well.
func TestRowsAreComparedAgainWhenAPrimaryWasReplaced(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.run.Status.Verification = nil
			for _, step := range []string{CopyData, CatchUp, Verify, Approve} {
				p.done(step)
			}
			p.losesRows()
			p.until(Approve, "back", func(v Verdict) bool { return v.ReturnTo == Verify && strings.Contains(v.Message, p.green.Instance) })
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
	p.losesRows()
	v := look()
	if v == nil || !v.RunNeeded || v.Effect == nil {
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

// TestWhatIsKnownOfServersIsOfThisRun: names of instances come back.
func TestWhatIsKnownOfServersIsOfThisRun(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 28, hour, 0, 0, 0, time.UTC) }
	server := func(instance, system string) []v1alpha1.ServerIdentity {
		return []v1alpha1.ServerIdentity{{Instance: instance, SystemIdentifier: system, Timeline: 1}}
	}
	began := timestamp(at(10))
	status := v1alpha1.PgUpgradeStatus{From: "orders-15", To: "orders-17", Steps: []v1alpha1.StepStatus{{Name: Preflight, StartedAt: &began}}}
	switched := func(hour int, outcome, from, to string) *v1alpha1.PgProxy {
		p := &v1alpha1.PgProxy{}
		p.Status.Switches = []v1alpha1.SwitchRecord{
			{Outcome: "Aborted", From: from, To: to, FinishedAt: metav1.NewMicroTime(at(23)), Servers: server("orders-17", "undone")},
			{Outcome: outcome, From: from, To: to, FinishedAt: metav1.NewMicroTime(at(hour)), Servers: server("orders-17", "switch")},
		}
		return p
	}
	for _, c := range []struct {
		story string
		proxy *v1alpha1.PgProxy
		knows string
	}{
		{"a switch of this run", switched(11, "Switched", "orders-15", "orders-17"), "compared switch"},
		{"and its rollback path", switched(11, "Switched", "orders-17", "orders-15"), "compared switch"},
		{"one of an earlier run", switched(9, "Switched", "orders-15", "orders-17"), "compared"},
		{"one of other instances", switched(11, "Switched", "orders-13", "orders-15"), "compared"},
		{"no proxy", nil, "compared"},
	} {
		status.Verification = &v1alpha1.VerificationStatus{Servers: server("orders-17", "compared")}
		var knows []string
		for _, id := range KnownServers(status, c.proxy)["orders-17"] {
			knows = append(knows, id.System)
		}
		if got := strings.Join(knows, " "); got != c.knows {
			t.Errorf("%s: knows %q, want %q", c.story, got, c.knows)
		}
		status.Verification.Mismatches = []string{"a row"}
		if len(KnownServers(status, nil)) != 0 {
			t.Error("sides that differ are taken for equal")
		}
	}
}

// TestVerifySaysThatASlotIsLost instead of waiting for rows that never come.
func TestVerifySaysThatASlotIsLost(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	p.done(CatchUp)
	slot := p.run.Names().Slot("d", p.green.Instance)
	p.green.Exec("d", `ALTER SUBSCRIPTION "`+p.run.Names().Subscription("d", p.green.Instance)+`" DISABLE`)
	p.until(CatchUp, "without a walsender", func(Verdict) bool {
		return p.blue.Query("", "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '"+slot+"'") == "t"
	})
	p.blue.Exec("", "SELECT pg_drop_replication_slot('"+slot+"')")
	p.says(Verify, v1alpha1.ReasonSlotLost, "slot lost")
}

// TestASoakComparesRowsAsOftenAsGitAsks: what a revert would bring back is known before anybody needs it.
func TestASoakComparesRowsAsOftenAsGitAsks(t *testing.T) {
	p := newPair(t, 17, 15) // the first serves, the second follows
	p.done(CopyData)
	p.done(CatchUp)
	now := time.Now()
	p.run.Now = func() time.Time { return now }
	p.run.Proxy.Status.Active = p.blue.Instance
	p.run.Status.Verification = &v1alpha1.VerificationStatus{At: timestamp(now)}
	soaking := waiting(v1alpha1.ReasonSoakInProgress, "it soaks")
	look := func() *Verdict { return compareInTime(p.run, p.green.Instance, soaking) }
	now = now.Add(24 * time.Hour)
	if v := look(); v != nil {
		t.Errorf("nobody asked for it: %+v", v)
	}
	p.run.Upgrade.Spec.Soak.CompareEvery = &metav1.Duration{Duration: time.Hour}
	compare := func() {
		t.Helper()
		v := look()
		if v == nil || !v.RunNeeded || !v.Slow || v.Reason != v1alpha1.ReasonSoakInProgress || !strings.HasPrefix(v.Message, "it soaks; comparing rows") {
			t.Fatalf("%+v", v)
		}
		if err := v.Effect(t.Context(), p.run); err != nil {
			t.Fatal(err)
		}
	}
	compare()
	if v := look(); v != nil {
		t.Errorf("compared a moment ago: %+v", v)
	}
	p.green.Exec("d", "SET session_replication_role = replica; INSERT INTO first VALUES (99)")
	now = now.Add(59 * time.Minute)
	if v := look(); v != nil {
		t.Errorf("not due: %+v", v)
	}
	now = now.Add(time.Minute)
	compare()
	if v := look(); v == nil || v.Reason != v1alpha1.ReasonVerificationFailed || !strings.Contains(v.Message, "first") {
		t.Fatalf("%+v", v)
	}
	p.green.Exec("d", "SET session_replication_role = replica; DELETE FROM first WHERE id = 99")
	now = now.Add(verifyAgain)
	compare()
	if v := look(); v != nil {
		t.Errorf("equal again: %+v", v)
	}
}
