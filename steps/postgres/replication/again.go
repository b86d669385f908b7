package replication

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Severed are the databases whose replication from publisher to subscriber can't continue: the slot or the subscription is
// missing, as after a failover, or the slot has lost WAL. One session on each server. Reads only.
func Severed(ctx context.Context, publisher, subscriber postgres.Server, n postgres.Names, databases []string) (severed []string, err error) {
	links, publisherErr, err := Links(ctx, publisher, subscriber, n, databases)
	if err := errors.Join(publisherErr, err); err != nil {
		return nil, err
	}
	for _, db := range databases {
		if link := links[db]; !link.SlotExists || link.SlotLost || !link.Subscription.Exists {
			severed = append(severed, db)
		}
	}
	return severed, nil
}

// WithoutSlot are the databases whose slot on publisher is missing, or has lost WAL: those that have a subscription, and those that have none, as
// while Gitover's own copy runs. One session on each server. Reads only.
func WithoutSlot(ctx context.Context, publisher, subscriber postgres.Server, n postgres.Names, databases []string) (subscribed, others []string, err error) {
	links, publisherErr, err := Links(ctx, publisher, subscriber, n, databases)
	if err := errors.Join(publisherErr, err); err != nil {
		return nil, nil, err
	}
	for _, db := range databases {
		switch link := links[db]; {
		case link.SlotExists && !link.SlotLost:
		case link.Subscription.Exists:
			subscribed = append(subscribed, db)
		default:
			others = append(others, db)
		}
	}
	return subscribed, others, nil
}

// CopyAgain replaces the replication of a database, however much of it is left, by a new slot and subscription, and has
// PostgreSQL copy every table again in the background. The subscriber must be fenced: its tables are emptied. A second call
// begins again. It waits for transactions that run on the publisher, for as long as ctx allows.
func CopyAgain(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names) error {
	if err := DropCopy(ctx, publisher, subscriber, database, n); err != nil {
		return err
	}
	if err := DropSlot(ctx, publisher, n.Slot(database, subscriber.Instance)); err != nil {
		return err
	}
	if err := PublishAgain(ctx, publisher, subscriber, database, n); err != nil {
		return err
	}
	if err := CreateSlot(ctx, publisher, database, n, subscriber.Instance); err != nil {
		return err
	}
	return CreateSubscription(ctx, subscriber, SubscribeOptions{Publisher: publisher, Database: database, Names: n, CopyData: true})
}

// PublishAgain ensures what a publication of a database needs on both sides, after what was there was dropped. A second call finds the
// first one's work.
func PublishAgain(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names) error {
	for _, s := range []postgres.Server{publisher, subscriber} {
		if err := EnsureMarker(ctx, s, database); err != nil {
			return err
		}
	}
	return CreatePublication(ctx, publisher, database, n)
}

// AheadOf says whether subscriber has applied commits of a database that publisher lacks: publisher's history left the timeline
// of former, its primary before, earlier than at the last of them. Also if it never was on that timeline: then nothing says that it has
// them. Reads only.
func AheadOf(ctx context.Context, publisher, subscriber postgres.Server, database string, former postgres.Identity, n postgres.Names) (bool, error) {
	var applied *string
	err := postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, query("applied_position"), n.Subscription(database, subscriber.Instance)).Scan(&applied)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("position up to which database %q of %s has applied: %w", database, subscriber.Instance, err)
	}
	if applied == nil {
		return false, nil
	}
	now, err := postgres.IdentityOf(ctx, publisher)
	if err != nil || now.System != former.System {
		return true, err
	}
	had, err := postgres.Scalar[*bool](ctx, publisher, "", query("left_timeline_before"), former.Timeline, *applied)
	if err != nil {
		return false, fmt.Errorf("history of %s: %w", publisher.Instance, err)
	}
	return had == nil || *had, nil
}
