package switchover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// guardMarkerWait is how long the guard waits for a row to pass from one side to the other.
const guardMarkerWait = 10 * time.Second

// checksAtOnce of the guard: later ones use the sessions of those before, and a login costs a server more than a query.
const checksAtOnce = 3

// Guard looks for everything that prevents a switch. It changes only a marker row and the subscription: it
// makes the new side replicate tables that it doesn't replicate yet (replication.RefreshPublication). It names
// all obstacles in one pass. An error means that a check failed.
func Guard(ctx context.Context, in Input) ([]Obstacle, error) {
	in.Limits = in.Limits.withDefaults()
	ctx, end := postgres.ShareSessions(ctx)
	defer end() // before traffic is held
	checks := []func(context.Context, Input) ([]Obstacle, error){
		guardReplication, guardPoolers, guardTransactions, guardFences, guardSchema, guardRoles, guardLeft, guardSubscriptions, guardIdentity,
	}
	found := make([][]Obstacle, len(checks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(checksAtOnce)
	for i, check := range checks {
		group.Go(func() (err error) {
			found[i], err = check(ctx, in)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []Obstacle
	for _, obstacles := range found {
		all = append(all, obstacles...)
	}
	return all, nil
}

func obstacle(kind ObstacleKind, format string, args ...any) Obstacle {
	return Obstacle{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// guardPoolers: each is reachable, leads to the old side, and isn't paused.
func guardPoolers(ctx context.Context, in Input) ([]Obstacle, error) {
	if len(in.Poolers) == 0 {
		return []Obstacle{obstacle(NoPooler, "no pooler's pod is ready; traffic can't be held")}, nil
	}
	found := make([][]Obstacle, len(in.Poolers))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var group errgroup.Group
	for i, p := range in.Poolers {
		group.Go(func() error {
			state, err := p.State(ctx)
			var refused *protocol.RefusedError
			switch {
			case errors.As(err, &refused):
				found[i] = []Obstacle{obstacle(PoolerRefusing, "%v", err)}
			case err != nil:
				found[i] = []Obstacle{obstacle(PoolerUnreachable, "%v", err)}
			case state.Others != "":
				found[i] = []Obstacle{obstacle(PoolerShared, "%s", state.ManyProcesses(p.Name()))}
			case state.Target.Host != in.From.Host || state.Target.Port != in.From.Port || !state.Verified:
				found[i] = []Obstacle{obstacle(PoolerOutOfStep, "pooler %s does not lead to %s yet", p.Name(), in.From.Instance)}
			case state.Paused || state.Phase.Paused():
				found[i] = []Obstacle{obstacle(PoolerOutOfStep, "pooler %s is paused; RESUME it if that was done by hand", p.Name())}
			case in.Sessions == Held:
				found[i] = sessionPooling(p, state, in.Limits.LongTransaction)
			}
			return nil
		})
	}
	_ = group.Wait()
	return flatten(found), nil
}

// sessionPooling names clients that a hold would wait for until they leave.
func sessionPooling(p Pooler, state protocol.PoolerState, limit time.Duration) []Obstacle {
	var found []Obstacle
	for _, s := range state.Sessions {
		if s.Age() >= limit {
			found = append(found, obstacle(SessionPooling, "a client of pooler %s is in session pooling, which can't be held: %s; end it, use pool_mode=transaction, or let switches end such clients by spec.switch.sessions: End", p.Name(), s))
		}
	}
	return found
}

// guardTransactions: no transaction on the old side for which a hold would wait too long.
func guardTransactions(ctx context.Context, in Input) ([]Obstacle, error) {
	conn, err := in.From.Connect(ctx, "")
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	prepared, err := postgres.PreparedTransactions(ctx, conn, in.Databases)
	if err != nil {
		return nil, err
	}
	found := preparedTransactions(prepared)
	if in.Limits.LongTransactions == Terminate {
		return found, nil
	}
	age := in.Limits.oldest()
	long, err := postgres.LongTransactions(ctx, conn, in.Databases, age)
	return append(found, longTransactions(long, age)...), err
}

func longTransactions(sessions []postgres.Session, limit time.Duration) []Obstacle {
	var found []Obstacle
	for _, s := range sessions {
		o := obstacle(LongTransaction, "a transaction is open for longer than %s: %s", limit, s)
		o.Session = &s
		found = append(found, o)
	}
	return found
}

func preparedTransactions(list []postgres.PreparedTransaction) []Obstacle {
	var found []Obstacle
	for _, p := range list {
		found = append(found, obstacle(PreparedTransaction,
			"transaction %q of user %s in database %s is prepared since %s: COMMIT PREPARED or ROLLBACK PREPARED it",
			p.GID, p.Owner, p.Database, p.Prepared.UTC().Format(time.RFC3339)))
	}
	return found
}

// guardFences: the old side is open, the new side has been fenced since its birth.
func guardFences(ctx context.Context, in Input) ([]Obstacle, error) {
	from, err := fences(ctx, in.From, in.Databases)
	if err != nil {
		return nil, err
	}
	to, err := fences(ctx, in.To, in.Databases)
	if err != nil {
		return nil, err
	}
	var found []Obstacle
	for _, f := range from {
		if f.Fenced() {
			found = append(found, obstacle(OldSideFenced, "database %q of %s refuses applications: an earlier switch has to be finished first", f.Database, in.From.Instance))
		}
	}
	for _, f := range to {
		if f.Limit != 0 {
			found = append(found, obstacle(NewSideOpen, "database %q of %s is open to applications, though it does not serve: rows written there would be lost", f.Database, in.To.Instance))
		}
	}
	return found, nil
}

func fences(ctx context.Context, s postgres.Server, databases []string) ([]fence.State, error) {
	r, err := fence.OpenRegister(ctx, s)
	if err != nil {
		return nil, err
	}
	defer r.Close(context.WithoutCancel(ctx))
	states, err := r.Fences(ctx, databases)
	if err == nil && len(states) < len(databases) {
		return nil, fmt.Errorf("%s has %d of the %d databases %s", s.Instance, len(states), len(databases), strings.Join(databases, ", "))
	}
	return states, err
}

func flatten(lists [][]Obstacle) []Obstacle {
	var all []Obstacle
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
