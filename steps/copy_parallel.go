package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/parallel"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
)

// parallel says whether Jobs of Gitover's copy this run's data.
func (r *Run) parallel() bool {
	m := r.Status.CopyMethod
	return m != nil && m.Method == v1alpha1.CopyParallel
}

// parallelCopy of the run's databases.
func (r *Run) parallelCopy(blue, green postgres.Server) parallel.Copy {
	return parallel.Copy{Jobs: r.Cluster, Blue: blue, Green: green, Databases: r.Status.Databases, Names: r.Names(), Run: r.Status.Run, Attempt: int(r.Status.Attempt)}
}

// pace that the spec gives a parallel copy.
func (r *Run) pace() (p tablecopy.Pace) {
	spec := r.Upgrade.Spec.Copy
	if spec.BytesPerSecond != nil {
		p.BytesPerSecond = spec.BytesPerSecond.Value()
	}
	if ptr.Deref(spec.Paused, false) {
		p.Paused = "spec.copy.paused is true"
	}
	return p
}

// copyingParallel is the verdict while Jobs copy databases; nil once each has subscribed. Databases that are copied subscribe at once, since that frees blue's
// WAL, whatever happens to the others.
func copyingParallel(ctx context.Context, run *Run, blue, green postgres.Server) (*Verdict, error) {
	c := run.parallelCopy(blue, green)
	all, err := c.Look(ctx)
	if err != nil {
		return nil, err
	}
	sum, err := c.Progress(ctx, all)
	if err != nil {
		return nil, err
	}
	showParallel(run, sum)
	room, err := roomToCopy(ctx, run, all)
	if err != nil {
		return nil, err
	}
	v := &Verdict{}
	if *v, err = copyNext(ctx, run, c, all, room.Pace); v.RunNeeded || err != nil {
		return v, err
	}
	if v.Reason != "" || sum.Trying != "" || sum.Failed != "" && failedLately(run) {
		if err := roomOn(ctx, run, green); err != nil {
			return nil, err
		}
	}
	if v.Reason != "" {
		return v, nil
	}
	if !slices.ContainsFunc(all, func(d parallel.Database) bool { return !d.Subscribed }) {
		return nil, nil
	}
	for _, d := range all {
		run.showRetained(d.Slot.RetainedBytes)
		// below zero with "unreserved": the next checkpoint drops it
		if safe := d.Slot.SafeWALBytes; d.Slot.WALStatus == "unreserved" || safe >= 0 && d.Slot.Exists && safe < d.Slot.RetainedBytes/retainedRisk {
			return ptr.To(waiting(v1alpha1.ReasonRetainedWAL, "%s writes another %s, and it drops WAL that the copy of database %q needs (max_slot_wal_keep_size), which then begins again: raise that setting, or spec.copy's workers or bytesPerSecond; %s",
				blue.Instance, postgres.HumanBytes(max(safe, 0)), d.Name, progressText(run.Status.Copy))), nil
		}
		if full := retained(run, blue.Instance, green.Instance, d.Name, d.Slot, "revert the version"); full != nil {
			full.Message += "; " + progressText(run.Status.Copy)
			return full, nil
		}
	}
	return ptr.To(copyGoesOn(run, sum, room)), nil
}

// roomToCopy is the pace that the spec and the volumes of both sides allow. Volumes count only if the finding of small_volume isn't acknowledged.
func roomToCopy(ctx context.Context, run *Run, all []parallel.Database) (parallel.Room, error) {
	if slices.Contains(run.Upgrade.Spec.Acknowledge, preflight.SmallVolume) {
		return parallel.Room{Pace: run.pace()}, nil
	}
	blue, err := run.Cluster.Workload(ctx, run.Status.From)
	if err != nil {
		return parallel.Room{}, err
	}
	green, err := run.Cluster.Workload(ctx, run.Status.To)
	if err != nil {
		return parallel.Room{}, err
	}
	return parallel.RoomFor(run.pace(), all, blue.Volumes, green.Volumes), nil
}

// retainedRisk: a slot is at risk once a tenth of what it keeps, or less, may still be written.
const retainedRisk = 10

