package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// mostNamed rows of a table are named when they differ.
const mostNamed = 5

// rowByRow reads single rows until each is known to be equal or to differ, or the rounds are over, and returns how
// many differ. A difference counts if the row is still the same on blue after all transactions have ended that were
// active when the difference was found: green may show a commit a moment before blue's other sessions do. Each
// round reads all rows of the table.
func (v *verifier) rowByRow(ctx context.Context, t verifiedTable, all int64, chosen selection) (differing int, err error) {
	found := map[int64]rowDigest{}
	var differ, open []int64
	for round := 0; round < v.options.Rounds && (round == 0 || len(open) > 0); round++ {
		rows, err := v.read(ctx, all, t.digests(t.key(), chosen.filter), chosen.args...)
		if err != nil {
			return 0, err
		}
		suspects, hot := rows.judge()
		open = hot
		for _, row := range suspects {
			if earlier, again := found[row]; again && earlier == rows.after[row] {
				differ = append(differ, row)
			} else {
				open = append(open, row)
			}
		}
		if err := v.remember(ctx, found, suspects, rows.after); err != nil {
			return 0, err
		}
		chosen = selection{}.and(t.key(), open)
	}
	v.report.InFlight += len(open)
	return len(differ), v.name(ctx, t, differ)
}

// remember makes found the suspects as blue has them, once the active transactions have ended.
func (v *verifier) remember(ctx context.Context, found map[int64]rowDigest, suspects []int64, rows reading) error {
	clear(found)
	if len(suspects) == 0 {
		return nil
	}
	ended, err := v.transactionsEnd(ctx)
	if err != nil || !ended {
		return err
	}
	for _, row := range suspects {
		found[row] = rows[row]
	}
	return nil
}

// commitPatience is how long a transaction may take from its commit to being visible; with
// synchronous replication that is a round trip and more.
const commitPatience = 10 * time.Second

// transactionsEnd waits for the transactions that are active on blue now; false when one of
// them takes longer than commitPatience.
func (v *verifier) transactionsEnd(ctx context.Context) (bool, error) {
	active, err := postgres.Column[string](ctx, v.blue, query("active_transactions"))
	if err != nil {
		return false, err
	}
	end := time.Now().Add(commitPatience)
	over := false
	err = postgres.WaitUntil(ctx, 5*time.Millisecond, func() (bool, error) {
		err := v.blue.QueryRow(ctx, query("active_transactions_over"), active).Scan(&over)
		return over || time.Now().After(end), err
	})
	return over, err
}

// name adds the rows that differ to the report: by their names on blue, or on green if they are only there.
func (v *verifier) name(ctx context.Context, t verifiedTable, rows []int64) error {
	for i, row := range rows {
		if i == mostNamed {
			v.report.Mismatches = append(v.report.Mismatches, fmt.Sprintf("table %s: %d more rows differ", t.name(), len(rows)-mostNamed))
			break
		}
		var place [2]string
		for side, conn := range []*pgx.Conn{v.blue, v.green} {
			if err := conn.QueryRow(ctx, t.nameOf(), row).Scan(&place[side]); err != nil {
				return err
			}
		}
		sentence := fmt.Sprintf("table %s: %s differs", t.name(), t.words(place[0], row))
		switch {
		case place[0] == "":
			sentence = fmt.Sprintf("table %s: %s is only on the new side", t.name(), t.words(place[1], row))
		case place[1] == "":
			sentence = fmt.Sprintf("table %s: %s is missing on the new side", t.name(), t.words(place[0], row))
		}
		v.report.Mismatches = append(v.report.Mismatches, sentence)
	}
	return nil
}
