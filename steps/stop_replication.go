package steps

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// stopReplicationDone: nothing of this upgrade is left on a server that still answers.
func stopReplicationDone(ctx context.Context, run *Run) (Verdict, error) {
	if v, err := copyJobsLeft(ctx, run); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	for _, instance := range []string{run.Status.From, run.Status.To} {
		s, err := run.Server(ctx, instance)
		var left []string
		if err == nil {
			left, err = replication.Leftovers(ctx, s, run.Names())
		}
		if postgres.Unreachable(err) && instance != run.active() {
			// the side that is removed anyway need not answer; its slots are removed with it
			continue
		}
		if err != nil {
			return Verdict{}, err
		}
		if len(left) > 0 {
			v := act("to remove on %s: %s", instance, some(left))
			stay, err := IdentitiesThatStay(ctx, s, run.Status.Databases, run.Names())
			if err == nil && stay != "" { // an event, before the records are removed
				v.Reason, v.Message = v1alpha1.ReasonReplicaIdentity, stay+"; "+v.Message
			}
			return v, err
		}
	}
	run.Status.ReplicaIdentities = nil
	return done("no slot, publication or subscription of ours is left"), nil
}

// copyJobsLeft: Jobs of a parallel copy go before what they use. Nil if there are none.
func copyJobsLeft(ctx context.Context, run *Run) (*Verdict, error) {
	left, err := CopyJobs(ctx, run)
	if err != nil || len(left) == 0 {
		return nil, err
	}
	v := act("Jobs of the copy end: %s", some(left))
	v.Effect = EndCopyJobs
	return &v, nil
}

// CopyJobs are the names of the Jobs of a parallel copy that are there.
func CopyJobs(ctx context.Context, run *Run) ([]string, error) {
	if !run.parallel() {
		return nil, nil
	}
	return run.parallelCopy(postgres.Server{}, postgres.Server{}).Left(ctx)
}

// EndCopyJobs deletes them; they are gone once CopyJobs returns none.
func EndCopyJobs(ctx context.Context, run *Run) error {
	return run.parallelCopy(postgres.Server{}, postgres.Server{}).End(ctx)
}

// stopReplicationRun removes subscriptions before the slots they hold. If one side is gone,
// the other is cleaned nevertheless: WAL must not pile up without a reader. The error names
// what stays, each with its reason.
func stopReplicationRun(ctx context.Context, run *Run) error {
	var trouble []error
	// subscribers first; two rounds free the slots that the first round's subscriptions held
	for range 2 {
		trouble = nil
		for _, instance := range []string{run.Status.To, run.Status.From} {
			s, err := run.Server(ctx, instance)
			var left []string
			if err == nil {
				left, err = replication.RemoveAll(ctx, s, run.Names())
			}
			if err != nil && !postgres.Unreachable(err) {
				return err
			}
			if err != nil {
				trouble = append(trouble, fmt.Errorf("clean up %s: %w", instance, err))
			}
			if len(left) > 0 {
				trouble = append(trouble, fmt.Errorf("not removed on %s: %s", instance, some(left)))
			}
		}
	}
	return errors.Join(trouble...)
}

func (r *Run) active() string {
	if r.Proxy == nil {
		return ""
	}
	return r.Proxy.Status.Active
}