// copyNext is what to do next for databases; neither act nor reason: only to wait.
func copyNext(ctx context.Context, run *Run, c parallel.Copy, all []parallel.Database, pace tablecopy.Pace) (Verdict, error) {
	if earlier, err := c.Earlier(ctx); earlier != "" || err != nil {
		v := act("ending an earlier attempt")
		v.Effect = func(ctx context.Context, run *Run) error { return run.Cluster.DeleteJob(ctx, earlier) }
		return v, err
	}
	running := 0
	for _, d := range all {
		if d.Running() {
			running++
		}
	}
	for _, d := range all {
		v := act("database %q is copied: it subscribes", d.Name)
		switch {
		case d.Copied():
			v.Effect = func(ctx context.Context, _ *Run) error { return c.Follow(ctx, d.Name) }
			return orDrifted(ctx, run, c, d.Name, v)
		case d.Subscribed || d.Found && d.Job.Failed:
		case d.Running() && d.Recorded && d.Record.Pace != pace:
			v.Message = "giving the copy its pace"
			v.Effect = func(ctx context.Context, _ *Run) error { return tablecopy.SetPace(ctx, c.Green, d.Name, pace) }
			return v, nil
		case d.Found && d.Job.Succeeded: // green has lost what the Job did
			v.Message = fmt.Sprintf("copying database %q again", d.Name)
			v.Effect = func(ctx context.Context, run *Run) error { return run.Cluster.DeleteJob(ctx, c.JobName(d.Name)) }
			return v, nil
		case !d.Found && running < parallel.AtOnce:
			v.Message = fmt.Sprintf("copying database %q", d.Name)
			v.Effect = func(ctx context.Context, run *Run) error { return beginParallel(ctx, run, c, d.Name) }
			return orDrifted(ctx, run, c, d.Name, v)
		}
	}
	for _, d := range all {
		if d.Found && d.Job.Failed && !d.Subscribed && !d.Copied() {
			return orDrifted(ctx, run, c, d.Name, waiting(v1alpha1.ReasonJobFailed,
				"the copy of database %q failed: %s. What is copied stays: fix the cause and change spec.retry, then it continues", d.Name, d.Job.Message))
		}
	}
	return Verdict{}, nil
}

// orDrifted is v unless tables of a database differ, at which its copy or its subscription fails.
func orDrifted(ctx context.Context, run *Run, c parallel.Copy, db string, v Verdict) (Verdict, error) {
	drift, err := drifted(ctx, run, c.Blue, c.Green, db, "", schema.Tables)
	return ptr.Deref(drift, v), err
}

// beginParallel copies a database: its slot first, unless that is there.
func beginParallel(ctx context.Context, run *Run, c parallel.Copy, db string) error {
	image, err := run.Cluster.OwnImage(ctx)
	if err != nil {
		return err
	}
	if err := c.Renew(ctx, db); err != nil {
		return err
	}
	return c.CreateJob(ctx, copy.TablesJob(copy.TablesRequest{
		Namespace: run.Upgrade.Namespace, Owner: run.owner(), Labels: run.labels(), Name: c.JobName(db), Database: db,
		Blue: run.side(c.Blue), Green: run.side(c.Green), Slot: c.Names.Slot(db, c.Green.Instance), Publication: c.Names.Publication(),
		Workers: int(ptr.Deref(run.Upgrade.Spec.Copy.Workers, 4)), BytesPerSecond: run.pace().BytesPerSecond,
		CommitLatency: ptr.Deref(run.Upgrade.Spec.Copy.CommitLatency, metav1.Duration{}).Duration, Image: image,
	}))
}

// severed are databases whose replication can't continue after a failover, and those whose parallel copy is to begin again, each once
// after a failover. A database that is being copied has no subscription yet, and needs its slot only.
func (r recovery) severed(ctx context.Context, publisher, subscriber postgres.Server) (lost, begin []string, err error) {
	run := r.run
	if r.served || !run.parallel() || run.Status.Step != CopyData {
		lost, err = replication.Severed(ctx, publisher, subscriber, run.Names(), run.Status.Databases)
		return lost, nil, err
	}
	lost, begin, err = replication.WithoutSlot(ctx, publisher, subscriber, run.Names(), run.Status.Databases)
	f := ptr.Deref(run.Status.Failover, v1alpha1.FailoverStatus{})
	begin = slices.DeleteFunc(begin, func(db string) bool { return slices.Contains(f.Copied, db) || slices.Contains(f.CopyAgain, db) })
	return lost, begin, err
}

