package steps

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/hooks"
	"github.com/gitover/gitover/steps/postgres"
)

// untouched is a world that fails the test when a step as much as looks at it.
type untouched struct{ t *testing.T }

func (u untouched) Targets(context.Context, string) (bool, error) {
	u.t.Error("Git was asked")
	return false, nil
}
func (u untouched) CheckInstance(context.Context) error { u.t.Error("Git was asked"); return nil }
func (u untouched) CommitState(context.Context, string) (CommitState, error) {
	u.t.Error("Git was asked")
	return CommitState{}, nil
}
func (u untouched) Commit(context.Context, string, Evidence) error {
	u.t.Error("something was committed")
	return nil
}
func (u untouched) Undelivered() (reason, message string) { return "", "" }
func (u untouched) Withdraw(context.Context, v1alpha1.ProposalStatus) error {
	u.t.Error("a branch was removed")
	return nil
}

func (u untouched) ApprovedBy(context.Context) (*v1alpha1.Commit, error) {
	u.t.Error("Git was asked who approved")
	return nil, nil
}

func (u untouched) OpenPullRequest(context.Context, string) error {
	u.t.Error("a pull request was opened")
	return nil
}
func (u untouched) ReadFile(context.Context, string, string) ([]byte, string, error) {
	u.t.Error("Git was asked for a file")
	return nil, "", nil
}
func (u untouched) HookJob(context.Context, string) (hooks.JobState, bool, error) {
	u.t.Error("the cluster was asked for a hook's Job")
	return hooks.JobState{}, false, nil
}
func (u untouched) TryJob(context.Context, *batchv1.Job) error {
	u.t.Error("the cluster was asked about a Job")
	return nil
}
func (u untouched) Workload(context.Context, string) (Workload, error) {
	u.t.Error("the cluster was asked")
	return Workload{}, nil
}
func (u untouched) Gone(context.Context, string) (bool, string, error) {
	u.t.Error("the cluster was asked")
	return false, "", nil
}
func (u untouched) DeleteVolumes(_ context.Context, instance string) error {
	u.t.Errorf("the volumes of %s were deleted", instance)
	return nil
}
func (u untouched) Job(context.Context, string) (JobState, bool, error) {
	return JobState{}, false, nil
}
func (u untouched) CreateJob(context.Context, *batchv1.Job) error { return nil }
func (u untouched) DeleteJob(_ context.Context, name string) error {
	u.t.Errorf("Job %s was deleted", name)
	return nil
}
func (u untouched) CreateVolume(context.Context, *corev1.PersistentVolumeClaim) error {
	u.t.Error("a volume was created")
	return nil
}
func (u untouched) OwnImage(context.Context) (string, error)    { return "", nil }
func (u untouched) DatabaseImage(corev1.PodTemplateSpec) string { return "" }
func (u untouched) StatefulSet(context.Context) (*appsv1.StatefulSet, error) {
	u.t.Error("Git was asked")
	return nil, nil
}

var errSilent = errors.New("no server answers in this story")

func aProxy(active, target, switchTo string) *v1alpha1.PgProxy {
	p := &v1alpha1.PgProxy{}
	p.Name, p.Spec.Target, p.Status.Active = "orders", target, active
	if switchTo != "" {
		p.Status.Switch = &v1alpha1.SwitchStatus{From: active, To: switchTo}
	}
	return p
}

// Every step that takes an instance away, whatever was observed before it began.
func TestNothingIsTakenFromTheInstanceThatServes(t *testing.T) {
	const blue, green = "orders-15", "orders-17"
	stories := []struct {
		story string
		live  func(leaves, stays string) *v1alpha1.PgProxy
		want  string
	}{
		{"the instance serves", func(l, _ string) *v1alpha1.PgProxy { return aProxy(l, l, "") }, v1alpha1.ReasonConflictingSpec},
		{"it is the target, and the switch has not begun", func(l, s string) *v1alpha1.PgProxy { return aProxy(s, l, "") }, v1alpha1.ReasonConflictingSpec},
		{"a switch to it is in progress", func(l, s string) *v1alpha1.PgProxy { return aProxy(s, l, l) }, v1alpha1.ReasonSwitching},
		{"a switch to it goes on after the target was set back", func(l, s string) *v1alpha1.PgProxy { return aProxy(s, s, l) }, v1alpha1.ReasonSwitching},
		{"the switch away from it has not begun", func(l, s string) *v1alpha1.PgProxy { return aProxy(l, s, "") }, v1alpha1.ReasonSwitching},
		{"nobody knows who serves", func(_, s string) *v1alpha1.PgProxy { return aProxy("", s, "") }, v1alpha1.ReasonSwitching},
		{"the PgProxy is gone", func(string, string) *v1alpha1.PgProxy { return nil }, v1alpha1.ReasonFluxPending},
	}
	removals := 0
	for workflow, table := range Workflows {
		for _, step := range table {
			if !removing[step.Name] {
				continue
			}
			removals++
			leaves, stays := green, blue
			if workflow == Upgrade {
				leaves, stays = blue, green
			}
			for _, s := range stories {
				t.Run(workflow+"/"+step.Name+": "+s.story, func(t *testing.T) {
					run := &Run{
						// an older look said that all was well
						Upgrade: &v1alpha1.PgUpgrade{}, Proxy: aProxy(stays, stays, ""), Now: time.Now,
						Status: &v1alpha1.PgUpgradeStatus{Workflow: workflow, Step: step.Name, From: blue, To: green},
						Git:    untouched{t}, Cluster: untouched{t},
						FreshProxy: func(context.Context) (*v1alpha1.PgProxy, error) { return s.live(leaves, stays), nil },
						Server: func(context.Context, string) (postgres.Server, error) {
							return postgres.Server{}, errSilent
						},
					}
					if InstanceBeingRemoved(*run.Status) != leaves {
						t.Fatalf("leaving is %q", InstanceBeingRemoved(*run.Status))
					}
					v, err := step.Done(t.Context(), run)
					if step.Name == StopReverse && s.want == v1alpha1.ReasonConflictingSpec {
						// whether the revert came in time is seen by blue, which serves again, or asked
						// of the servers
						if v.ReturnTo != Soak && !errors.Is(err, errSilent) {
							t.Fatalf("judged %+v, %v", v, err)
						}
					} else if err != nil || v.Done || v.RunNeeded || v.Reason != s.want {
						t.Fatalf("judged %+v, %v; want %s", v, err, s.want)
					}
					var refused *RefusedError
					if err := step.Run(t.Context(), run); !errors.As(err, &refused) && !errors.Is(err, errSilent) {
						t.Fatalf("not refused: %v", err)
					}
				})
			}
		}
	}
	if removals != 9 {
		t.Errorf("%d steps take something away, not 3 in each of 3 workflows", removals)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	say := func(workflow, step, active, target string) string {
		run := &Run{Upgrade: &v1alpha1.PgUpgrade{}, Status: &v1alpha1.PgUpgradeStatus{Workflow: workflow, Step: step, From: "orders-15", To: "orders-17"}}
		return conflictingSpec(run, aProxy(active, target, "")).Message
	}
	for got, want := range map[string]string{
		say(Upgrade, CommitFinalize, "orders-17", "orders-15"): "the rollback path to orders-15 has ended, but spec.target of PgProxy orders is orders-15; nothing more is removed before a commit sets it to orders-17",
		say(Abort, StopReplication, "orders-15", "orders-17"):  "the upgrade to orders-17 was reverted in Git, but spec.target of PgProxy orders is orders-17; nothing more is removed before a commit sets it to orders-15",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("says %q", got)
		}
	}
}

