package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

const (
	// lockMoment bounds the wait for a table's lock, in milliseconds: other sessions queue behind it.
	lockMoment = 200
	// lockTries at a table that is in use, and lockPause between them.
	lockTries = 5
	lockPause = 500 * time.Millisecond
)

// inMoments runs do for each table in a transaction that holds its lock, and never waits long for one. It returns an error
// if a table was in use each time; the others are done then.
func inMoments[T any](ctx context.Context, conn *pgx.Conn, left []T, table func(T) string, do func(pgx.Tx, T) error) error {
	for try := 1; ; try++ {
		var busy []T
		for _, one := range left {
			err := withTable(ctx, conn, table(one), func(tx pgx.Tx) error { return do(tx, one) })
			if postgres.LockTimeout(err) {
				busy = append(busy, one)
			} else if err != nil {
				return fmt.Errorf("table %s: %w", table(one), err)
			}
		}
		if left = busy; len(left) == 0 {
			return nil
		}
		if try == lockTries {
			return inUse(ctx, conn, table(left[0]), len(left))
		}
		if err := postgres.Pause(ctx, time.Duration(try)*lockPause); err != nil {
			return err
		}
	}
}

// withTable locks a table for a moment. An autovacuum gives way after deadlock_timeout. The commit doesn't wait
// for standbys while the lock is held; later commits do.
func withTable(ctx context.Context, conn *pgx.Conn, table string, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		settings := fmt.Sprintf("SET LOCAL lock_timeout = %d; SET LOCAL deadlock_timeout = %d; SET LOCAL synchronous_commit = local", lockMoment, lockMoment/4)
		for _, statement := range []string{settings, "LOCK TABLE ONLY " + table + " IN ACCESS EXCLUSIVE MODE"} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return do(tx)
	})
}

// errInUse: sessions use a table all the time.
var errInUse = errors.New("it is in use, and a waiting lock of Gitover's would block your applications; it tries again")

// TableInUse: no moment was found to lock a table; worth a retry.
func TableInUse(err error) bool { return errors.Is(err, errInUse) }

func inUse(ctx context.Context, conn *pgx.Conn, table string, tables int) error {
	holders, err := postgres.Collect[struct {
		Session string
		Since   *time.Time
	}](ctx, conn, query("lock_holders"), table)
	if err != nil {
		return err
	}
	var words []string
	for _, h := range holders {
		words = append(words, h.Session)
	}
	more := ""
	if tables > 1 {
		more = fmt.Sprintf(" (and %d more)", tables-1)
	}
	return fmt.Errorf("table %s%s, used by %s: %w", table, more, strings.Join(words, ", "), errInUse)
}