// restores what a failover has severed: no Job may write to a database that is copied again.
func (r recovery) restores(ctx context.Context, lost, begin []string) (*Verdict, error) {
	run := r.run
	if run.parallel() && (r.served || run.Status.Step == CopyData) {
		c := run.parallelCopy(postgres.Server{}, postgres.Server{})
		c.Databases = slices.Concat(lost, begin)
		left, err := c.Left(ctx)
		if err != nil {
			return nil, err
		}
		if len(left) > 0 {
			v := act("%s. Jobs of the copy end: %s", run.Status.Failover.Message, some(left))
			v.Reason = v1alpha1.ReasonPrimaryReplaced
			v.Effect = func(ctx context.Context, _ *Run) error { return c.End(ctx) }
			return &v, nil
		}
	}
	if len(begin) == 0 {
		return r.copiesAgain(lost), nil
	}
	v := slowly("%s. The copy of %s begins again, since its slot is gone (databases: %s); %s serves", run.Status.Failover.Message, r.follows, some(begin), r.serves)
	v.Reason = v1alpha1.ReasonPrimaryReplaced // an event
	v.Effect = func(ctx context.Context, run *Run) error { return beginAgain(ctx, run, begin) }
	return &v, nil
}

// beginAgain prepares databases for another copy by Jobs, which CopyData makes then.
func beginAgain(ctx context.Context, run *Run, databases []string) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	c := run.parallelCopy(blue, green)
	for i, db := range databases {
		if err := c.Forget(ctx, db); err != nil {
			return err
		}
		all := databases[:i+1]
		run.Note(func(s *v1alpha1.PgUpgradeStatus) { failover.NoteCopied(s.Failover, all) })
	}
	return nil
}

// showParallel fills status.copy with what the Jobs say.
func showParallel(run *Run, s parallel.Sum) {
	old := ptr.Deref(run.Status.Copy, v1alpha1.CopyStatus{})
	c := &v1alpha1.CopyStatus{
		TablesTotal: int32(s.Tables), TablesCopied: int32(s.TablesCopied), BytesTotal: s.Bytes, BytesCopied: s.BytesCopied, BytesPerSecond: s.BytesPerSecond,
		IndexesTotal: max(int32(s.Indexes), old.IndexesTotal), Failures: int64(s.Failures), FailedAt: old.FailedAt,
	}
	// a Job counts only what is left
	c.IndexesBuilt = c.IndexesTotal - int32(s.Indexes-s.IndexesBuilt)
	if c.Failures > old.Failures {
		c.FailedAt = ptr.To(timestamp(run.Now()))
	}
	if s.Work > 0 {
		c.Percent = fmt.Sprintf("%d%%", s.WorkDone*100/s.Work)
	}
	if s.Left > 0 && run.pace().Paused == "" {
		c.ETA = ptr.To(timestamp(run.Now().Add(s.Left)))
	}
	run.Status.Copy = c
}

// copyGoesOn while Jobs are at work.
func copyGoesOn(run *Run, s parallel.Sum, room parallel.Room) Verdict {
	text := progressText(run.Status.Copy)
	blue := room.Blue.Fills(run.Status.RetainedBytes, run.Now().Sub(startedAt(run.Status, CopyData)).Seconds(), s.Left.Seconds())
	switch {
	case room.NoRoom():
		return waiting(v1alpha1.ReasonDiskLow, "%s; the copy waits: %s has %s. Enlarge it, and the copy goes on; %s keeps its WAL meanwhile", text, run.Status.To, room.Green, run.Status.From)
	case run.pace().Paused != "":
		return waiting(v1alpha1.ReasonCopyPaused, "%s; paused: %s. %s keeps its WAL meanwhile", text, run.pace().Paused, run.Status.From)
	case s.Failed != "" && failedLately(run):
		return waiting(v1alpha1.ReasonCopyInterrupted, "%s; %s", text, s.Failed)
	case s.Trying != "" || s.Trouble != "" || s.Silent != "":
		return waiting(v1alpha1.ReasonCopyInterrupted, "%s; %s", text, cmp.Or(s.Trying, s.Trouble, s.Silent))
	}
	switch {
	case room.TooSmall != "":
		return waiting(v1alpha1.ReasonDiskLow, "%s; %s has %s: enlarge it before the copy has to wait%s", text, run.Status.To, room.TooSmall, room.Slowed())
	case blue != "":
		return waiting(v1alpha1.ReasonDiskLow, "%s; %s has %s, before the copy ends: enlarge it, raise spec.copy's workers or bytesPerSecond, or revert the version, which frees the WAL", text, run.Status.From, blue)
	}
	text += room.Slowed()
	if s.Slowed != "" {
		text += "; " + s.Slowed
	}
	v := waiting(CopyData, "%s", text)
	v.RequeueAfter = 2 * time.Second
	return v
}
