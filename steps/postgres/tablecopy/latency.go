package tablecopy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

const (
	// latencies of the last commits, of which the middle one counts: a checkpoint alone slows nothing down.
	latencies = 5
	// calmSeconds without a slow commit, before more is read again.
	calmSeconds = 10
	// leastPace that a copy keeps, in bytes a second: it must end, since its slot keeps WAL.
	leastPace = 1 << 20
)

// considerate slows a copy down while commits on the source take longer than they may: to a half at once, and up again by and by.
type considerate struct {
	most  time.Duration
	last  []time.Duration
	calm  int
	limit int64
}

// heard of a commit's latency, in a second in which so many bytes passed. It returns the limit from now on; 0 for none.
func (c *considerate) heard(latency time.Duration, bytes int64) int64 {
	c.last = append(c.last, latency)
	c.last = c.last[max(len(c.last)-latencies, 0):]
	switch middle := c.middle(); {
	case len(c.last) < latencies:
	case middle > c.most:
		now := bytes
		if c.limit > 0 {
			now = min(now, c.limit)
		}
		c.limit, c.last, c.calm = max(now/2, leastPace), nil, 0
	case c.limit > 0:
		if c.calm++; c.calm < calmSeconds {
			break
		}
		c.calm = 0
		c.limit += c.limit / 2
		if bytes < c.limit/3 { // something else holds it back
			c.limit = 0
		}
	}
	return c.limit
}

func (c *considerate) middle() time.Duration {
	if len(c.last) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(c.last))
	return sorted[len(sorted)/2]
}

// describe why the copy is slow; empty if it isn't slowed down.
func (c *considerate) describe(source string) string {
	if c.limit == 0 {
		return ""
	}
	return fmt.Sprintf("commits on %s took more than %s, so it reads %s/s at most", source, c.most, postgres.HumanBytes(c.limit))
}

// probe how long a commit on the source takes, and adapt. What can't be measured changes nothing.
func (c *copier) probe(ctx context.Context) {
	if c.CommitLatency == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var took time.Duration
	err := postgres.WithSession(ctx, c.From, c.FromDatabase, func(conn *connection) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		// a commit waits for the disk only if its transaction has written something
		if _, err := tx.Exec(ctx, "SELECT pg_catalog.pg_logical_emit_message(true, 'gitover', '')", pgx.QueryExecModeExec); err != nil {
			return err
		}
		begun := time.Now()
		err = tx.Commit(ctx)
		took = time.Since(begun)
		return err
	})
	if err != nil {
		return
	}
	c.pace.slowTo(c.latency.heard(took, c.pace.sinceLast()))
	slowed := c.latency.describe(c.From.Instance)
	c.progress.change(func(p *Progress) { p.Slowed = slowed })
}
