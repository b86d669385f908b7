package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// errServes: a database that applications may connect to is never emptied.
var errServes = errors.New("it isn't fenced, so its tables can't be emptied for the initial copy")

// emptyTables empties every table that the initial copy will fill: rows that an extension's
// script put there or an earlier copy left would make it fail, or double. It refuses
// a database that isn't fenced.
func emptyTables(ctx context.Context, conn *pgx.Conn) error {
	var fenced bool
	err := conn.QueryRow(ctx, "SELECT datconnlimit = 0 FROM pg_database WHERE datname = current_database()").Scan(&fenced)
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
