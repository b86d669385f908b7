package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrServes: a database that applications may connect to is never emptied.
var ErrServes = errors.New("it isn't fenced, so its tables can't be emptied for the initial copy")

// ErrOpen: only the copy may write to a table that is being copied.
var ErrOpen = errors.New("it isn't fenced, so no table can be copied to it")

// FencedHere says whether applications are refused in the session's database.
func FencedHere(ctx context.Context, conn Asker) (fenced bool, err error) {
	err = conn.QueryRow(ctx, "SELECT datconnlimit = 0 FROM pg_database WHERE datname = current_database()").Scan(&fenced)
	return fenced, err
}

// EmptyTables empties every table that the initial copy will fill: with rows of an extension's script or of an
// earlier copy it would fail, or rows would be doubled. It refuses a database that isn't fenced. It checks that
// once it holds the tables' locks: a database whose tables can't be compared is not opened to applications.
func EmptyTables(ctx context.Context, tx pgx.Tx) error {
	tables, err := Column[string](ctx, tx, query("filled_tables"))
	if err != nil || len(tables) == 0 {
		return err
	}
	return EmptyOnly(ctx, tx, tables)
}

// EmptyOnly empties tables, without their partitions or child tables.
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
