package replication

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Link is the replication of one database, as both sides show it without a session in that database.
type Link struct {
	// SlotExists, SlotActive and SlotLost are what the publisher shows.
	SlotExists, SlotActive, SlotLost bool
	// Subscription of the other side. What is counted by table isn't known.
	Subscription Subscription
	// Stale: the subscription connects to the publisher by another connection string than Gitover would write
	// now.
	Stale bool
}

// Links looks at the replication of databases from publisher to subscriber, with one session on each whatever their
// number: publisherErr is the publisher's, err the subscriber's. Reads only.
func Links(ctx context.Context, publisher, subscriber postgres.Server, n postgres.Names, databases []string) (links map[string]Link, publisherErr, err error) {
	slots, err := slotStates(ctx, publisher, n, subscriber.Instance, databases)
	if err != nil {
		return nil, fmt.Errorf("replication slots of %s: %w", publisher.Instance, err), nil
	}
	links = map[string]Link{}
	err = postgres.WithSession(ctx, subscriber, "", func(conn *pgx.Conn) error {
		version, err := postgres.VersionOf(ctx, conn)
		if err != nil {
			return err
		}
		found, err := subscriptions(ctx, conn, version, n, subscriber.Instance, databases)
		for _, db := range databases {
			link := slots[n.Slot(db, subscriber.Instance)]
			if s, there := found[n.Subscription(db, subscriber.Instance)]; there {
				want := sha256.Sum256([]byte(Conninfo(publisher, db, version)))
				link.Subscription = Subscription{Exists: true, Enabled: s.Enabled, Running: s.Running, RunningFor: s.RunningFor, ApplyErrors: s.Errors}
				link.Stale = !bytes.Equal(s.Connection, want[:])
			}
			links[db] = link
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("subscriptions of %s: %w", subscriber.Instance, err)
	}
	return links, nil, nil
}

func slotStates(ctx context.Context, publisher postgres.Server, n postgres.Names, subscriber string, databases []string) (map[string]Link, error) {
	names := make([]string, len(databases))
	for i, db := range databases {
		names[i] = n.Slot(db, subscriber)
	}
	slots := map[string]Link{}
	err := postgres.WithSession(ctx, publisher, "", func(conn *pgx.Conn) error {
		found, err := postgres.Collect[struct {
			Name         string
			Active, Lost bool
		}](ctx, conn, query("slot_states"), names)
		for _, s := range found {
			slots[s.Name] = Link{SlotExists: true, SlotActive: s.Active, SlotLost: s.Lost}
		}
		return err
	})
	return slots, err
}

type linkSubscription struct {
	Name             string
	Enabled, Running bool
	RunningFor       float64
	Connection       []byte
	Errors           int64
}

func subscriptions(ctx context.Context, conn *pgx.Conn, version int, n postgres.Names, subscriber string, databases []string) (map[string]linkSubscription, error) {
	names := make([]string, len(databases))
	for i, db := range databases {
		names[i] = n.Subscription(db, subscriber)
	}
	found, err := postgres.Collect[linkSubscription](ctx, conn, query("links"), names)
	if err != nil {
		return nil, err
	}
	byName := map[string]linkSubscription{}
	for _, s := range found {
		byName[s.Name] = s
	}
	if version < postgres.WithSubscriptionErrors {
		return byName, nil
	}
	failures, err := postgres.Collect[struct {
		Name   string
		Errors int64
	}](ctx, conn, query("links_errors_15"), names)
	for _, f := range failures {
		if s, there := byName[f.Name]; there {
			s.Errors = f.Errors
			byName[f.Name] = s
		}
	}
	return byName, err
}
