package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/gate"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/rehearsal"
)

// readyToCutOver: the lag is small, replication works, and what was compared is still what is there.
func readyToCutOver(ctx context.Context, run *Run) (Verdict, error) {
	caughtUp, err := catchUpDone(ctx, run)
	if err != nil || !caughtUp.Done {
		return caughtUp, err
	}
	if f := run.Status.Failover; f != nil {
		return Verdict{ReturnTo: Verify, Message: f.Message + "; rows are compared again, since it may lack some"}, nil
	}
	if run.Status.Verification == nil {
		return Verdict{ReturnTo: Verify, Message: "DDL was run on " + run.Status.To + ", so rows are compared again"}, nil
	}
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if why, err := run.replaced(ctx, blue, green); err != nil {
		return Verdict{}, err
	} else if why != "" {
		v := waiting(v1alpha1.ReasonReplicationBroken, "%s; rows are compared again, since it may lack some", why)
		v.ReturnTo = Verify
		return v, nil
	}
	return caughtUp, nil
}

// approveDone: the gate is open, automatically or by a commit, and the time is inside a
// window; meanwhile the lag must stay small and replication must work.
func approveDone(ctx context.Context, run *Run) (Verdict, error) {
	if ready, err := readyToCutOver(ctx, run); err != nil || !ready.Done {
		return ready, err
	}
	if movesSubscriptions(run.Upgrade) { // people must know it before they approve
		blue, green, err := run.both(ctx)
		if err != nil {
			return Verdict{}, err
		}
		obstacles, err := replication.TryMove(ctx, blue, green, run.Status.Databases)
		if err != nil {
			return Verdict{}, err
		}
		if len(obstacles) > 0 {
			return gateClosed(Approve, "%s", some(obstacles)), nil
		}
	}
	spec := run.Upgrade.Spec.Cutover
	plan, err := planOf(ctx, run)
	if err != nil {
		return Verdict{}, err
	}
	run.Status.Plan = plan
	if rehearses(run) {
		return done("ready to cut over"), nil
	}
	if closed := manualGate(run, *plan); closed != nil {
		run.Status.ApprovedBy = nil
		return *closed, nil
	}
	if spec.Approval == manual && run.Status.ApprovedBy == nil {
		if run.Status.ApprovedBy, err = run.Git.ApprovedBy(ctx); err != nil {
			return Verdict{}, err
		}
	}
	if closed, err := byTheClock(ctx, run, spec.Windows); closed != nil || err != nil {
		if closed != nil && closed.Reason != v1alpha1.ReasonClockSkew {
			closed.Message = "ready to cut over; " + closed.Message
		}
		return ptr.Deref(closed, Verdict{}), err
	}
	return done("approved %s", approval(run)), nil
}

func rehearses(run *Run) bool { return run.Upgrade.Spec.Mode == v1alpha1.ModeRehearse }

// rehearsed ends a rehearsal once everything is ready to cut over, and the hooks have run. What people cut over themselves isn't one.
func rehearsed(step Step) Step {
	look := step.Done
	step.Done = func(ctx context.Context, run *Run) (Verdict, error) {
		v, err := look(ctx, run)
		if err != nil || !v.Done || !rehearses(run) {
			return v, err
		}
		version := VersionOf(run.Upgrade.Name, run.Upgrade.Spec.Adopt, run.Status.To)
		return Verdict{Leave: Abort, Reason: v1alpha1.ReasonRehearsed, Rehearsal: rehearsal.Of(run.Status, version, run.Now()),
			Message: fmt.Sprintf("the rehearsal of %s passed: everything was ready to cut over; %s is removed again", version, run.Status.To)}, nil
	}
	return step
}

// manual is the approval that people give by a commit.
const manual = "Manual"

// planOf the cutover is what people would want to look at again if it changed: the instances, their images, the databases,
// what they accepted, and what the preflight warned of.
func planOf(ctx context.Context, run *Run) (*v1alpha1.PlanStatus, error) {
	status, spec := run.Status, run.Upgrade.Spec
	items := []string{fmt.Sprintf("traffic moves from %s to %s, which is PostgreSQL %s", status.From, status.To, VersionOf(run.Upgrade.Name, spec.Adopt, status.To))}
	for _, instance := range []string{status.From, status.To} {
		w, err := run.Cluster.Workload(ctx, instance)
		if err != nil {
			return nil, err
		}
		if w.Image != "" {
			items = append(items, fmt.Sprintf("the image of %s is %s", instance, w.Image))
		}
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"databases", status.Databases}, {"acknowledged", spec.Acknowledge}} {
		if len(list.names) > 0 {
			items = append(items, list.what+": "+strings.Join(slices.Sorted(slices.Values(list.names)), ", "))
		}
	}
	items = append(items, findingsOf(status)...)
	later, err := hookItems(ctx, run)
	if err != nil {
		return nil, err
	}
	items = append(items, later...)
	sum := sha256.Sum256([]byte(strings.Join(items, "\n")))
	for i, item := range items {
		items[i] = fmt.Sprintf("%.300s", item)
	}
	return &v1alpha1.PlanStatus{Digest: hex.EncodeToString(sum[:]), Items: items}, nil
}

