package steps

import (
	"context"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/steps/postgres/replication"
)

// connected makes a step check first whether green's connection to blue is still as the Secret and the
// spec say. A replication connection survives a change of the password, but fails at the next reconnect:
// so the subscription is rewritten at once.
func connected(s Step) Step {
	look, effect := s.Done, s.Run
	s.Done = func(ctx context.Context, run *Run) (Verdict, error) {
		if v, err := staleConnection(ctx, run); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		return look(ctx, run)
	}
	s.Run = func(ctx context.Context, run *Run) error {
		if renewed, err := renewConnections(ctx, run); renewed || err != nil {
			return err
		}
		return effect(ctx, run)
	}
	return s
}

func staleConnection(ctx context.Context, run *Run) (*Verdict, error) {
	if run.switching() {
		return nil, nil
	}
	blue, green, err := run.both(ctx)
	if err != nil {
		return nil, err
	}
	for _, db := range run.Status.Databases {
		stale, err := replication.ConnectionStale(ctx, blue, green, db, run.Names())
		if err != nil {
			return nil, err
		}
		if stale {
			v := act("database %q: %s still connects to %s with another address, password or trust than its Secret and the spec say now; the subscription's connection is rewritten",
				db, green.Instance, blue.Instance)
			return &v, nil
		}
	}
	return nil, nil
}

// renewConnections says whether one was renewed.
func renewConnections(ctx context.Context, run *Run) (renewed bool, err error) {
	if run.switching() {
		return false, nil
	}
	blue, green, err := run.both(ctx)
	if err != nil {
		return false, err
	}
	for _, db := range run.Status.Databases {
		one, err := replication.RenewConnection(ctx, blue, green, db, run.Names())
		if err != nil {
			return renewed, err
		}
		renewed = renewed || one
	}
	return renewed, nil
}
