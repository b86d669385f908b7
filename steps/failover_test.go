package steps

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// losesRows has a standby take green's place that lacks a hundred rows which green has confirmed.
func (p *pair) losesRows() {
	p.t.Helper()
	p.losesRowsAfter(0)
}

func (p *pair) losesRowsAfter(last int) {
	p.t.Helper()
	standby := p.green.Standby(p.t)
	standby.Stop()
	p.blue.Exec("d", fmt.Sprintf("INSERT INTO first SELECT generate_series(1, 100) + %d", last))
	p.arrives("SELECT count(*) FROM first", fmt.Sprint(100+last))
	p.until(CatchUp, "confirmed", func(Verdict) bool {
		return p.blue.Query("", "SELECT bool_and(confirmed_flush_lsn = pg_current_wal_lsn()) FROM pg_replication_slots") == "t"
	})
	p.green.Kill()
	standby.Run()
	standby.Promote()
	p.green = standby
}

// TestRowsThatGreenLosesWithItsPrimaryAreCopiedAgain: what the one before had confirmed is not sent again, and every look but
// the comparison finds all well.
func TestRowsThatGreenLosesWithItsPrimaryAreCopiedAgain(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.run.Status.Verification = nil
			p.walk(CopyData, Approve)
			p.losesRows()
			said := p.walk(Approve, Approve)
			if !told(said, "the primary of "+p.green.Instance+" was replaced", "and rows differ; copying them again") {
				t.Errorf("%q", said)
			}
			p.arrives("SELECT count(*) FROM first", "100")
			if p.run.Status.Failover != nil {
				t.Errorf("%+v", p.run.Status.Failover)
			}
		})
	}
}

// TestRowsThatDifferForAnotherReasonWaitForPeople also after they were copied again once.
func TestRowsThatDifferForAnotherReasonWaitForPeople(t *testing.T) {
	p := newPair(t, 15, 17)
	p.run.Status.Verification = nil
	p.walk(CopyData, Approve)
	p.losesRows()
	p.run.Status.Failover = &v1alpha1.FailoverStatus{Instance: p.green.Instance, Copied: []string{"d"}}
	p.says(Verify, v1alpha1.ReasonPrimaryReplaced, "was replaced")
	p.run.Status.Failover.Copied = []string{"d"}
	p.says(Verify, v1alpha1.ReasonVerificationFailed, "first")
	p.green.Exec("d", "SET session_replication_role = replica; DELETE FROM first")
	p.blue.Exec("d", "DELETE FROM first")
	now := p.run.Now()
	p.run.Now = func() time.Time { return now.Add(2 * verifyAgain) }
	p.done(Verify)
	p.done(Approve)
}

// walk the steps of an upgrade from one to another as the controller does, which returns to earlier ones, and say what they said.
func (p *pair) walk(from, to string) (said []string) {
	p.t.Helper()
	p.run.Status.Step = from
	for {
		name := p.run.Status.Step
		v := p.until(name, "done or back", func(v Verdict) bool {
			if v.Message != "" && (len(said) == 0 || said[len(said)-1] != v.Message) {
				said = append(said, v.Message)
			}
			return v.Done || v.ReturnTo != ""
		})
		switch {
		case v.ReturnTo != "":
			p.run.Status.Step = v.ReturnTo
		case name == to:
			return said
		default:
			p.run.Status.Step = Advance(v1alpha1.PgUpgradeStatus{Workflow: Upgrade, Step: name}).Step
			if p.run.Status.Step == BuildIndexes { // tables have their indexes here
				p.run.Status.Step = Analyze
			}
		}
	}
}

// failsOver has a standby take a server's place that has all its rows.
func (p *pair) failsOver(server **pg.Server, standby *pg.Server) {
	p.t.Helper()
	standby.CatchUp(*server)
	(*server).Kill()
	standby.Promote()
	*server = standby
}

func told(said []string, words ...string) bool {
	all := strings.Join(said, "\n")
	for _, w := range words {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}

// TestWhatBlueLosesWithItsPrimaryIsCopiedAgain: its slots, which standbys don't have.
func TestWhatBlueLosesWithItsPrimaryIsCopiedAgain(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{17, 15}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.run.Status.Verification = nil
			p.blue.Exec("d", "INSERT INTO first SELECT generate_series(1, 100)")
			standby := p.blue.Standby(t)
			p.walk(CopyData, Approve)
			for _, step := range []string{CopyData, Verify, Approve} {
				p.failsOver(&p.blue, standby)
				standby = p.blue.Standby(t)
				p.blue.Exec("d", "INSERT INTO first SELECT max(id) + 1 FROM first; DELETE FROM first WHERE id = 1")
				said := p.walk(step, Approve)
				if !told(said, "the primary of "+p.blue.Instance+" was replaced: a standby was promoted", p.green.Instance+" is copied again") {
					t.Errorf("at %s: %q", step, said)
				}
				if p.run.Status.Failover != nil || p.run.Status.Verification == nil || len(p.run.Status.Verification.Mismatches) > 0 {
					t.Errorf("at %s: %+v, %+v", step, p.run.Status.Failover, p.run.Status.Verification)
				}
				p.arrives("SELECT count(*) = max(id) - 1 FROM first", "t")
			}
			p.blue.Exec("d", "INSERT INTO first VALUES (1000)")
			p.arrives("SELECT count(*) FROM first WHERE id = 1000", "1")
		})
	}
}

// TestAnUpgradeGoesOnWhereStandbysHaveItsSlots, with nothing copied again.
func TestAnUpgradeGoesOnWhereStandbysHaveItsSlots(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{17, 18}, [2]int{17, 15}, [2]int{postgres.Latest, 17}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.run.Status.Verification = nil
			p.blue.Exec("d", "INSERT INTO first SELECT generate_series(1, 100)")
			standby := p.blue.StandbyWithSlots(t)
			p.walk(CopyData, Approve)
			standby.HasSlots(p.blue)
			p.blue.Exec("d", "INSERT INTO first SELECT generate_series(101, 200)")
			p.failsOver(&p.blue, standby)
			p.blue.Exec("", "ALTER SYSTEM RESET synchronized_standby_slots")
			p.blue.Exec("", "SELECT pg_reload_conf()")
			p.blue.Exec("d", "INSERT INTO first SELECT generate_series(201, 300)")
			said := p.walk(Approve, Approve)
			if !told(said, "was replaced: a standby was promoted") || told(said, "copied again") {
				t.Errorf("%q", said)
			}
			if p.run.Status.Failover != nil {
				t.Errorf("%+v", p.run.Status.Failover)
			}
			p.arrives("SELECT count(*) FROM first", "300")
		})
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