// findingsOf the preflight that people should know before they approve. Their reasons have figures that change with
// the data, so they aren't part of what is approved.
func findingsOf(status *v1alpha1.PgUpgradeStatus) []string {
	var items []string
	for _, f := range status.Findings {
		if f.Severity != severity(preflight.Info) {
			items = append(items, "finding "+strings.Join(slices.DeleteFunc([]string{f.Name, f.Database, f.Object},
				func(part string) bool { return part == "" }), "/"))
		}
	}
	slices.Sort(items)
	return slices.Compact(items)
}

// manualGate says why people's approval is missing; nil if it isn't.
func manualGate(run *Run, plan v1alpha1.PlanStatus) *Verdict {
	spec := run.Upgrade.Spec.Cutover
	version := VersionOf(run.Upgrade.Name, run.Upgrade.Spec.Adopt, run.Status.To)
	var closed Verdict
	switch {
	case spec.Approval != manual:
		return nil
	case spec.ApprovedVersion != version:
		closed = gateClosed(v1alpha1.ReasonWaitingForApproval, "ready to cut over; commit spec.cutover.approvedVersion: %q to continue, and approvedPlan: %q with it if nothing else than status.plan is approved",
			version, short(plan.Digest))
	case !strings.HasPrefix(plan.Digest, spec.ApprovedPlan):
		closed = gateClosed(v1alpha1.ReasonWaitingForApproval, "what would be done isn't what spec.cutover.approvedPlan %s approves: %s. Commit approvedPlan: %q to approve this",
			spec.ApprovedPlan, strings.Join(plan.Items, "; "), short(plan.Digest))
	default:
		return nil
	}
	return &closed
}

// stillApproved returns to the gate if the plan changed after people approved it, or the time of the cutover is over.
func stillApproved(ctx context.Context, run *Run) (*Verdict, error) {
	if rehearses(run) {
		return &Verdict{ReturnTo: Approve, Message: "spec.mode is Rehearse"}, nil
	}
	if closed, err := byTheClock(ctx, run, run.Upgrade.Spec.Cutover.Windows); closed != nil || err != nil {
		return &Verdict{ReturnTo: Approve, Message: "the gate closed before the cutover was committed"}, err
	}
	if spec := run.Upgrade.Spec.Cutover; spec.Approval != manual || spec.ApprovedPlan == "" {
		return nil, nil
	}
	plan, err := planOf(ctx, run)
	if err != nil || manualGate(run, *plan) == nil {
		return nil, err
	}
	return &Verdict{ReturnTo: Approve, Message: "the plan isn't the one that was approved any more"}, nil
}

// gateClosed looks less often: people and windows take longer than servers, and a change of
// the spec triggers a look anyway.
func gateClosed(reason, message string, args ...any) Verdict {
	v := waiting(reason, message, args...)
	v.RequeueAfter = 5 * time.Second
	return v
}

// byTheClock says what keeps a gate closed at this time: a freeze, or no window of those given. Nil if nothing does. A gate that opens
// by time alone stays closed while clocks differ.
func byTheClock(ctx context.Context, run *Run, windows []v1alpha1.Window) (*Verdict, error) {
	spec, now := run.Upgrade.Spec, run.Now()
	var closed Verdict
	switch frozen, problems := gate.Frozen(spec.Freezes, now), gate.Problems(spec); {
	case len(problems) > 0:
		closed = gateClosed(v1alpha1.ReasonInvalidSpec, "%s: %s", problems[0].Field, problems[0].Why)
	case frozen != nil:
		closed = gateClosed(v1alpha1.ReasonFrozen, "%s", frozen)
	case !gate.InWindow(windows, now):
		opens := ""
		if next := gate.NextOpening(windows, now); !next.IsZero() {
			opens = ", which opens at " + next.UTC().Format("2006-01-02 15:04 UTC")
		}
		closed = gateClosed(v1alpha1.ReasonOutsideWindow, "waiting for a window (%s)%s", gate.Text(windows), opens)
	case len(windows)+len(spec.Freezes) > 0:
		return clockSkew(ctx, run)
	default:
		return nil, nil
	}
	return &closed, nil
}

// clockTolerance is how far the controller's clock and the serving server's may be apart.
const clockTolerance = time.Minute

// clockSkew keeps a gate closed that opens by time alone, a window or the end of a soak, while
// the controller's clock differs from the serving server's: a wrong clock must not end a soak,
// which can't be undone. Nil when they agree.
func clockSkew(ctx context.Context, run *Run) (*Verdict, error) {
	server, err := run.Server(ctx, run.active())
	if err != nil {
		return nil, err
	}
	there, err := postgres.Clock(ctx, server)
	if err != nil {
		return nil, err
	}
	ahead := run.Now().Sub(there)
	if ahead.Abs() <= clockTolerance {
		return nil, nil
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	v := waiting(v1alpha1.ReasonClockSkew, "the controller's clock is %s %s that of %s; correct the wrong one (NTP) on its node. Steps that depend on the time wait until they agree within %s",
		ahead.Abs().Round(time.Second), direction, server.Instance, clockTolerance)
	v.RequeueAfter = slowLook
	return &v, nil
}
