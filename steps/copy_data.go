package steps

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// copyDataDone: every table of every database is copied. PostgreSQL's own table
// synchronization does the work: parallel, and resumed table by table. A database with a table
// that can't be resumed is copied again.
func copyDataDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if run.parallel() {
		if v, err := copyingParallel(ctx, run, blue, green); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
	}
	var sum replication.Progress
	var failures int64
	var failed []string
	subscribed, running := true, true
	for _, db := range run.Status.Databases {
		state, err := replication.SubscriptionState(ctx, green, db, run.Names().Subscription(db, run.Status.To))
		if err != nil {
			return Verdict{}, err
		}
		if !state.Exists {
			subscribed = false
			continue
		}
		orphaned, err := replication.OrphanedTableSyncs(ctx, blue, green, db, run.Names())
		if err != nil {
			return Verdict{}, err
		}
		if len(orphaned) > 0 {
			return Verdict{RunNeeded: true, Reason: v1alpha1.ReasonReplicationBroken, Message: orphanedText(run, db, orphaned)}, nil
		}
		tables, err := replication.FailedCopies(ctx, green, db, run.Names())
		if err != nil {
			return Verdict{}, err
		}
		failed = append(failed, tables...)
		p, err := replication.CopyProgress(ctx, blue, green, db, run.Names())
		if err != nil {
			return Verdict{}, err
		}
		running = running && state.Running
		failures += state.Failures()
		sum.TablesTotal += p.TablesTotal
		sum.TablesCopied += p.TablesCopied
		sum.BytesTotal += p.BytesTotal
		sum.BytesCopied += p.BytesCopied
	}
	if !subscribed {
		return act("subscribing"), nil
	}
	showProgress(run, sum)
	showFailures(run, failures)
	if sum.TablesCopied < sum.TablesTotal {
		if v, err := brokenReplication(ctx, run, blue, green); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		if v, err := unreplicatedTables(ctx, run, blue, green); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		if len(failed) > 0 || failures > 0 && (!running || failedLately(run)) {
			if err := roomOn(ctx, run, green); err != nil {
				return Verdict{}, err
			}
			return waiting(v1alpha1.ReasonReplicationBroken, "%s; %s", progressText(run.Status.Copy), failuresText(run, failed)), nil
		}
		if v, err := stoppedWorker(ctx, run, blue, green); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		if v, err := lowDisk(ctx, run, blue, &green, CopyData); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		return waiting(CopyData, "%s", progressText(run.Status.Copy)), nil
	}
	// tables that were created since, and what the copy needed
	if v, err := unreplicatedTables(ctx, run, blue, green); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	return done("%d tables, %s", sum.TablesTotal, postgres.HumanBytes(sum.BytesTotal)), nil
}

func copyDataRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	err = eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		orphaned, err := replication.OrphanedTableSyncs(ctx, blue, green, db, run.Names())
		if err == nil && len(orphaned) > 0 {
			err = replication.DropCopy(ctx, blue, green, db, run.Names())
		}
		if err != nil {
			return err
		}
		if run.physical() {
			if again, err := followSeed(ctx, run, db); err != nil || !again {
				return err
			}
		}
		return replication.CreateSubscription(ctx, green, replication.SubscribeOptions{
			Publisher: blue, Database: db, Names: run.Names(), CopyData: true,
		})
	})
	if err != nil {
		return err
	}
	return followRun(ctx, run)
}

// orphanedText says why a database is copied again.
func orphanedText(run *Run, db string, tables []string) string {
	return fmt.Sprintf("database %q is copied again: %s crashed at the moment it had finished %s; nothing is lost, and %s still serves",
		db, run.Status.To, some(tables), run.Status.From)
}

// failureShown is how long a failure of the copy is reported, if no other follows: longer than
// PostgreSQL waits before it tries again.
const failureShown = 30 * time.Second

// showFailures keeps the count of failures in the status, and when it last rose.
func showFailures(run *Run, failures int64) {
	if run.Status.Copy == nil {
		run.Status.Copy = &v1alpha1.CopyStatus{}
	}
	c := run.Status.Copy
	if failures > c.Failures {
		now := timestamp(run.Now())
		c.FailedAt = &now
	}
	c.Failures = failures // a crash of the server sets it to zero
}

// failuresText must follow showFailures. failed are tables whose copy failed; below 15 nothing else reports
// that.
func failuresText(run *Run, failed []string) string {
	c := run.Status.Copy
	text := fmt.Sprintf("replication failed %d times and is tried again", c.Failures)
	switch {
	case len(failed) > 0 && c.Failures == 0:
		return fmt.Sprintf("copying %s failed and is tried again: PostgreSQL's log on %s says why", some(failed), run.Status.To)
	case len(failed) > 0:
		text += ", at " + some(failed)
	}
	return fmt.Sprintf("%s: PostgreSQL's log on %s says why; can it reach %s?", text, run.Status.To, run.Status.From)
}

