package steps

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// The transitions between workflows, as stories: where the upgrade stands, what Git and
// the world say, and where it goes.
func TestNextObeysGit(t *testing.T) {
	at := func(workflow, step string) v1alpha1.PgUpgradeStatus {
		return v1alpha1.PgUpgradeStatus{Workflow: workflow, Step: step, From: "orders-15", To: "orders-17", HandledVersion: "17"}
	}
	facts := func(wanted, active, target string) Facts {
		return Facts{Name: "orders", Wanted: wanted, Active: active, Target: target}
	}
	retry := func(f Facts) Facts { f.Retry = "again"; return f }
	decided := func(step string) v1alpha1.PgUpgradeStatus {
		s := at(RevertCutover, step)
		s.Analysis = &v1alpha1.AnalysisStatus{Failure: &v1alpha1.AnalysisFailure{DecidedAt: &metav1.Time{}}}
		return s
	}
	refused := func(s v1alpha1.PgUpgradeStatus) v1alpha1.PgUpgradeStatus {
		s.Analysis.Failure.Refused = "Ada reverted it"
		return s
	}
	proposed := func(s v1alpha1.PgUpgradeStatus) v1alpha1.PgUpgradeStatus {
		s.Proposal = &v1alpha1.ProposalStatus{}
		return s
	}
	holdsRows := func(s v1alpha1.PgUpgradeStatus) v1alpha1.PgUpgradeStatus {
		s.Failover = &v1alpha1.FailoverStatus{Ahead: []string{"d"}}
		return s
	}
	failed := func(f Facts) Facts { f.AnalysisFailed, f.RollbackReady = true, true; return f }
	unready := func(f Facts) Facts { f.AnalysisFailed = true; return f }
	gaveUp := func(f Facts) Facts { f.GaveUp = true; return f }
	stories := []struct {
		story          string
		status         v1alpha1.PgUpgradeStatus
		facts          Facts
		workflow, step string
		idle           bool
	}{
		{"the version is what serves: nothing to do", v1alpha1.PgUpgradeStatus{}, facts("15", "orders-15", "orders-15"), "", "", true},
		{"a merged bump begins an upgrade", v1alpha1.PgUpgradeStatus{HandledVersion: "15"}, facts("17", "orders-15", "orders-15"), Upgrade, Preflight, false},
		{"a lower version begins a downgrade", v1alpha1.PgUpgradeStatus{}, facts("13", "orders-17", "orders-17"), Upgrade, Preflight, false},
		{"a wish that was taken back is not tried again by itself", v1alpha1.PgUpgradeStatus{HandledVersion: "17"}, facts("17", "orders-15", "orders-15"), "", "", true},
		{"a retry tries it again", v1alpha1.PgUpgradeStatus{HandledVersion: "17"}, retry(facts("17", "orders-15", "orders-15")), Upgrade, Preflight, false},
		{"an unknown version leads nowhere", at(Upgrade, CopyData), facts("", "orders-15", "orders-15"), Upgrade, CopyData, false},
		{"an unknown active instance leads nowhere", at(Upgrade, CopyData), facts("17", "", ""), Upgrade, CopyData, false},
		{"the bump is reverted while the data is copied: abort", at(Upgrade, CopyData), facts("15", "orders-15", "orders-15"), Abort, StopReplication, false},
		{"the version changes again before the cutover: the old green goes first", at(Upgrade, Approve), facts("18", "orders-15", "orders-15"), Abort, StopReplication, false},
		{"a human cuts over while we wait for approval: soak", at(Upgrade, Approve), facts("17", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"a human cuts over and reverts before we look: the soak hears of it", at(Upgrade, Approve), facts("17", "orders-17", "orders-15"), Upgrade, Soak, false},
		{"a human cuts over, then takes the version back: the soak hears of it", at(Upgrade, Approve), facts("15", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"a human cuts over, then wants a third version: the soak hears of it", at(Upgrade, CatchUp), facts("18", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"a human's cutover that waits for the switch changes nothing", at(Upgrade, Approve), facts("17", "orders-15", "orders-17"), Upgrade, Approve, false},
		{"the version is taken back while a human's cutover waits: the target first", at(Upgrade, Approve), facts("15", "orders-15", "orders-17"), Rollback, CommitRollback, false},
		{"a third version while a human's cutover waits: Git has to agree with itself", at(Upgrade, Approve), facts("18", "orders-15", "orders-17"), Upgrade, Approve, false},
		{"an abort finds that traffic reached green first", at(Abort, StopReplication), facts("18", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"an abort goes on while blue serves", at(Abort, StopReplication), facts("15", "orders-15", "orders-15"), Abort, StopReplication, false},
		{"an abort that has taken something away goes on", at(Abort, CommitRemoveGreen), facts("15", "orders-15", "orders-17"), Abort, CommitRemoveGreen, false},
		{"a rollback that a human reverts waits for the version", at(Rollback, AwaitRollback), facts("15", "orders-17", "orders-17"), Rollback, AwaitRollback, false},
		{"a rollback that a human reverts with the version soaks again", at(Rollback, AwaitRollback), facts("17", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"a retry half-way tries the same step again", at(Upgrade, BuildIndexes), retry(facts("17", "orders-15", "orders-15")), Upgrade, BuildIndexes, false},
		{"the bump is reverted between the cutover commit and the switch: traffic first", at(Upgrade, AwaitSwitch), facts("15", "orders-15", "orders-17"), Rollback, CommitRollback, false},
		{"the switch can't be made: our commit is taken back", at(Upgrade, AwaitSwitch), gaveUp(facts("17", "orders-15", "orders-17")), RevertCutover, CommitRollback, false},
		{"attempts for another target mean nothing", at(Upgrade, AwaitSwitch), gaveUp(facts("17", "orders-15", "orders-15")), Upgrade, AwaitSwitch, false},
		{"a revert of the cutover during the soak", at(Upgrade, Soak), facts("17", "orders-15", "orders-15"), RolledBack, AwaitDecision, false},
		{"a revert that has not switched yet is awaited", at(Upgrade, Soak), facts("17", "orders-17", "orders-15"), Upgrade, Soak, false},
		{"the bump is reverted during the soak: traffic first, then green goes", at(Upgrade, Soak), facts("15", "orders-17", "orders-17"), Rollback, CommitRollback, false},
		{"another version during the soak waits", at(Upgrade, Soak), facts("18", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"past the soak there is no rollback path", at(Upgrade, CommitFinalize), facts("15", "orders-17", "orders-17"), Upgrade, CommitFinalize, false},
		{"a switch back that began before the soak's end was stored counts", at(Upgrade, StopReverse), facts("17", "orders-15", "orders-15"), RolledBack, AwaitDecision, false},
		{"a revert at the end of the soak is the step's to judge", at(Upgrade, StopReverse), facts("17", "orders-17", "orders-15"), Upgrade, StopReverse, false},
		{"after a rollback nothing goes on by itself", at(RolledBack, AwaitDecision), facts("17", "orders-15", "orders-15"), RolledBack, AwaitDecision, false},
		{"a revert of the revert soaks again", at(RolledBack, AwaitDecision), facts("17", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"a retry after a rollback cuts over again", at(RolledBack, AwaitDecision), retry(facts("17", "orders-15", "orders-15")), Upgrade, CatchUp, false},
		{"unless it answers what becomes of rows that green alone has", holdsRows(at(RolledBack, AwaitDecision)), retry(facts("17", "orders-15", "orders-15")), RolledBack, AwaitDecision, false},
		{"the bump is reverted after a rollback: green goes", at(RolledBack, AwaitDecision), facts("15", "orders-15", "orders-15"), Abort, StopReplication, false},
		{"the revert of the revert and of the bump at once: the target first", at(RolledBack, AwaitDecision), facts("15", "orders-15", "orders-17"), Rollback, CommitRollback, false},
		{"a revert of the revert beside a third version: Git has to agree with itself", at(RolledBack, AwaitDecision), facts("18", "orders-15", "orders-17"), RolledBack, AwaitDecision, false},
		{"the analysis of the soak fails: the cutover is reverted", at(Upgrade, Soak), failed(facts("17", "orders-17", "orders-17")), RevertCutover, CommitRollback, false},
		{"also while a third version waits", at(Upgrade, Soak), failed(facts("18", "orders-17", "orders-17")), RevertCutover, CommitRollback, false},
		{"a revert that would lose something is not made", at(Upgrade, Soak), unready(facts("17", "orders-17", "orders-17")), Upgrade, Soak, false},
		{"a person's revert comes first", at(Upgrade, Soak), failed(facts("17", "orders-17", "orders-15")), Upgrade, Soak, false},
		{"and so does a version that is taken back", at(Upgrade, Soak), failed(facts("15", "orders-17", "orders-17")), Rollback, CommitRollback, false},
		{"past the soak an analysis reverts nothing", at(Upgrade, StopReverse), failed(facts("17", "orders-17", "orders-17")), Upgrade, StopReverse, false},
		{"a decided revert goes on", decided(CommitRollback), failed(facts("17", "orders-17", "orders-17")), RevertCutover, CommitRollback, false},
		{"a decided revert that would lose something now is not committed", decided(CommitRollback), unready(facts("17", "orders-17", "orders-17")), Upgrade, Soak, false},
		{"unless it waits for people already", proposed(decided(CommitRollback)), unready(facts("17", "orders-17", "orders-17")), RevertCutover, CommitRollback, false},
		{"a revert that the spec no longer asks for is given up", proposed(decided(CommitRollback)), facts("17", "orders-17", "orders-17"), Upgrade, Soak, false},
		{"a revert that is on the branch is awaited", decided(AwaitRollback), facts("17", "orders-17", "orders-17"), RevertCutover, AwaitRollback, false},
		{"a revert that people reverted is given up", refused(decided(AwaitRollback)), failed(facts("17", "orders-17", "orders-17")), Upgrade, Soak, false},
		{"but not while traffic returns", refused(decided(AwaitRollback)), facts("17", "orders-15", "orders-17"), RevertCutover, AwaitRollback, false},
		{"a human makes the target green after we gave up", at(RevertCutover, AwaitRollback), facts("17", "orders-17", "orders-17"), Upgrade, Soak, false},
	}
	for _, s := range stories {
		t.Run(s.story, func(t *testing.T) {
			d := Next(s.status, s.facts)
			if d.Workflow != s.workflow || d.Step != s.step || d.Idle != s.idle {
				t.Fatalf("Next = %q %q idle=%v (%s), want %q %q idle=%v", d.Workflow, d.Step, d.Idle, d.Message, s.workflow, s.step, s.idle)
			}
			if d.Workflow != "" {
				if step, _ := Find(d.Workflow, d.Step); step == nil {
					t.Fatalf("workflow %s has no step %s", d.Workflow, d.Step)
				}
			}
		})
	}
}

func TestEveryWorkflowEnds(t *testing.T) {
	outcomes := map[string]string{Upgrade: "Finalized", Abort: "Aborted", Rollback: "RolledBack"}
	for name, table := range Workflows {
		status := v1alpha1.PgUpgradeStatus{Workflow: name, Step: table[0].Name}
		var last Decision
		for range table {
			last = Advance(status)
			status.Workflow, status.Step = last.Workflow, last.Step
			if last.Outcome != "" || last.Workflow != name {
				break
			}
		}
		if want, ok := outcomes[name]; ok && last.Outcome != want {
			t.Errorf("%s ends as %q, want %q", name, last.Outcome, want)
		}
	}
}

func TestVersionOfKnowsOnlyItsOwnInstances(t *testing.T) {
	adopted := &v1alpha1.AdoptSpec{Name: "legacy", Version: "13"}
	for instance, want := range map[string]string{
		"orders-15": "15", "orders-18": "18", "legacy": "13",
		"orders-12": "", "orders-155": "", "orders": "", "orders-": "", "shop-15": "", "": "", "orders-1x": "",
	} {
		if got := VersionOf("orders", adopted, instance); got != want {
			t.Errorf("VersionOf(%q) = %q, want %q", instance, got, want)
		}
	}
}

// A rehearsal that passed isn't begun again by itself, and the mode or a retry begins what they ask for.
func TestAfterARehearsalGitSaysWhatComes(t *testing.T) {
	rehearsed := v1alpha1.PgUpgradeStatus{Run: "r", From: "orders-15", To: "orders-17", HandledVersion: "17", HandledMode: v1alpha1.ModeRehearse,
		Rehearsal: &v1alpha1.RehearsalStatus{Version: "17", Run: "r"}, EndedBy: "the rehearsal of 17 passed"}
	ended := rehearsed
	ended.Rehearsal = &v1alpha1.RehearsalStatus{Version: "16", Run: "an earlier one"}
	facts := Facts{Name: "orders", Wanted: "17", Active: "orders-15", Target: "orders-15", Rehearse: true}
	for _, s := range []struct {
		story  string
		status v1alpha1.PgUpgradeStatus
		change func(*Facts)
		begins bool
		reason string
	}{
		{"nothing is asked for", rehearsed, func(*Facts) {}, false, v1alpha1.ReasonRehearsed},
		{"the mode is set back", rehearsed, func(f *Facts) { f.Rehearse = false }, true, v1alpha1.ReasonProgressing},
		{"another rehearsal is asked for", rehearsed, func(f *Facts) { f.Retry = "1" }, true, v1alpha1.ReasonProgressing},
		{"another version is rehearsed", rehearsed, func(f *Facts) { f.Wanted = "18" }, true, v1alpha1.ReasonProgressing},
		{"the version is taken back", rehearsed, func(f *Facts) { f.Wanted = "15" }, false, v1alpha1.ReasonUpToDate},
		{"a hook ended the rehearsal", ended, func(*Facts) {}, false, v1alpha1.ReasonAborted},
		{"and the mode is set back", ended, func(f *Facts) { f.Rehearse = false }, true, v1alpha1.ReasonProgressing},
		{"nobody knows who serves", rehearsed, func(f *Facts) { f.Active, f.Rehearse = "", false }, false, ""},
	} {
		f := facts
		s.change(&f)
		if d := Next(s.status, f); d.Begin != s.begins || d.Reason != s.reason {
			t.Errorf("%s: %+v", s.story, d)
		}
	}
	rehearsed.Workflow, rehearsed.Step = Abort, AwaitGreenGone
	if d := Advance(rehearsed); d.Outcome != v1alpha1.ReasonRehearsed {
		t.Errorf("%+v", d)
	}
}
