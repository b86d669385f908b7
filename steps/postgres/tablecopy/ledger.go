package tablecopy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// recorded is what the target says of a table.
type recorded struct {
	Relation uint32
	// Done: all of it. Begun: some of it.
	Done, Begun bool
	Moment      *string
}

// run is what the target says of the copy as a whole.
type run struct {
	Source, Slot string
	MadeSlot     bool
}

// ledger is the target's record of what is done, and the session that keeps a second copy away.
type ledger struct {
	conn *pgx.Conn
	name string
	// ours: rows of others are those of an earlier copy by the same controller, if the database is fenced.
	ours bool
}

// errBusy is the refusal of a second copy to the same database.
var errBusy = errors.New("another gitover copy writes to this database")

// awaitOther is how long a copy that is supervised waits for an earlier run of its own: the server needs as long to notice that a machine is gone.
const awaitOther = 2 * time.Minute

// awaitLedger is openLedger for a copy whose earlier run may not have ended yet.
func awaitLedger(ctx context.Context, target postgres.Server, database string) (l *ledger, err error) {
	ctx, cancel := context.WithTimeout(ctx, awaitOther)
	defer cancel()
	waited := postgres.WaitUntil(ctx, time.Second, func() (bool, error) {
		l, err = openLedger(ctx, target, database)
		return !errors.Is(err, errBusy), nil
	})
	if waited != nil && err == nil {
		err = waited
	}
	return l, err
}

// openLedger makes the record unless it is there.
func openLedger(ctx context.Context, target postgres.Server, database string) (*ledger, error) {
	conn, err := target.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	l := &ledger{conn: conn, name: target.Instance}
	if err := l.open(ctx); err != nil {
		l.close(ctx)
		return nil, fmt.Errorf("record of the copy on %s: %w", l.name, err)
	}
	return l, nil
}

func (l *ledger) open(ctx context.Context) error {
	if _, err := l.conn.Exec(ctx, "SET client_min_messages = warning; SET search_path = ''; SET session_replication_role = replica; "+noticed+lasting); err != nil {
		return err
	}
	var alone bool
	if err := l.conn.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('gitover copy', 0))").Scan(&alone); err != nil {
		return err
	}
	if !alone {
		return errBusy
	}
	_, err := l.conn.Exec(ctx, query("ledger"))
	return err
}

func (l *ledger) close(ctx context.Context) { _ = l.conn.Close(context.WithoutCancel(ctx)) }

// run as it is recorded; false if there's none.
func (l *ledger) run(ctx context.Context) (run, bool, error) {
	found, err := postgres.Collect[run](ctx, l.conn, "SELECT source, slot, made_slot FROM gitover.copy_run")
	if err != nil || len(found) == 0 {
		return run{}, false, err
	}
	return found[0], true, nil
}

// begin a run, or continue it.
func (l *ledger) begin(ctx context.Context, r run) error {
	_, err := l.conn.Exec(ctx, `INSERT INTO gitover.copy_run (source, slot, made_slot) VALUES ($1, $2, $3)
ON CONFLICT (one) DO UPDATE SET source = EXCLUDED.source, slot = EXCLUDED.slot, made_slot = EXCLUDED.made_slot, finished = NULL`, r.Source, r.Slot, r.MadeSlot)
	return err
}

func (l *ledger) tables(ctx context.Context) (map[uint32]recorded, error) {
	found, err := postgres.Collect[recorded](ctx, l.conn, query("ledger_tables"))
	if err != nil {
		return nil, err
	}
	known := map[uint32]recorded{}
	for _, r := range found {
		known[r.Relation] = r
	}
	return known, nil
}

// forget what earlier runs have done, and empty their tables.
func (l *ledger) forget(ctx context.Context, tables []table) error {
	known, err := l.tables(ctx)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		for _, t := range tables {
			if known[t.Target].Begun {
				if err := empty(ctx, tx, t); err != nil {
					return err
				}
			}
		}
		_, err := tx.Exec(ctx, "DELETE FROM gitover.copy_part")
		return err
	})
}