func failedLately(run *Run) bool {
	at := run.Status.Copy.FailedAt
	return at != nil && run.Now().Sub(at.Time).Abs() < failureShown
}

// roomOn names a full disk, which the count of failures doesn't show.
func roomOn(ctx context.Context, run *Run, green postgres.Server) error {
	for _, db := range run.Status.Databases {
		if err := preflight.CheckDiskSpace(ctx, green, db); postgres.DiskFull(err) {
			return err
		}
	}
	return nil
}

// showProgress fills status.copy; the rate is over the whole copy, which is steadier
// than the last second's.
func showProgress(run *Run, p replication.Progress) {
	c := &v1alpha1.CopyStatus{
		TablesTotal: int32(p.TablesTotal), TablesCopied: int32(p.TablesCopied),
		BytesTotal: p.BytesTotal, BytesCopied: min(p.BytesCopied, p.BytesTotal),
	}
	if p.TablesCopied == p.TablesTotal {
		c.BytesCopied = c.BytesTotal
	}
	showCopied(run, CopyData, c)
	if p.TablesCopied == p.TablesTotal {
		run.Status.Copy.Percent = "100%"
	}
}

// showCopied fills status.copy with the bytes that a step has copied, and with what follows from them.
func showCopied(run *Run, step string, c *v1alpha1.CopyStatus) {
	if old := run.Status.Copy; old != nil {
		c.Failures, c.FailedAt = old.Failures, old.FailedAt
		if c.IndexesTotal == 0 {
			c.IndexesTotal, c.IndexesBuilt = old.IndexesTotal, old.IndexesTotal
		}
	}
	if c.BytesTotal > 0 {
		c.Percent = fmt.Sprintf("%d%%", c.BytesCopied*100/c.BytesTotal)
	}
	if began := startedAt(run.Status, step); !began.IsZero() {
		if seconds := run.Now().Sub(began).Seconds(); seconds > 0 {
			c.BytesPerSecond = int64(float64(c.BytesCopied) / seconds)
		}
	}
	if c.BytesPerSecond > 0 && c.BytesCopied < c.BytesTotal {
		eta := timestamp(run.Now().Add(time.Duration((c.BytesTotal - c.BytesCopied) / c.BytesPerSecond * int64(time.Second))))
		c.ETA = &eta
	}
	run.Status.Copy = c
}

// lowDisk says, of a copy that Gitover doesn't pace, that what is to come doesn't fit on green's volume (nil: the copy sees that itself), or that blue's WAL
// fills blue's before step has ended. Nil if neither, or if it isn't known.
func lowDisk(ctx context.Context, run *Run, blue postgres.Server, green *postgres.Server, step string) (*Verdict, error) {
	c := run.Status.Copy
	if c == nil || slices.Contains(run.Upgrade.Spec.Acknowledge, preflight.SmallVolume) {
		return nil, nil
	}
	left := 0.0
	if c.ETA != nil {
		left = c.ETA.Sub(run.Now()).Seconds()
	}
	here, kept, err := roomsOf(ctx, run, blue)
	if err != nil {
		return nil, err
	}
	if why := here.WAL.Fills(run.retained, run.Now().Sub(startedAt(run.Status, step)).Seconds(), left); why != "" {
		return ptr.To(waiting(v1alpha1.ReasonDiskLow, "%s; %s has %s, before the copy ends: enlarge it, or revert the version, which frees the WAL", progressText(c), blue.Instance, why)), nil
	}
	if green == nil {
		return nil, nil
	}
	there, copied, err := roomsOf(ctx, run, *green)
	if err != nil {
		return nil, err
	}
	if why := there.TooSmall(kept.Data - copied.Data); why != "" {
		return ptr.To(waiting(v1alpha1.ReasonDiskLow, "%s; %s has %s: enlarge it before it is full", progressText(c), green.Instance, why)), nil
	}
	return nil, nil
}

func roomsOf(ctx context.Context, run *Run, s postgres.Server) (disk.Rooms, disk.Used, error) {
	w, err := run.Cluster.Workload(ctx, s.Instance)
	if err != nil || len(w.Volumes) == 0 {
		return disk.Rooms{}, disk.Used{}, err
	}
	used, err := disk.UsedBy(ctx, s)
	return disk.RoomsOf(w.Volumes, used), used, err
}

func progressText(c *v1alpha1.CopyStatus) string {
	text := fmt.Sprintf("%s of %s, %d of %d tables, %s/s", postgres.HumanBytes(c.BytesCopied), postgres.HumanBytes(c.BytesTotal),
		c.TablesCopied, c.TablesTotal, postgres.HumanBytes(c.BytesPerSecond))
	if c.IndexesTotal > 0 {
		text += fmt.Sprintf(", %d of %d indexes", c.IndexesBuilt, c.IndexesTotal)
	}
	if c.ETA != nil {
		text += ", done about " + c.ETA.UTC().Format("15:04:05") + " UTC"
	}
	return text
}
