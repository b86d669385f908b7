package tablecopy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/tablecopy/wire"
)

const (
	// patience with servers that can't be reached, from the first failure or the last success of any worker on.
	patience = 5 * time.Minute
	// firstPause and longestPause between two attempts.
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// worker does one job at a time, with a session on each side.
type worker struct {
	*copier
	from, to *wire.Session
	// unsure whether the last batch is done: its commit may have come through without its answer.
	unsure bool
}

func (w *worker) close() {
	w.closeSource()
	if w.to != nil {
		w.to.Close()
		w.to = nil
	}
}

func (w *worker) closeSource() {
	if w.from != nil {
		w.from.Close()
		w.from = nil
	}
}

func (w *worker) source(ctx context.Context) (s *wire.Session, err error) {
	if w.from == nil {
		w.from, err = wire.Open(ctx, w.From, w.FromDatabase, sourceSettings(w.encoding))
	}
	return w.from, err
}

func (w *worker) target(ctx context.Context) (s *wire.Session, err error) {
	if w.to == nil {
		w.to, err = wire.Open(ctx, w.To, w.ToDatabase, targetSettings(w.encoding))
	}
	return w.to, err
}

// rewrittenError says that tables were emptied or rewritten since the moment that is copied.
type rewrittenError struct{ tables []string }

func (e *rewrittenError) Error() string {
	return fmt.Sprintf("table %s was emptied or rewritten while it was copied: run it again, or with --slot, which carries the change", some(e.tables))
}

// persistently tries again while servers restart or connections break, until nothing has gone well for too long.
func (w *worker) persistently(ctx context.Context, do func() error) error {
	var failing time.Time
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := do()
		if err == nil {
			w.progress.succeeded()
			return nil
		}
		w.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failing.IsZero() {
			failing = time.Now()
		}
		if !passing(err) || min(time.Since(failing), w.progress.stuckFor()) > patience {
			return err
		}
		w.progress.retried(err)
		if err := postgres.Pause(ctx, pause); err != nil {
			return err
		}
	}
}

// atMoment does what depends on a moment; if that is lost, at the next one.
func (w *worker) atMoment(ctx context.Context, do func(*moment) error) error {
	return w.persistently(ctx, func() error {
		for {
			m, err := w.moments.get(ctx)
			if err != nil {
				return err
			}
			err = do(m)
			var rewritten *rewrittenError
			switch {
			case err == nil || ctx.Err() != nil:
				return err
			case errors.As(err, &rewritten) && w.moments.slot:
				w.moments.renew(ctx, m)
			case !w.moments.lost(ctx, m):
				return err
			}
			w.progress.retried(err)
			w.close()
		}
	})
}

// passing errors end by themselves: a server restarts, a connection is cut, a snapshot has gone with its session.
func passing(err error) bool {
	return !errors.Is(err, ErrMomentLost) && (postgres.Unreachable(err) || postgres.Interrupted(err))
}

// copyBatch copies parts at a moment, in one transaction on each side.
func (w *worker) copyBatch(ctx context.Context, m *moment, batch []part) error {
	from, err := w.source(ctx)
	if err != nil {
		return err
	}
	to, err := w.target(ctx)
	if err != nil {
		return err
	}
	if there, err := w.doneBefore(ctx, to, m, batch); there || err != nil {
		return err
	}
	changed, err := from.Query(ctx, beginSource(m.snapshot, batch, m.files, !w.moments.slot))
	if err != nil {
		return err
	}
	var names []string
	for _, row := range changed {
		names = append(names, row[0])
	}
	if len(names) > 0 {
		return &rewrittenError{tables: names}
	}
	meter := w.progress.meter(batch)
	transfer := wire.Transfer{Out: out(batch), In: in(batch, m.id), Moved: func(ctx context.Context, bytes int) error {
		meter.moved(bytes)
		return w.pace.wait(ctx, bytes)
	}}
	w.unsure = true
	rows, err := transfer.Run(ctx, from, to)
	if err != nil {
		meter.undo()
		return err
	}
	w.unsure = false
	var sum int64
	for _, n := range rows {
		sum += n
	}
	meter.done(sum)
	return nil
}

// doneBefore says whether the commit of the last attempt came through, whose answer didn't.
func (w *worker) doneBefore(ctx context.Context, to *wire.Session, m *moment, batch []part) (bool, error) {
	if !w.unsure {
		return false, nil
	}
	rows, err := to.Query(ctx, countDone(batch, m.id))
	if err != nil {
		return false, err
	}
	w.unsure = false
	if len(rows) != 1 || rows[0][0] != strconv.Itoa(len(batch)) {
		return false, nil
	}
	w.progress.meter(batch).done(0)
	return true, nil
}

// nameTables of a batch in an error that the servers report without them.
func nameTables(batch []part, err error) error {
	var names []string
	for _, p := range batch {
		if strings.Contains(err.Error(), p.Name) {
			return err
		}
		names = append(names, p.Name)
	}
	return fmt.Errorf("table %s: %w", some(names), err)
}