// empty a table that the copy has filled.
func empty(ctx context.Context, tx postgres.Execer, t table) error {
	verb := "TRUNCATE ONLY "
	if !t.Emptied {
		verb = "DELETE FROM ONLY "
	}
	_, err := tx.Exec(ctx, verb+t.Name)
	return err
}

// prepare records the parts of what is to be copied; tables of which an earlier run has done a part are emptied. It refuses tables that
// have rows of others.
func (l *ledger) prepare(ctx context.Context, p planned, known map[uint32]recorded) error {
	var relations []uint32
	var numbers, parts []int32
	seen := map[uint32]bool{}
	var filled []string
	err := pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		var fresh []table
		for _, batch := range p.Batches {
			for _, part := range batch {
				relations, numbers, parts = append(relations, part.Target), append(numbers, int32(part.Number)), append(parts, int32(part.Parts))
				if seen[part.Target] {
					continue
				}
				seen[part.Target] = true
				if known[part.Target].Begun || part.sliced() && part.Extension {
					if err := empty(ctx, tx, *part.table); err != nil {
						return err
					}
				} else if !part.Extension {
					fresh = append(fresh, *part.table)
				}
			}
		}
		var err error
		if filled, err = l.filled(ctx, tx, fresh); err != nil || len(filled) > 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM gitover.copy_part WHERE relation = ANY ($1) OR relation NOT IN (SELECT oid FROM pg_catalog.pg_class)", relations); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO gitover.copy_part (relation, part, parts) SELECT * FROM unnest($1::oid[], $2::int[], $3::int[])", relations, numbers, parts)
		return err
	})
	if err == nil && len(filled) > 0 {
		err = fmt.Errorf("%w, and %s of %s has rows: empty it, or leave it out with --tables", errNotEmpty, some(filled), l.name)
	}
	return err
}

// filled are the names of those tables that have rows of others, and may not be emptied.
func (l *ledger) filled(ctx context.Context, tx pgx.Tx, fresh []table) ([]string, error) {
	names, err := withRows(ctx, tx, fresh)
	if err != nil || len(names) == 0 || !l.ours {
		return names, err
	}
	all := make([]string, len(fresh)) // foreign keys may lead from one to another
	for i, t := range fresh {
		all[i] = t.Name
	}
	return nil, postgres.EmptyOnly(ctx, tx, all)
}

// withRows are the names of those tables that have any.
func withRows(ctx context.Context, tx pgx.Tx, tables []table) (names []string, err error) {
	var oids []uint32
	for _, t := range tables {
		oids = append(oids, t.Target)
	}
	// an empty file has none, and most are
	written, err := postgres.Column[uint32](ctx, tx, "SELECT o FROM pg_catalog.unnest($1::oid[]) AS o WHERE pg_catalog.pg_relation_size(o::pg_catalog.regclass) > 0", oids)
	if err != nil {
		return nil, err
	}
	maybe := map[uint32]bool{}
	for _, oid := range written {
		maybe[oid] = true
	}
	for _, t := range tables {
		if !maybe[t.Target] {
			continue
		}
		var has bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM ONLY "+t.Name+")").Scan(&has); err != nil {
			return nil, err
		}
		if has {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

// resetTable empties a table and gives its parts to another moment.
func resetTable(t table, moment string) string {
	verb := "TRUNCATE ONLY "
	if !t.Emptied {
		verb = "DELETE FROM ONLY "
	}
	// it waits for the disk: parts of another moment must not come back
	return strings.Join([]string{"BEGIN", "SET LOCAL synchronous_commit = on", verb + t.Name,
		fmt.Sprintf("UPDATE gitover.copy_part SET done = false, moment = %s WHERE relation = %d::oid", postgres.Literal(moment), t.Target), "COMMIT"}, "; ")
}
