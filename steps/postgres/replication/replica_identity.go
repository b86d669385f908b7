package replication

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

//go:embed sql/identity_record.sql
var identityRecordSQL string

// Identity of a table, here, is its replica identity: the columns by which an UPDATE or DELETE finds its row on the other
// side. Gitover gives one to tables that have none if the spec allows it. The ALTER TABLE and its record are one
// transaction, so that neither exists without the other.

// identityWanted is the identity that a table is to get.
type identityWanted struct {
	table, identity string
	// former is remembered if the table has the identity already, from the other side's schema.
	former string
}

// GiveIdentities gives the tables of database on s that have no usable replica identity the best available one, so that versions
// up to newest can publish them. It skips tables whose identity was changed after Gitover gave them one. It waits for no lock
// longer than lockMoment, since other sessions queue behind it. A second call finds the first one's work.
func GiveIdentities(ctx context.Context, s postgres.Server, database string, n postgres.Names, newest int) error {
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		wanted, err := lackingIdentity(ctx, conn, n, func() (int, error) { return newest, nil })
		if err != nil {
			return err
		}
		return giveAll(ctx, conn, n, wanted)
	})
	if err != nil {
		return fmt.Errorf("give tables of database %q on %s a replica identity: %w", database, s.Instance, err)
	}
	return nil
}

// latest stands for any version that may publish a table later.
const latest = 1000

// lackingIdentity are the tables that need another identity and can get one. Most calls find none, and then the newest publishing
// version isn't read.
func lackingIdentity(ctx context.Context, conn *pgx.Conn, n postgres.Names, newest func() (int, error)) ([]identityWanted, error) {
	tables, err := PublishableTables(ctx, conn, n)
	if err != nil {
		return nil, err
	}
	tables = slices.DeleteFunc(tables, func(t PublishableTable) bool { return t.Lacking(latest) == "" })
	if len(tables) == 0 {
		return nil, nil
	}
	version, err := newest()
	if err != nil {
		return nil, err
	}
	var wanted []identityWanted
	for _, t := range tables {
		if remedy := t.Remedy(version); remedy != "" && t.Lacking(version) != "" {
			wanted = append(wanted, identityWanted{table: t.Table, identity: remedy, former: t.Identity})
		}
	}
	given, err := givenIdentities(ctx, conn, n)
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for _, g := range given {
		changed[g.Table] = theirs(g.Now, g.Given)
	}
	return slices.DeleteFunc(wanted, func(w identityWanted) bool { return changed[w.table] }), nil
}

