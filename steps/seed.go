package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/steps/seed"
)

// seedDone: green's volume holds a physical copy of blue that is upgraded, and blue's slots, which are older, have all that came
// later. Nothing to do for a logical copy.
func seedDone(ctx context.Context, run *Run) (Verdict, error) {
	if !run.physical() {
		return logicalCopy(ctx, run)
	}
	earlier, err := run.earlierSeed(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if earlier != "" {
		v := act("ending an earlier attempt")
		v.Effect = func(ctx context.Context, run *Run) error { return run.Cluster.DeleteJob(ctx, earlier) }
		return v, nil
	}
	job, found, err := run.Cluster.Job(ctx, run.seedJobName())
	if err != nil {
		return Verdict{}, err
	}
	if v, err := seedAgain(ctx, run, found, job.Succeeded); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	if found && job.Failed {
		return seedFailed(run, v1alpha1.ReasonJobFailed, "the Job of the physical copy failed: "+job.Message), nil
	}
	if v, err := seedSlots(ctx, run, found); v != nil || err != nil {
		return *v, err
	}
	switch {
	case !found:
		v := act("copying the data directory of %s", run.Status.From)
		v.Effect = seedRun
		return v, nil
	case job.Succeeded:
		return done("the data directory of %s is copied and upgraded", run.Status.From), nil
	}
	return seedProgress(ctx, run, job.Message)
}

// physical says whether this run's data is copied physically.
func (r *Run) physical() bool {
	m := r.Status.CopyMethod
	return m != nil && m.Method == v1alpha1.CopyPhysical
}

func (r *Run) seedJobName() string {
	return seed.JobName(string(r.Upgrade.UID), r.Status.Run, int(r.Status.Attempt))
}

// earlierSeed is the Job of an earlier attempt that still runs: two must not write to one volume.
func (r *Run) earlierSeed(ctx context.Context) (string, error) {
	for attempt := range int(r.Status.Attempt) {
		name := seed.JobName(string(r.Upgrade.UID), r.Status.Run, attempt)
		job, found, err := r.Cluster.Job(ctx, name)
		if err != nil || found && !job.Failed && !job.Succeeded {
			return name, err
		}
	}
	return "", nil
}

// logicalCopy: what a physical one left is gone before green is made.
func logicalCopy(ctx context.Context, run *Run) (Verdict, error) {
	m := run.Status.CopyMethod
	if m == nil {
		return done("the data is copied logically"), nil
	}
	if m.Failed {
		gone, left, err := run.Cluster.Gone(ctx, run.Status.To)
		if err != nil || !gone {
			return waiting(Seed, "waiting until %s is gone", left), err
		}
	}
	return done("the data is copied logically: %s", m.Reason), nil
}

// seedFailed ends the physical copy: with spec.copy.method Auto the logical one follows, otherwise people decide.
func seedFailed(run *Run, reason, why string) Verdict {
	if run.Upgrade.Spec.Copy.Method != v1alpha1.CopyAuto {
		return waiting(reason, "%s. Fix the cause and change spec.retry, or set spec.copy.method: Logical and change spec.retry", why)
	}
	v := act("%s; the data is copied logically instead", why)
	v.Reason = reason // an event
	v.Effect = func(ctx context.Context, run *Run) error { return endSeed(ctx, run, why) }
	return v
}

// endSeed removes everything of a physical copy; its Job last, so that a controller that dies meanwhile does this again.
func endSeed(ctx context.Context, run *Run, why string) error {
	if err := unpublish(ctx, run); err != nil {
		return err
	}
	if err := run.Cluster.DeleteVolumes(ctx, run.Status.To); err != nil {
		return err
	}
	if err := run.Cluster.DeleteJob(ctx, run.seedJobName()); err != nil {
		return err
	}
	run.Status.Copy = nil
	run.Status.CopyMethod = &v1alpha1.CopyMethodStatus{Method: v1alpha1.CopyLogical, Reason: why, Failed: true}
	return nil
}

// seedSlots: every database is published and its slot made, before the copy begins. Nil if so.
func seedSlots(ctx context.Context, run *Run, began bool) (*Verdict, error) {
	none := &Verdict{}
	blue, err := run.blue(ctx)
	if err != nil {
		return none, err
	}
	missing := 0
	for _, db := range run.Status.Databases {
		slot, err := replication.SlotState(ctx, blue, run.Names().Slot(db, run.Status.To))
		switch {
		case err != nil:
			return none, err
		case slot.Lost || began && !slot.Exists:
			v := seedFailed(run, v1alpha1.ReasonSlotLost, fmt.Sprintf("%s lost the WAL that follows the physical copy (the slot of database %q)", run.Status.From, db))
			return &v, nil
		case !slot.Made:
			missing++
		}
		run.showRetained(slot.RetainedBytes)
		if v := retained(run, run.Status.From, run.Status.To, db, slot, "revert the version"); v != nil {
			return v, nil
		}
	}
	if missing == 0 {
		return nil, nil
	}
	v := slowly("%d of %d databases to publish", missing, len(run.Status.Databases))
	v.Effect = publishBeforeSeed
	return &v, nil
}

// publishBeforeSeed is what publishRun does, without green: green gets the marker tables and replica identities by the copy.
func publishBeforeSeed(ctx context.Context, run *Run) error {
	blue, err := run.blue(ctx)
	if err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		if err := replication.EnsureMarker(ctx, blue, db); err != nil {
			return err
		}
		if err := giveIdentitiesTo(ctx, run, blue, db); err != nil {
			return err
		}
		if err := replication.CreatePublication(ctx, blue, db, run.Names()); err != nil {
			return err
		}
		return replication.CreateSlot(ctx, blue, db, run.Names(), run.Status.To)
	})
}

