package replication

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Subscription is what the subscriber shows of one subscription.
type Subscription struct {
	Exists, Enabled bool
	// DurableCommits: every table is replicated, and commits still wait for the disk as during a copy.
	DurableCommits bool
	// Running: its apply worker is alive now.
	Running bool
	// Tables counts all tables of the subscription, Ready those that follow the main apply
	// worker, Copied those whose initial copy is finished.
	Tables, Ready, Copied int
	// ApplyErrors and SyncErrors count failures since the subscription was made; -1 where the
	// version doesn't count them (before 15).
	ApplyErrors, SyncErrors int64
	// Received and LatestEnd are positions in the publisher's WAL; empty when unknown.
	Received, LatestEnd string
	// RunningFor is how long its apply worker has run, in seconds.
	RunningFor float64
}

// SubscriptionState reads a subscription; a missing one is no error.
func SubscriptionState(ctx context.Context, subscriber postgres.Server, database, name string) (Subscription, error) {
	var state Subscription
	err := postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query("subscription_state"), name, postgres.Schema)
		if err != nil {
			return err
		}
		state, err = pgx.CollectOneRow(rows, pgx.RowToStructByPos[Subscription])
		if errors.Is(err, pgx.ErrNoRows) {
			state = Subscription{}
			return nil
		}
		if err != nil {
			return err
		}
		version, err := postgres.VersionOf(ctx, conn)
		if err != nil || version < postgres.WithSubscriptionErrors {
			return err
		}
		return conn.QueryRow(ctx, query("subscription_errors_15"), name).Scan(&state.ApplyErrors, &state.SyncErrors)
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("subscription %q in database %q of %s: %w", name, database, subscriber.Instance, err)
	}
	return state, nil
}

// ReplicationReady: every table is copied and follows the main apply worker, which runs.
func (s Subscription) ReplicationReady() bool {
	return s.Exists && s.Enabled && s.Running && s.Ready == s.Tables
}

// Failures of its workers since it was created or the server crashed; none if the version
// doesn't count them.
func (s Subscription) Failures() int64 { return max(s.ApplyErrors, 0) + max(s.SyncErrors, 0) }