// lackingOn is lackingIdentity for a pair.
func lackingOn(ctx context.Context, serving postgres.Server, database string, n postgres.Names, following postgres.Server) (wanted []identityWanted, err error) {
	err = postgres.WithSession(ctx, serving, database, func(conn *pgx.Conn) error {
		wanted, err = lackingIdentity(ctx, conn, n, func() (int, error) { return newestOf(ctx, serving, following) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tables of database %q on %s without a replica identity: %w", database, serving.Instance, err)
	}
	return wanted, nil
}

// GiveIdentitiesToBoth does the same for a pair that replicates already: first on the following side, so that after a
// crash in between the serving side shows that work is left. A table that isn't on both sides, or whose index isn't, is
// left for later.
func GiveIdentitiesToBoth(ctx context.Context, serving, following postgres.Server, database string, n postgres.Names) error {
	wanted, err := lackingOn(ctx, serving, database, n, following)
	if err != nil || len(wanted) == 0 {
		return err
	}
	var both []identityWanted
	err = postgres.WithSession(ctx, following, database, func(conn *pgx.Conn) (err error) {
		both, err = giveWherePossible(ctx, conn, n, wanted)
		return err
	})
	if err == nil && len(both) > 0 {
		err = postgres.WithSession(ctx, serving, database, func(conn *pgx.Conn) error { return giveAll(ctx, conn, n, both) })
	}
	if err != nil {
		return fmt.Errorf("give tables of database %q on %s and %s a replica identity: %w", database, serving.Instance, following.Instance, err)
	}
	return nil
}

// SameIdentities gives tables on the following side the identities that they were given on the serving side, as the copy
// of the schema did for most, and records there what to restore.
func SameIdentities(ctx context.Context, serving, following postgres.Server, database string, n postgres.Names) error {
	given, err := GivenIdentities(ctx, serving, database, n)
	if err != nil {
		return err
	}
	var wanted []identityWanted
	for _, g := range given {
		if g.Table != "" && !theirs(g.Now, g.Given) {
			wanted = append(wanted, identityWanted{table: g.Table, identity: g.Given, former: g.Former})
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	err = postgres.WithSession(ctx, following, database, func(conn *pgx.Conn) error {
		_, err := giveWherePossible(ctx, conn, n, wanted)
		return err
	})
	if err != nil {
		return fmt.Errorf("give tables of database %q on %s the replica identity that they have on %s: %w", database, following.Instance, serving.Instance, err)
	}
	return nil
}

// newestOf servers is the version that decides which identities can be published.
func newestOf(ctx context.Context, servers ...postgres.Server) (newest int, err error) {
	for _, s := range servers {
		version, err := postgres.Version(ctx, s)
		if err != nil {
			return 0, err
		}
		newest = max(newest, version)
	}
	return newest, nil
}

// giveWherePossible returns those that have it now; it leaves out those whose table or index doesn't exist.
func giveWherePossible(ctx context.Context, conn *pgx.Conn, n postgres.Names, wanted []identityWanted) (done []identityWanted, err error) {
	names := make([]string, len(wanted))
	for i, w := range wanted {
		names[i] = w.table
	}
	there, err := postgres.Column[string](ctx, conn, "SELECT t FROM unnest($1::text[]) t WHERE to_regclass(t) IS NOT NULL", names)
	if err != nil {
		return nil, err
	}
	if len(there) > 0 {
		if err := makeIdentityRecord(ctx, conn); err != nil {
			return nil, err
		}
	}
	for _, w := range wanted {
		if !slices.Contains(there, w.table) {
			continue
		}
		err := giveEach(ctx, conn, n, []identityWanted{w})
		if postgres.NotFound(err) || postgres.Unsuitable(err) {
			continue
		}
		if err != nil {
			return done, err
		}
		done = append(done, w)
	}
	return done, nil
}

// giveAll of them, in a transaction each. Tables that are in use are tried again after the others.
func giveAll(ctx context.Context, conn *pgx.Conn, n postgres.Names, wanted []identityWanted) error {
	if len(wanted) == 0 {
		return nil
	}
	if err := makeIdentityRecord(ctx, conn); err != nil {
		return err
	}
	return giveEach(ctx, conn, n, wanted)
}

func giveEach(ctx context.Context, conn *pgx.Conn, n postgres.Names, wanted []identityWanted) error {
	return inMoments(ctx, conn, wanted, func(w identityWanted) string { return w.table }, func(tx pgx.Tx, w identityWanted) error {
		return giveOne(ctx, tx, n, w)
	})
}

func giveOne(ctx context.Context, tx pgx.Tx, n postgres.Names, w identityWanted) error {
	was, err := identityInForce(ctx, tx, w.table)
	if err != nil || was.given != "" && theirs(was.now, was.given) {
		return err
	}
	former := was.now
	if former == lostIndex {
		former = "NOTHING"
	}
	if was.now == w.identity {
		former = w.former
	} else if _, err := tx.Exec(ctx, alterIdentity(w.table, w.identity)); err != nil {
		return err
	}
	is, err := identityInForce(ctx, tx, w.table)
	if err == nil {
		_, err = tx.Exec(ctx, query("remember_identity"), is.oid, n.Prefix(), is.now, former)
	}
	return err
}

// lostIndex is the identity of a table whose identity index was dropped.
const lostIndex = "LOST INDEX"

// theirs: the table's identity was changed after Gitover gave it one.
func theirs(now, given string) bool { return now != given && now != lostIndex }

// inForce is a table's identity, and the one that Gitover gave it; empty if none.
type inForce struct {
	oid        int64
	now, given string
}

func identityInForce(ctx context.Context, tx pgx.Tx, table string) (f inForce, err error) {
	err = tx.QueryRow(ctx, query("identity_in_force"), table).Scan(&f.oid, &f.now, &f.given)
	return f, err
}

func makeIdentityRecord(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", fence.RegisterLock); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, identityRecordSQL)
		return err
	})
}
