package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrServes: a database that applications may connect to is never emptied.
var ErrServes = errors.New("it isn't fenced, so its tables can't be emptied for the initial copy")

// ErrOpen: nobody but the copy may write to a table that is being copied.
var ErrOpen = errors.New("it isn't fenced, so no table can be copied to it")

// FencedHere says whether applications are refused in the session's database.
func FencedHere(ctx context.Context, conn Asker) (fenced bool, err error) {
	err = conn.QueryRow(ctx, "SELECT datconnlimit = 0 FROM pg_database WHERE datname = current_database()").Scan(&fenced)
	return fenced, err
}

// EmptyTables empties every table that the initial copy will fill: rows that an extension's
// script put there or an earlier copy left would make it fail, or double. It refuses
// a database that isn't fenced, and asks when it has the tables' locks: nobody opens a database to applications
// whose tables it couldn't compare.
func EmptyTables(ctx context.Context, tx pgx.Tx) error {
	tables, err := Column[string](ctx, tx, query("filled_tables"))
	if err != nil || len(tables) == 0 {
		return err
	}
	return EmptyOnly(ctx, tx, tables)
}

// EmptyOnly empties tables, without their partitions or heirs.
func EmptyOnly(ctx context.Context, tx pgx.Tx, tables []string) error {
	only := "ONLY " + strings.Join(tables, ", ONLY ")
	if _, err := tx.Exec(ctx, "LOCK TABLE "+only+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return err
	}
	fenced, err := FencedHere(ctx, tx)
	switch {
	case err != nil:
		return err
	case !fenced:
		return ErrServes
	}
	_, err = tx.Exec(ctx, "TRUNCATE "+only)
	return err
}
