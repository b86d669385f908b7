package fill

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// insistence is how often all tries of Exercise are made again.
const insistence = 10

// Insist tries many more values where Exercise did nothing and, before, statements of the kind did something: with few values that
// fit, it may have been chance.
func (w *Writer) Insist(ctx context.Context, report, before Report) error {
	return w.again(ctx, report, before, report)
}

// again makes the statements that are doubtful, and notes what they do in another report, or the same.
func (w *Writer) again(ctx context.Context, doubtful, before, noted Report) error {
	for _, t := range w.catalog.tables {
		for _, op := range Operations {
			if !doubtful[t.Name][op].doubtful(before[t.Name][op]) {
				continue
			}
			o := noted.of(t, op)
			for attempt := 0; attempt < insistence && o.Done == 0; attempt++ {
				var err error
				switch op {
				case Insert:
					_, err = w.insert(ctx, t, o)
				case Update:
					err = w.update(ctx, t, o, 1, updateTries)
				case Delete:
					err = w.delete(ctx, t, o, false)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Rehearse makes the doubtful statements, and no others, in a transaction that is rolled back. Only sequences keep what they gave.
func (w *Writer) Rehearse(ctx context.Context, doubtful, before Report) (report Report, err error) {
	if _, err := w.conn.Exec(ctx, "BEGIN; SET CONSTRAINTS ALL IMMEDIATE", pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, err
	}
	w.undone = true
	defer func() {
		w.undone = false
		_, rollback := w.conn.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
		err = errors.Join(err, rollback)
	}()
	report = Report{}
	return report, w.again(ctx, doubtful, before, report)
}

const savepoint = "gitover_catalogue"