// seedRun makes the claim that green's pod will use, and the Job that fills it.
func seedRun(ctx context.Context, run *Run) error {
	job, claim, err := seedJob(ctx, run)
	if err != nil {
		return err
	}
	if err := run.Cluster.CreateVolume(ctx, claim); err != nil {
		return err
	}
	return run.Cluster.CreateJob(ctx, job)
}

// seedProgress of the Job: of the backup, blue tells how far it is.
func seedProgress(ctx context.Context, run *Run, trouble string) (Verdict, error) {
	blue, err := run.blue(ctx)
	if err != nil {
		return Verdict{}, err
	}
	p, err := seed.BackupProgress(ctx, blue, run.Names().Prefix())
	if err != nil {
		return Verdict{}, err
	}
	if p.Total == 0 {
		v := waiting(Seed, "preparing or upgrading the copy of %s%s", run.Status.From, trouble)
		v.RequeueAfter = 2 * time.Second
		return v, nil
	}
	showCopied(run, Seed, &v1alpha1.CopyStatus{BytesTotal: max(p.Total, p.Copied), BytesCopied: p.Copied})
	if v, err := lowDisk(ctx, run, blue, nil, Seed); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	return waiting(Seed, "copied %s of %s of the data directory of %s, %s/s", postgres.HumanBytes(p.Copied), postgres.HumanBytes(p.Total), run.Status.From,
		postgres.HumanBytes(run.Status.Copy.BytesPerSecond)), nil
}

// claimSeeded claims a green that holds this run's physical copy: its databases are closed, and get their limits back later.
func claimSeeded(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	position, err := seed.Position(ctx, green, run.Status.Run)
	if err != nil {
		return err
	}
	if position == "" {
		return fmt.Errorf("%w: %s doesn't hold the physical copy of this upgrade; delete its volume, revert the version and ask for it again",
			fence.ErrNotFresh, run.Status.To)
	}
	databases, err := applicationDatabases(ctx, run, blue)
	if err != nil {
		return err
	}
	if err := run.Register(ctx, green); err != nil {
		return err
	}
	err = fence.ClaimSeeded(ctx, green, run.Status.Run, func(ctx context.Context) error {
		return transfer.CreateDatabases(ctx, blue, green, databases)
	})
	if err != nil {
		return err
	}
	return run.Cluster.DeleteJob(ctx, run.seedJobName())
}

// followSeed subscribes a database from its copy's position. A slot that was made later lacks changes: the tables are copied
// again then, by PostgreSQL.
func followSeed(ctx context.Context, run *Run, db string) (copyAll bool, err error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return false, err
	}
	position, err := seed.Position(ctx, green, run.Status.Run)
	if err != nil || position == "" {
		return err == nil, err
	}
	err = seed.Subscribe(ctx, blue, green, db, position, run.Names())
	if errors.Is(err, seed.ErrSlotAhead) {
		return true, nil
	}
	return false, err
}
