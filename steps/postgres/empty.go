package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// errServes: a database that applications may connect to is never emptied.
var errServes = errors.New("it isn't fenced, so its tables can't be emptied for the initial copy")

// errOpen: nobody but the copy may write to a table that is being copied.
var errOpen = errors.New("it isn't fenced, so no table can be copied to it")

// fencedHere says whether applications are refused in the session's database.
func fencedHere(ctx context.Context, conn *pgx.Conn) (fenced bool, err error) {
	err = conn.QueryRow(ctx, "SELECT datconnlimit = 0 FROM pg_database WHERE datname = current_database()").Scan(&fenced)
	return fenced, err
}

// emptyTables empties every table that the initial copy will fill: rows that an extension's
// script put there or an earlier copy left would make it fail, or double. It refuses
// a database that isn't fenced.
func emptyTables(ctx context.Context, conn *pgx.Conn) error {
	fenced, err := fencedHere(ctx, conn)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, query("filled_tables"))
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil || len(tables) == 0:
		return err
	case !fenced:
		return errServes
	}
	_, err = conn.Exec(ctx, "TRUNCATE ONLY "+strings.Join(tables, ", "+"ONLY "))
	return err
}
