package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// TestAnUpgradeByAPhysicalCopyGoesFromItsRequestToItsCutover while applications write, without a schema Job.
func TestAnUpgradeByAPhysicalCopyGoesFromItsRequestToItsCutover(t *testing.T) {
	w := aSeed(t, v1alpha1.CopyPhysical)
	w.until("the Job is made", func() bool { _, found := w.job(); return found })
	if w.u.Status.Step != steps.Seed || len(w.git.commits) > 0 || w.u.Status.CopyMethod.Method != v1alpha1.CopyPhysical {
		t.Fatalf("%s, commits %v, %+v", w.u.Status.Step, w.git.commits, w.u.Status.CopyMethod)
	}
	claims := w.claims()
	if len(claims) != 1 || claims[0].Name != "data-orders-17-0" || claims[0].Labels[v1alpha1.InstanceLabel] != "orders-17" || len(claims[0].OwnerReferences) > 0 {
		t.Fatalf("claims %+v", claims)
	}
	job, _ := w.job()
	if _, served := job.Spec.Template.Labels[v1alpha1.InstanceLabel]; served {
		t.Error("a Service of green would lead to the Job's pod")
	}
	w.blue.Exec("d", "INSERT INTO t VALUES (6001, 'before the copy')")
	w.runs(job)
	w.blue.Exec("d", "INSERT INTO t VALUES (6002, 'after the copy'); DELETE FROM t WHERE id = 7")
	w.ended(job, batchv1.JobComplete, batchv1.JobSuccessCriteriaMet, "CompletionsReached")
	w.until("green's commit", func() bool { return w.git.commits[steps.CommitGreen] })

	w.serve("17")
	w.green = w.volume.Start(17, pg.Settings{"wal_level": "logical"})
	w.until("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
	if got := w.green.Query("d", "SELECT count(*) || ' ' || count(*) FILTER (WHERE id > 6000) FROM t"); got != "5001 2" {
		t.Errorf("rows on green: %s", got)
	}
	if v := w.u.Status.Verification; v == nil || v.Rows != 5001 || len(v.Mismatches) > 0 {
		t.Errorf("verification: %+v", v)
	}
	if got := w.green.Query("", "SELECT datconnlimit FROM pg_database WHERE datname = 'd'"); got != "0" {
		t.Errorf("green lets applications in: connection limit %s", got)
	}
	if got := w.green.Query("gitover", "SELECT string_agg(datname || connlimit, ',') FROM gitover.connection_limits"); got != "d-1" {
		t.Errorf("limits that come back: %q", got)
	}
}

// TestALogicalCopyFollowsAPhysicalOneThatFails, if the spec leaves the choice; otherwise people decide.
func TestALogicalCopyFollowsAPhysicalOneThatFails(t *testing.T) {
	for _, method := range []string{v1alpha1.CopyAuto, v1alpha1.CopyPhysical} {
		w := aSeed(t, method)
		w.until("the Job is made", func() bool { _, found := w.job(); return found })
		job, _ := w.job()
		w.ended(job, batchv1.JobFailed, batchv1.JobFailureTarget, "BackoffLimitExceeded")
		if method == v1alpha1.CopyPhysical {
			o := w.look()
			if o.Reason != v1alpha1.ReasonJobFailed || !strings.Contains(o.Message, "spec.retry") || len(w.git.commits) > 0 {
				t.Errorf("%+v", o)
			}
			w.u.Status.Attempt++
			w.until("another Job", func() bool { return w.jobs() == 2 })
			continue
		}
		w.until("green's commit", func() bool { w.collect(); return w.git.commits[steps.CommitGreen] })
		if m := w.u.Status.CopyMethod; m.Method != v1alpha1.CopyLogical || !strings.Contains(m.Reason, "BackoffLimitExceeded") {
			t.Errorf("%+v", m)
		}
		w.nothingLeft()
		w.told(v1alpha1.ReasonJobFailed)
	}
}

// TestAnUpgradeThatIsTakenBackDuringItsPhysicalCopyLeavesNothing: neither Job nor claim, slot nor publication.
func TestAnUpgradeThatIsTakenBackDuringItsPhysicalCopyLeavesNothing(t *testing.T) {
	w := aSeed(t, v1alpha1.CopyAuto)
	w.until("the Job is made", func() bool { _, found := w.job(); return found })
	job, _ := w.job()
	w.createWithStatus(stuckPod(job))
	if o := w.look(); o.Reason != steps.Seed || !strings.Contains(o.Message, "ErrImagePull no such image") {
		t.Errorf("what keeps the Job from running: %+v", o)
	}
	w.seen.facts.Wanted = "15"
	w.until("the end", func() bool { w.collect(); return w.u.Status.Workflow == "" })
	w.nothingLeft()
}

// TestAPgUpgradeThatIsDeletedDuringItsPhysicalCopyTakesTheVolumeAlong, which the next upgrade would find in its way, and no other one.
func TestAPgUpgradeThatIsDeletedDuringItsPhysicalCopyTakesTheVolumeAlong(t *testing.T) {
	w := aSeed(t, v1alpha1.CopyPhysical)
	w.until("the Job is made", func() bool { _, found := w.job(); return found })
	others := w.claims()[0].DeepCopy()
	others.ObjectMeta = metav1.ObjectMeta{Namespace: w.namespace, Name: "others", Labels: others.Labels}
	w.create(others)
	w.r.remove = func(context.Context, postgres.Server, postgres.Names) ([]string, error) { return nil, nil } // the servers' part
	w.u.Finalizers, w.u.DeletionTimestamp = []string{v1alpha1.Finalizer}, ptr.To(metav1.Now())
	_, err := w.r.finalize(t.Context(), w.u)
	w.must(err)
	if len(w.u.Finalizers) > 0 {
		t.Errorf("it stays: %s", conditions.GetMessage(w.u, v1alpha1.ReadyCondition))
	}
	eventually(t, time.Minute, func() bool {
		w.collect()
		claims := w.claims()
		return len(claims) == 1 && claims[0].Name == "others"
	}, func() string { return fmt.Sprintf("%+v", w.claims()) })
}

// TestALostSlotEndsAPhysicalCopy: changes that came after the copy are gone.
func TestALostSlotEndsAPhysicalCopy(t *testing.T) {
	w := aSeed(t, v1alpha1.CopyAuto)
	w.until("the Job is made", func() bool { _, found := w.job(); return found })
	w.blue.Exec("", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
	w.until("green's commit", func() bool { w.collect(); return w.git.commits[steps.CommitGreen] })
	if m := w.u.Status.CopyMethod; m.Method != v1alpha1.CopyLogical || !strings.Contains(m.Reason, "lost the WAL") {
		t.Errorf("%+v", m)
	}
	w.nothingLeft()
	w.told(v1alpha1.ReasonSlotLost)
}

// TestAPhysicalCopyBeginsAgainWhenThePrimaryIsReplaced: its slots went with the primary, and rows of the copy may have.
func TestAPhysicalCopyBeginsAgainWhenThePrimaryIsReplaced(t *testing.T) {
	w := aSeed(t, v1alpha1.CopyPhysical)
	w.until("the Job is made", func() bool { _, found := w.job(); return found })
	first, _ := w.job()
	w.runs(first)
	standby := w.blue.Standby(t)
	standby.CatchUp(w.blue)
	w.blue.Kill()
	standby.Promote()
	w.blue = standby
	w.until("another Job", func() bool { w.collect(); job, found := w.job(); return found && job.UID != first.UID })
	w.told(v1alpha1.ReasonPrimaryReplaced)
	w.blue.Exec("d", "INSERT INTO t VALUES (6001, 'after the failover')")
	second, _ := w.job()
	w.runs(second)
	w.ended(second, batchv1.JobComplete, batchv1.JobSuccessCriteriaMet, "CompletionsReached")
	w.until("green's commit", func() bool { return w.git.commits[steps.CommitGreen] })
	w.serve("17")
	w.green = w.volume.Start(17, pg.Settings{"wal_level": "logical"})
	w.until("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
	if got := w.green.Query("d", "SELECT count(*) FROM t"); got != "5001" {
		t.Errorf("rows on green: %s", got)
	}
}

// TestAPhysicalCopyThatIsNotPossibleIsNamed, and the upgrade waits for it or goes on without.
func TestAPhysicalCopyThatIsNotPossibleIsNamed(t *testing.T) {
	w := aSeed(t, v1alpha1.CopyPhysical)
	w.git.set.Spec.Replicas = ptr.To(int32(3))
	o := w.look()
	if o.Reason != v1alpha1.ReasonPreflightBlocked || !strings.Contains(o.Message, "has 3 replicas") || !strings.Contains(o.Message, "spec.copy.method: Auto") {
		t.Errorf("%+v", o)
	}
	w.u.Spec.Copy.Method = v1alpha1.CopyAuto
	w.blue.Exec("d", "CREATE TABLE calls (id int PRIMARY KEY, what regproc[])")
	w.until("green's commit", func() bool { return w.git.commits[steps.CommitGreen] })
	if m := w.u.Status.CopyMethod; m.Method != v1alpha1.CopyLogical || !strings.Contains(m.Reason, "column what of table public.calls") {
		t.Errorf("%+v", m)
	}
	w.nothingLeft()
}

// Everything up to the gate, without anybody's approval and outside of every window; then it is removed, with a report.
func TestARehearsalGoesToTheGateAndLeavesAReport(t *testing.T) {
	plans := sqlHook("plans", v1alpha1.BeforeCutover, "plans.sql")
	plans.SQL.Instance = "New"
	writes := sqlHook("writes", v1alpha1.BeforeCutover, "writes.sql")
	writes.SQL.Instance, writes.OnFailure = "New", v1alpha1.HookContinue
	skipped := sqlHook("announce", v1alpha1.BeforeCutover, "missing.sql")
	skipped.SkipInRehearsal = true
	w := aSeed(t, v1alpha1.CopyPhysical).withHooks(hookFiles{
		"plans.sql": "SELECT 'rows: ' || count(*) || ' in mode ' || :'mode' FROM t;", "writes.sql": "INSERT INTO ran (what) VALUES ('green');", "missing.sql": "SELECT 1",
	}, plans, writes, skipped)
	git := w.r.fleet(w.u).(*hookGit)
	w.u.Spec.Mode, w.seen.facts.Rehearse, w.u.Status.HandledVersion = v1alpha1.ModeRehearse, true, "17"
	w.u.Spec.Cutover.Approval = "Manual"
	w.u.Spec.Cutover.Windows = []v1alpha1.Window{{Recurrence: v1alpha1.Recurrence{Schedule: "0 0 29 2 *", Duration: &metav1.Duration{Duration: time.Minute}}}}
	seed := w.untilJob()
	w.runs(seed)
	w.ended(seed, batchv1.JobComplete, batchv1.JobSuccessCriteriaMet, "CompletionsReached")
	w.until("green's commit", func() bool { return git.commits[steps.CommitGreen] })
	w.serve("17")
	w.green = w.volume.Start(17, pg.Settings{"wal_level": "logical"})
	w.kubelet(w.untilJob())
	w.kubelet(w.untilJob())
	w.until("it leaves", func() bool { return w.u.Status.Workflow == steps.Abort })
	if e := w.entry("plans"); !strings.Contains(e.Output, "rows: 5000 in mode Rehearse") {
		t.Errorf("%+v", e)
	}
	if e := w.entry("writes"); e.State != v1alpha1.HookFailed || !strings.Contains(e.Output, "read-only transaction") {
		t.Errorf("a hook writes to the side that follows: %+v", e)
	}
	w.until("green leaves Git", func() bool { return git.commits[steps.CommitRemoveGreen] })
	w.must(w.Delete(t.Context(), w.statefulSet("17")))
	w.until("the end", func() bool {
		for _, j := range w.hookJobs() { // Kubernetes' part
			if j.DeletionTimestamp != nil {
				j.Finalizers = nil
				w.must(client.IgnoreNotFound(w.Update(t.Context(), &j)))
			}
		}
		for _, c := range w.claims() {
			c.Finalizers = nil
			w.must(client.IgnoreNotFound(w.Update(t.Context(), &c)))
		}
		return w.u.Status.Workflow == ""
	})
	said := strings.Join(w.u.Status.Rehearsal.Report, "\n")
	for _, words := range []string{"from the preflight to the gate", "compared: 5000 rows", "hook plans (BeforeCutover): succeeded", "hook writes (BeforeCutover): failed", "plan: "} {
		if !strings.Contains(said, words) || !strings.Contains(fmt.Sprint(git.evidence[steps.CommitRemoveGreen]), words) {
			t.Errorf("the report lacks %q: %s; %v", words, said, git.evidence[steps.CommitRemoveGreen])
		}
	}
	if h := w.u.Status.History[0]; h.Outcome != "Rehearsed" || git.commits[steps.CommitCutover] || w.u.Status.Rehearsal.Version != "17" {
		t.Errorf("%+v", h)
	}
	if n := w.blue.Query("d", "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)"); n != "0" {
		t.Errorf("left on blue: %s slots and publications", n)
	}
	if o := w.look(); !o.Ready || o.Reason != v1alpha1.ReasonRehearsed {
		t.Errorf("%+v", o)
	}
	w.told(v1alpha1.ReasonRehearsed)
	facts := w.seen.facts
	facts.Rehearse = false
	if d := steps.Next(w.u.Status, facts); !d.Begin {
		t.Errorf("the real one doesn't begin: %+v", d)
	}
}
