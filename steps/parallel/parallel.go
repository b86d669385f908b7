package parallel

import (
	"context"
	"errors"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
)

// AtOnce is how many databases are copied at a time.
const AtOnce = 2

// Jobs of the cluster, see steps.Cluster.
type Jobs interface {
	Job(ctx context.Context, name string) (state copy.JobState, found bool, err error)
	CreateJob(ctx context.Context, job *batchv1.Job) error
	DeleteJob(ctx context.Context, name string) error
}

// Copy of an upgrade's databases.
type Copy struct {
	Jobs
	Blue, Green postgres.Server
	Databases   []string
	Names       postgres.Names
	// Run and Attempt, from 1, of the upgrade.
	Run     string
	Attempt int
}

// Database is what is known of one.
type Database struct {
	Name string
	// Subscribed: replication follows, the copy is over.
	Subscribed bool
	// Record of the copy on green, if there is one (Recorded).
	Record   tablecopy.Record
	Recorded bool
	// Job of this attempt, if there is one (Found).
	Job   copy.JobState
	Found bool
	// Slot on blue.
	Slot replication.Slot
}

// Copied: rows and indexes are there, and wait for the subscription.
func (d Database) Copied() bool { return !d.Subscribed && d.Recorded && d.Record.Finished }

// Running: its Job is at work, or waits for its pod.
func (d Database) Running() bool {
	return !d.Subscribed && !d.Copied() && d.Found && !d.Job.Failed && !d.Job.Succeeded
}

// JobName of a database's Job in this attempt.
func (c Copy) JobName(database string) string { return c.jobName(database, c.Attempt) }

func (c Copy) jobName(database string, attempt int) string {
	return copy.TablesJobName(c.Names.UID, c.Run, database, attempt)
}

// Look at every database. Reads only.
func (c Copy) Look(ctx context.Context) (all []Database, err error) {
	for _, name := range c.Databases {
		d, err := c.look(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (c Copy) look(ctx context.Context, name string) (d Database, err error) {
	d.Name = name
	slot := c.Names.Slot(name, c.Green.Instance)
	state, err := replication.SubscriptionState(ctx, c.Green, name, slot)
	if d.Subscribed = state.Exists; err != nil || d.Subscribed {
		return d, err
	}
	if d.Record, d.Recorded, err = tablecopy.ReadRecord(ctx, c.Green, name); err != nil {
		return d, err
	}
	d.Recorded = d.Recorded && d.Record.Slot == slot
	if d.Slot, err = replication.SlotState(ctx, c.Blue, slot); err != nil {
		return d, err
	}
	d.Job, d.Found, err = c.Job(ctx, c.JobName(name))
	return d, err
}

// Earlier is a Job of an earlier attempt that hasn't ended; empty if none. Reads only.
func (c Copy) Earlier(ctx context.Context) (string, error) {
	for _, database := range c.Databases {
		for attempt := 1; attempt < c.Attempt; attempt++ {
			name := c.jobName(database, attempt)
			job, found, err := c.Job(ctx, name)
			if err != nil || found && !job.Failed && !job.Succeeded {
				return name, err
			}
		}
	}
	return "", nil
}

// Left are the names of all Jobs of the copy that are there. Reads only.
func (c Copy) Left(ctx context.Context) (names []string, err error) {
	for _, database := range c.Databases {
		for attempt := 1; attempt <= c.Attempt; attempt++ {
			name := c.jobName(database, attempt)
			_, found, err := c.Job(ctx, name)
			if err != nil {
				return names, err
			}
			if found {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// End deletes all Jobs of the copy; they are gone when Left is empty.
func (c Copy) End(ctx context.Context) error {
	names, err := c.Left(ctx)
	for _, name := range names {
		if err := c.DeleteJob(ctx, name); err != nil {
			return err
		}
	}
	return err
}

// Renew the slot of a database whose copy hasn't begun in this attempt: a lost one is dropped. The record of an earlier attempt doesn't suit it, so that
// the copy begins again from empty tables. Success if the slot is usable.
func (c Copy) Renew(ctx context.Context, database string) error {
	slot := c.Names.Slot(database, c.Green.Instance)
	state, err := replication.SlotState(ctx, c.Blue, slot)
	if err == nil && state.Lost {
		err = replication.DropSlot(ctx, c.Blue, slot)
	}
	if err != nil {
		return err
	}
	return replication.CreateSlot(ctx, c.Blue, database, c.Names, c.Green.Instance)
}

// Forget what is copied of a database, after blue's primary was replaced by one without the slot: positions in the WAL of the former one don't say
// what the other has. Its Jobs must have ended; it fails while one writes to green. The next Job begins with empty tables and another slot. A second
// call finishes what the first one began.
func (c Copy) Forget(ctx context.Context, database string) error {
	err := tablecopy.Cancel(ctx, tablecopy.Options{From: c.Blue, To: c.Green, FromDatabase: database, ToDatabase: database})
	if err != nil && !errors.Is(err, tablecopy.ErrNoCopy) {
		return err
	}
	return replication.PublishAgain(ctx, c.Blue, c.Green, database, c.Names)
}

// Follow has a database that is copied subscribe, each table from the position at which it was copied; success if it does already.
func (c Copy) Follow(ctx context.Context, database string) error {
	// indexes that are a replica identity came with the copy
	if err := replication.SameIdentities(ctx, c.Blue, c.Green, database, c.Names); err != nil {
		return err
	}
	return replication.CreateSubscription(ctx, c.Green, replication.SubscribeOptions{
		Publisher: c.Blue, Database: database, Names: c.Names, Copied: tablecopy.BeginWhereCopied,
	})
}
