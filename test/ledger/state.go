package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// State is what one database holds.
type State struct {
	// Rows counts the rows of each key, by table.
	Rows map[string]map[int64]int
	// Sums are counters' values, journal rows' touches and tickets' clients, by table and key.
	Sums map[string]map[int64]int64
	// Epochs in which one server after the other accepted rows, in the order of time.
	Epochs []Epoch
}

// Epoch is a run of rows that one server accepted, without another's in between.
type Epoch struct {
	Server      int
	First, Last time.Time
	Rows        int64
}

const countEpochs = `
SELECT accepted_by, min(accepted_at), max(accepted_at), count(*)
FROM (SELECT accepted_by, accepted_at,
             sum(changed) OVER (ORDER BY accepted_at, id) AS epoch
      FROM (SELECT id, accepted_by, accepted_at,
                   (accepted_by IS DISTINCT FROM lag(accepted_by) OVER (ORDER BY accepted_at, id))::int AS changed
            FROM ledger.entry) AS marked) AS numbered
GROUP BY epoch, accepted_by ORDER BY epoch`

// Read what the database of conn holds, in one snapshot.
func Read(ctx context.Context, conn *pgx.Conn) (State, error) {
	state := State{Rows: map[string]map[int64]int{}, Sums: map[string]map[int64]int64{}}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return state, fmt.Errorf("read the ledger's tables: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // it only reads
	queries := map[string]string{
		Entries:  `SELECT id, count(*), 0 FROM ledger.entry GROUP BY id`,
		Journal:  `SELECT id, count(*), sum(touched) FROM ledger.journal GROUP BY id`,
		Counters: `SELECT id, count(*), sum(n)::bigint FROM ledger.counter GROUP BY id`,
		Tickets:  `SELECT number, count(*), min(client) FROM ledger.ticket GROUP BY number`,
	}
	for table, query := range queries {
		if state.Rows[table], state.Sums[table], err = readTable(ctx, tx, query); err != nil {
			return state, fmt.Errorf("read ledger.%s: %w", table, err)
		}
	}
	if state.Epochs, err = readEpochs(ctx, tx); err != nil {
		return state, fmt.Errorf("read who accepted the rows of ledger.%s: %w", Entries, err)
	}
	return state, nil
}

func readTable(ctx context.Context, tx pgx.Tx, query string) (map[int64]int, map[int64]int64, error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	counts, sums := map[int64]int{}, map[int64]int64{}
	var key, sum int64
	var count int
	_, err = pgx.ForEachRow(rows, []any{&key, &count, &sum}, func() error {
		counts[key], sums[key] = count, sum
		return nil
	})
	return counts, sums, err
}

func readEpochs(ctx context.Context, tx pgx.Tx) ([]Epoch, error) {
	rows, err := tx.Query(ctx, countEpochs)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Epoch, error) {
		var e Epoch
		err := row.Scan(&e.Server, &e.First, &e.Last, &e.Rows)
		return e, err
	})
}
