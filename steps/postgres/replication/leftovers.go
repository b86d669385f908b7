package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Leftovers names what an upgrade still has on a server, and changes nothing: it lists what
// RemoveAll removes.
func Leftovers(ctx context.Context, s postgres.Server, n postgres.Names) (left []string, err error) {
	slots, err := listSlots(ctx, s, n, []string{})
	if err != nil {
		return nil, err
	}
	for _, slot := range slots {
		left = append(left, "slot "+slot)
	}
	databases, err := connectableDatabases(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, database := range databases {
		err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
			subscriptions, err := ownSubscriptions(ctx, conn, n)
			for _, name := range subscriptions {
				left = append(left, fmt.Sprintf("subscription %s in database %q", name, database))
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for subscriptions in database %q of %s: %w", database, s.Instance, err)
		}
		published, err := PublicationExists(ctx, s, database, n)
		if err != nil {
			return nil, err
		}
		if published {
			left = append(left, fmt.Sprintf("publication %s in database %q", n.Publication(), database))
		}
		given, err := GivenIdentities(ctx, s, database, n)
		if err != nil {
			return nil, err
		}
		for _, g := range given {
			left = append(left, fmt.Sprintf("replica identity %s of table %s in database %q", g.Given, g.Table, database))
		}
	}
	return left, nil
}
