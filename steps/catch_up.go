package steps

import (
	"context"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

// catchUpDone: the lag has been under the limit for the stated time, nothing is broken, green
// follows every table, and nothing came that would be left behind.
func catchUpDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	v, err := inEachDatabase(run,
		func(db string) (*Verdict, error) { return brokenIn(ctx, run, blue, green, db) },
		func(db string) (*Verdict, error) { return unreplicatedTablesIn(ctx, run, blue, green, db) },
		func(db string) (*Verdict, error) { return stoppedIn(ctx, run, blue, green, db) })
	if v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	behind, err := backlog(ctx, run, blue, run.Status.To)
	if err != nil {
		return Verdict{}, err
	}
	showLag(run, behind, run.lagLimit())
	if since := run.Status.Lag.UnderLimitSince; since != nil && run.Now().Sub(since.Time) >= run.lagStableFor() {
		if v, err := leftBehind(ctx, run, blue); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		verdict := done("lag %s", postgres.HumanBytes(behind.Bytes))
		if !GivesIdentities(run.Upgrade) {
			return verdict, nil
		}
		return alsoSaid(verdict)(showIdentities(ctx, run, blue))
	}
	return waiting(CatchUp, "lag %s, limit %s for %s", postgres.HumanBytes(behind.Bytes), postgres.HumanBytes(run.lagLimit()), run.lagStableFor()), nil
}

// leftBehind names what was added after the preflight and would make the guard refuse the
// switch: people should know it before the cutover commit.
func leftBehind(ctx context.Context, run *Run, blue postgres.Server) (*Verdict, error) {
	left, err := preflight.LeftBehind(ctx, blue, run.Status.Databases, ScopeOf(run.Upgrade))
	if err != nil || len(left) == 0 {
		return nil, err
	}
	v := waiting(run.Status.Step, "%s", some(left))
	return &v, nil
}
