package replication

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// PublishableTable is a table that replication carries, with its replica identity.
type PublishableTable struct {
	// Table is quoted, with its schema.
	Table string
	// Published: the publication has it already.
	Published bool
	// Identity in force, as ALTER TABLE … REPLICA IDENTITY takes it.
	Identity string
	// Why an UPDATE or DELETE of it stops working once it is published; empty if it still works.
	Why string
	// Generated: it has generated columns; only read if it may need another identity.
	Generated bool
	// Index is the best one that is adequate, quoted; empty if there is none. Primary: it is the primary key.
	Index   string
	Primary bool
	// Unequal are columns without equality, if rows are found by the whole row, or would be.
	Unequal []string
	// Bytes of the table, if its rows would be found by the whole row.
	Bytes int64
}

// PublishableTables of the database that conn is connected to, with their replica identities.
func PublishableTables(ctx context.Context, conn *pgx.Conn, n postgres.Names) ([]PublishableTable, error) {
	return postgres.Collect[PublishableTable](ctx, conn, query("publishable_tables"), n.Publication(), postgres.Schema)
}

// WholeRow is the replica identity by which rows are found by all their columns.
const WholeRow = "FULL"

// Identified: an UPDATE or DELETE of it still works once it is published.
func (t PublishableTable) Identified() bool { return t.Why == "" }

// Remedy is the best replica identity that the table could have, on servers of versions up to newest that publish it; empty
// if there is none. From 18 on the whole row can't be used if a column is generated.
func (t PublishableTable) Remedy(newest int) string {
	switch {
	case t.Primary:
		return "DEFAULT"
	case t.Index != "":
		return "USING INDEX " + t.Index
	case t.Generated && newest >= 18, len(t.Unequal) > 0:
		return ""
	}
	return WholeRow
}

// Fix is the statement that gives the table a replica identity, or what it needs first.
func (t PublishableTable) Fix(newest int) string {
	if remedy := t.Remedy(newest); remedy != "" {
		return alterIdentity(t.Table, remedy) + ";"
	}
	return fmt.Sprintf("Give %s a primary key, or a unique index of columns that are NOT NULL and not generated, as its replica identity. "+
		"Without such columns, which rewrites the table: ALTER TABLE %s ADD COLUMN row_number bigint GENERATED ALWAYS AS IDENTITY UNIQUE;", t.Table, t.Table)
}

// Because is Why, and why the whole row doesn't work either if there is no other identity.
func (t PublishableTable) Because(newest int) string {
	switch {
	case t.Remedy(newest) != "":
		return t.Why
	case len(t.Unequal) > 0:
		return t.Why + ", and the whole row can't be compared: " + strings.Join(t.Unequal, ", ") + ", has no equality"
	}
	return t.Why + ", and the whole row has a generated column"
}

// Outgrown: the identity works here, but on a version that publishes the table later, from 18 on, an UPDATE would fail.
func (t PublishableTable) Outgrown(newest int) bool {
	return t.Identified() && t.Identity == WholeRow && t.Generated && newest >= 18
}

// Lacking says why the table needs another replica identity, to be published by versions up to newest and
// followed; empty if it needs none.
func (t PublishableTable) Lacking(newest int) string {
	switch {
	case t.Outgrown(newest):
		return "its replica identity is the whole row, and has a generated column, which later versions refuse"
	case t.Identified() && len(t.Unequal) > 0:
		return "its replica identity is the whole row, and has no equality in " + strings.Join(t.Unequal, ", ")
	}
	return t.Why
}

// alterIdentity is the statement, without a semicolon; table and identity are quoted.
func alterIdentity(table, identity string) string {
	return "ALTER TABLE " + table + " REPLICA IDENTITY " + identity
}
