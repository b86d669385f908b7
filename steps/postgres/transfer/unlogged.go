package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
)

// unloggedTable has columns that a copy carries.
type unloggedTable struct{ Name, Columns string }

// CopyUnlogged empties the unlogged tables of a database on the side that is to serve and fills them from the serving side, in a
// session to each. It refuses a database that is open to applications. It locks the tables before it checks the fence, and reads
// the rows after both: of two runs the later one has the newer rows, and no run can write into a database that was opened
// meanwhile. A second call does it again.
func CopyUnlogged(ctx context.Context, from, to *pgx.Conn) error {
	tables, err := postgres.Collect[unloggedTable](ctx, from, query("unlogged_tables"))
	if err != nil || len(tables) == 0 {
		return err
	}
	names := make([]string, 0, len(tables))
	for _, t := range tables {
		names = append(names, t.Name)
	}
	return pgx.BeginFunc(ctx, to, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, postgres.FrozenAfter+"; "+noVacuum+"; SET LOCAL session_replication_role = replica; "+locally(postgres.TextSettings)); err != nil {
			return err
		}
		if err := postgres.EmptyOnly(ctx, tx, names); err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, from, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(source pgx.Tx) error {
			if _, err := source.Exec(ctx, locally(postgres.TextSettings)); err != nil {
				return err
			}
			for _, t := range tables {
				if err := pipe(ctx, from, to, t); err != nil {
					return fmt.Errorf("copy unlogged table %s: %w", t.Name, err)
				}
			}
			return nil
		})
	})
}

// pipe copies the rows of a table, as text, which every version can read.
func pipe(ctx context.Context, from, to *pgx.Conn, t unloggedTable) error {
	what := t.Name
	if t.Columns != "" {
		what += " (" + t.Columns + ")"
	}
	reader, writer := io.Pipe()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := from.PgConn().CopyTo(ctx, writer, "COPY "+what+" TO STDOUT")
		writer.CloseWithError(err)
		return err
	})
	group.Go(func() error {
		_, err := to.PgConn().CopyFrom(ctx, reader, "COPY "+what+" FROM STDIN")
		reader.CloseWithError(errors.Join(errNotTaken, err))
		return err
	})
	return group.Wait()
}

// errNotTaken ends the reading of rows that the other server doesn't accept.
var errNotTaken = errors.New("the rows aren't accepted")

// locally are SET statements for the rest of a transaction.
func locally(settings string) string { return strings.ReplaceAll(settings, "SET ", "SET LOCAL ") }