// branch is a Git whose tip leads traffic to one instance.
type branch struct {
	untouched
	target string
}

func (b branch) Targets(_ context.Context, instance string) (bool, error) {
	return instance == b.target, nil
}

func TestASoakEndsOnlyWhileGitWantsGreen(t *testing.T) {
	run := func(active, target, switchTo, finalized string) *Run {
		r := &Run{
			Upgrade: &v1alpha1.PgUpgrade{}, Proxy: aProxy(active, target, switchTo), Now: time.Now,
			Status: &v1alpha1.PgUpgradeStatus{Workflow: Upgrade, Step: Soak, From: "orders-15", To: "orders-17"},
			Server: func(context.Context, string) (postgres.Server, error) { return postgres.Server{}, errSilent },
			Git:    branch{untouched{t}, "orders-17"},
		}
		r.Upgrade.Name, r.Upgrade.Spec.Soak.FinalizedVersion = "orders", finalized
		since := timestamp(time.Now().Add(-48 * time.Hour)) // the soak's 24 hours are over
		r.Proxy.Status.ActiveSince = &since
		return r
	}
	pushed := run("orders-17", "orders-17", "", "17")
	pushed.Git = branch{untouched{t}, "orders-15"}
	for _, s := range []struct {
		story string
		run   *Run
		want  string // a reason; empty: done
	}{
		{"a revert that Flux hasn't applied yet", pushed, v1alpha1.ReasonFluxPending},
		{"a revert that isn't carried out yet", run("orders-17", "orders-15", "", ""), v1alpha1.ReasonSwitching},
		{"a revert that is under way", run("orders-17", "orders-15", "orders-15", ""), v1alpha1.ReasonSwitching},
		{"a revert, beside a finalization", run("orders-17", "orders-15", "", "17"), v1alpha1.ReasonSwitching},
		{"a finalization, while no server tells of the rollback path", run("orders-17", "orders-17", "", "17"), ""},
		{"another version's finalization", run("orders-17", "orders-17", "", "16"), "error"},
	} {
		v, err := soakDone(t.Context(), s.run)
		got := v.Reason
		if errors.Is(err, errSilent) {
			got = "error"
		} else if err != nil {
			t.Fatal(err)
		}
		if got != s.want || v.Done != (s.want == "") {
			t.Errorf("%s: %+v, %v", s.story, v, err)
		}
	}
}

// delivery is a Git whose commits are on the branch, and applied or not.
type delivery struct {
	untouched
	state CommitState
}

func (d delivery) CommitState(context.Context, string) (CommitState, error) { return d.state, nil }

// Flux may still be about to apply the cutover commit, which is older than the one that takes it back.
func TestARollbackIsAwaitedUntilFluxAppliedIt(t *testing.T) {
	await := func(applied bool) Verdict {
		t.Helper()
		run := &Run{Upgrade: &v1alpha1.PgUpgrade{}, Proxy: aProxy("orders-15", "orders-15", ""), Now: time.Now,
			Status: &v1alpha1.PgUpgradeStatus{Workflow: Rollback, Step: AwaitRollback, From: "orders-15", To: "orders-17"},
			Git:    delivery{untouched{t}, CommitState{Commit: &v1alpha1.Commit{SHA: "1"}, Delivered: applied}}}
		v, err := awaitRollbackDone(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := await(false); v.Done || v.Reason != v1alpha1.ReasonFluxPending {
		t.Errorf("not applied yet: %+v", v)
	}
	if v := await(true); !v.Done {
		t.Errorf("applied: %+v", v)
	}
}
