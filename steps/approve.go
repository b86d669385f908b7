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
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// readyToCutOver: the lag is small, replication works, and what was compared is still what is there.
func readyToCutOver(ctx context.Context, run *Run) (Verdict, error) {
	caughtUp, err := catchUpDone(ctx, run)
	if err != nil || !caughtUp.Done {
		return caughtUp, err
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
	if closed := manualGate(run, *plan); closed != nil {
		run.Status.ApprovedBy = nil
		return *closed, nil
	}
	if spec.Approval == manual && run.Status.ApprovedBy == nil {
		if run.Status.ApprovedBy, err = run.Git.ApprovedBy(ctx); err != nil {
			return Verdict{}, err
		}
	}
	if !inWindow(spec.Windows, run.Now()) {
		return gateClosed(v1alpha1.ReasonOutsideWindow, "ready to cut over; waiting for a window (%s, UTC)", windowText(spec.Windows)), nil
	}
	if len(spec.Windows) > 0 {
		if skew, err := clockSkew(ctx, run); skew != nil || err != nil {
			return ptr.Deref(skew, Verdict{}), err
		}
	}
	return done("approved %s", approval(run)), nil
}

// manual is the approval that people give by a commit.
const manual = "Manual"

// planOf the cutover is what people would want to look at again if it changed: the instances, their images, the databases, and
// what they accepted.
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
	sum := sha256.Sum256([]byte(strings.Join(items, "\n")))
	for i, item := range items {
		items[i] = fmt.Sprintf("%.300s", item)
	}
	return &v1alpha1.PlanStatus{Digest: hex.EncodeToString(sum[:]), Items: items}, nil
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

// stillApproved returns to the gate if the plan changed after people approved it.
func stillApproved(ctx context.Context, run *Run) (*Verdict, error) {
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

// inWindow says whether t, in UTC, lies in one of the windows; always when there's none.
func inWindow(windows []v1alpha1.Window, t time.Time) bool {
	if len(windows) == 0 {
		return true
	}
	t = t.UTC()
	minute := t.Hour()*60 + t.Minute()
	for _, w := range windows {
		start, end := minutes(w.Start), minutes(w.End)
		switch {
		case start < end:
			if minute >= start && minute < end && onDay(w.Days, t.Weekday()) {
				return true
			}
		default: // crosses midnight: the evening of a day, or the morning after one
			if minute >= start && onDay(w.Days, t.Weekday()) {
				return true
			}
			if minute < end && onDay(w.Days, t.AddDate(0, 0, -1).Weekday()) {
				return true
			}
		}
	}
	return false
}

func onDay(days []v1alpha1.Weekday, day time.Weekday) bool {
	if len(days) == 0 {
		return true
	}
	for _, d := range days {
		if string(d) == day.String()[:3] {
			return true
		}
	}
	return false
}

// minutes since midnight of an HH:MM that the API server has validated.
func minutes(hhmm string) int {
	t, err := time.Parse("15:04", hhmm)
	if err != nil {
		return 0
	}
	return t.Hour()*60 + t.Minute()
}

func windowText(windows []v1alpha1.Window) string {
	texts := make([]string, 0, len(windows))
	for _, w := range windows {
		days := make([]string, 0, len(w.Days))
		for _, d := range w.Days {
			days = append(days, string(d))
		}
		texts = append(texts, strings.TrimSpace(fmt.Sprintf("%s %s–%s", strings.Join(days, ","), w.Start, w.End)))
	}
	return strings.Join(texts, "; ")
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
