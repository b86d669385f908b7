package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// GivenIdentity is a replica identity that Gitover gave a table for the time of an upgrade.
type GivenIdentity struct {
	oid int64
	// Table is quoted, with its schema; empty if it was dropped since.
	Table string
	// Given, Former and Now are as ALTER TABLE … REPLICA IDENTITY takes them.
	Given, Former, Now string
	// UsedBy is a publication that isn't Gitover's and needs the identity; empty: none.
	UsedBy string
}

// Stays says why the table doesn't get its former identity back; empty if it does.
func (g GivenIdentity) Stays() string {
	switch {
	case g.Table == "":
		return ""
	case theirs(g.Now, g.Given):
		return fmt.Sprintf("it was changed to %s since, not by Gitover", g.Now)
	case g.UsedBy != "":
		return fmt.Sprintf("publication %s, which isn't Gitover's, needs it", g.UsedBy)
	}
	return ""
}

// String describes the change of the table.
func (g GivenIdentity) String() string {
	return fmt.Sprintf("table %s: REPLICA IDENTITY %s, before %s", g.Table, g.Given, g.Former)
}

// GivenIdentities that the upgrade gave tables of database on s, sorted. Reads only.
func GivenIdentities(ctx context.Context, s postgres.Server, database string, n postgres.Names) (given []GivenIdentity, err error) {
	err = postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		given, err = givenIdentities(ctx, conn, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("replica identities that Gitover gave in database %q of %s: %w", database, s.Instance, err)
	}
	return given, nil
}

func givenIdentities(ctx context.Context, conn *pgx.Conn, n postgres.Names) ([]GivenIdentity, error) {
	var there bool
	err := conn.QueryRow(ctx, "SELECT to_regclass('gitover.replica_identities') IS NOT NULL").Scan(&there)
	if err != nil || !there {
		return nil, err
	}
	rows, err := conn.Query(ctx, query("given_identities"), n.Prefix())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (g GivenIdentity, err error) {
		err = row.Scan(&g.oid, &g.Table, &g.Given, &g.Former, &g.Now, &g.UsedBy)
		return g, err
	})
}
