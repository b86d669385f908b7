package ledger

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ledgerTables are where the ledger's tables of one database lie in the server's files, as
// WAL names them.
const ledgerTables = `
SELECT format('%s/%s/%s', coalesce(nullif(c.reltablespace, 0), d.dattablespace), d.oid, pg_relation_filenode(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_database d
WHERE d.datname = current_database() AND n.nspname = 'ledger' AND c.relkind = 'r'`

// WatchDatabase watches the ledger's tables of the database of conn, if it has any.
func (r *WALReader) WatchDatabase(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, ledgerTables)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	r.Watch(tables...)
	return err
}

// firstSegment is the oldest one that is still there, by its name and its size in bytes.
const firstSegment = `
SELECT min(name), (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')
FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'`

// WALPiece is a part of a server's WAL.
type WALPiece struct {
	From, Until LSN
	// First and Last segment, the names of their files.
	First, Last string
}

// Next is what there is to read: from the last record read, or the oldest that the server
// still has, until what is durable now. conn is a superuser's, to any database.
func (r *WALReader) Next(ctx context.Context, conn *pgx.Conn) (piece WALPiece, err error) {
	var position string
	const now = "SELECT lsn::text, pg_walfile_name(lsn) FROM pg_current_wal_flush_lsn() lsn"
	if err := conn.QueryRow(ctx, now).Scan(&position, &piece.Last); err != nil {
		return piece, err
	}
	if piece.Until, err = ParseLSN(position); err != nil {
		return piece, err
	}
	if r.last > 0 {
		piece.From = r.last
		return piece, conn.QueryRow(ctx, "SELECT pg_walfile_name($1::text::pg_lsn)", r.last.String()).Scan(&piece.First)
	}
	var size int64
	if err := conn.QueryRow(ctx, firstSegment).Scan(&piece.First, &size); err != nil {
		return piece, err
	}
	piece.From, err = segmentStart(piece.First, size)
	return piece, err
}

// segmentStart is where a WAL segment of this name begins: timeline, high word and number,
// of eight hexadecimal digits each.
func segmentStart(name string, size int64) (LSN, error) {
	var timeline, high, number uint32
	if n, err := fmt.Sscanf(name, "%08X%08X%08X", &timeline, &high, &number); err != nil || n != 3 {
		return 0, fmt.Errorf("%q is no WAL segment", name)
	}
	return LSN(uint64(high)<<32 + uint64(number)*uint64(size)), nil
}

// walComplete ends a piece that is whole.
const walComplete = "complete"

// DumpWAL is the shell script that prints a piece of WAL, for sh -c with the server's image,
// where PGDATA or the first argument names the data directory. Only what a WALReader looks at is
// printed, and a last line if pg_waldump reached the end. Segments are named because pg_waldump would
// else learn their size from any file, one that is prepared but empty among them.
func DumpWAL(piece WALPiece) string {
	return fmt.Sprintf(`PATH="$PATH:$(echo /usr/lib/postgresql/*/bin)"; export TZ=UTC
{ pg_waldump --start=%s --end=%s "${1:-$PGDATA}/pg_wal/%s" "${1:-$PGDATA}/pg_wal/%s" && echo %s; } |
grep -E '^rmgr: (Heap|Transaction) |^%[5]s$'`, piece.From, piece.Until, piece.First, piece.Last, walComplete)
}

// ReadDump reads what the script of DumpWAL printed; an incomplete piece is an error, and
// changes nothing.
func (r *WALReader) ReadDump(dump string) error {
	piece, whole := strings.CutSuffix(strings.TrimSpace(dump), walComplete)
	if !whole {
		return fmt.Errorf("WAL of %s: pg_waldump did not reach the end", r.server)
	}
	return r.Read(io.Reader(strings.NewReader(piece)))
}
