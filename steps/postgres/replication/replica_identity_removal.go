package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// restoreIdentities gives tables of a database the replica identity back that they had before the upgrade, and deletes
// the record. Call it only when nothing is published from here, or applied, by it. An identity that was changed since,
// or that another publication needs, stays. A second call continues where the first ended.
func restoreIdentities(ctx context.Context, s postgres.Server, database string, n postgres.Names) error {
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		given, err := givenIdentities(ctx, conn, n)
		if err != nil {
			return err
		}
		var restored []GivenIdentity
		for _, g := range given {
			if g.Table != "" && g.Stays() == "" {
				restored = append(restored, g)
			} else if err := forgetIdentity(ctx, conn, g); err != nil {
				return err
			}
		}
		return inMoments(ctx, conn, restored, func(g GivenIdentity) string { return g.Table }, func(tx pgx.Tx, g GivenIdentity) error {
			// changed between the query and the lock: the next query shows it
			if f, err := identityInForce(ctx, tx, g.Table); err != nil || theirs(f.now, g.Given) {
				return err
			}
			if _, err := tx.Exec(ctx, alterIdentity(g.Table, g.Former)); err != nil {
				return err
			}
			return forgetIdentity(ctx, tx, g)
		})
	})
	if err != nil {
		return fmt.Errorf("give tables of database %q on %s their former replica identity: %w", database, s.Instance, err)
	}
	return nil
}

func forgetIdentity(ctx context.Context, conn postgres.Execer, g GivenIdentity) error {
	_, err := conn.Exec(ctx, "DELETE FROM gitover.replica_identities WHERE relid = $1", g.oid)
	return err
}

// identitiesByHand is the SQL by which a human gives tables their former identity.
func identitiesByHand(ctx context.Context, s postgres.Server, database string, n postgres.Names) string {
	given, err := GivenIdentities(ctx, s, database, n)
	if err != nil || len(given) == 0 {
		return "SELECT * FROM gitover.replica_identities"
	}
	return alterIdentity(given[0].Table, given[0].Former)
}
