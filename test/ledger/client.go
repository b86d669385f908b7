package ledger

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// client is one session of an application: it holds one connection and does one
// transaction after the other.
type client struct {
	workload *Workload
	number   int
	database string
	random   *rand.Rand
	conn     *pgx.Conn
	opened   time.Time

	nextKey int64
	// entries and journal are keys of acknowledged rows that nobody deleted yet.
	entries []int64
	journal []int64
}

// reconnectPause keeps a client that is refused from spinning.
const reconnectPause = 20 * time.Millisecond

func (c *client) run(ctx context.Context) {
	defer c.hangUp()
	for c.workload.limiter.Wait(ctx) == nil {
		if !c.connected(ctx) {
			continue
		}
		c.workload.writing.RLock()
		more := c.workload.record(c.transact(ctx))
		c.workload.writing.RUnlock()
		if !more {
			return
		}
	}
}

// connected opens the session if there is none.
func (c *client) connected(ctx context.Context) bool {
	if limit := c.workload.config.Lifetime; limit > 0 && c.conn != nil && time.Since(c.opened) > limit {
		c.hangUp()
	}
	if c.conn != nil && !c.conn.IsClosed() {
		return true
	}
	conn, err := c.workload.config.Connect(ctx, c.database)
	if err == nil {
		c.conn, c.opened = conn, time.Now()
		return true
	}
	if ctx.Err() == nil {
		c.workload.countCut()
		select {
		case <-time.After(reconnectPause):
		case <-ctx.Done():
		}
	}
	return false
}

func (c *client) hangUp() {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx) // the end of the run; nothing depends on it
}

// transact does one transaction and says what came of it. The end of the run does not
// interrupt it.
func (c *client) transact(ctx context.Context) Transaction {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.workload.config.Patience)
	defer cancel()
	do := c.pick()
	t := Transaction{Client: c.number, Database: c.database, Name: do.name, Start: time.Now()}
	err := do.run(c, ctx, &t)
	t.End = time.Now()
	t.Outcome = c.judge(err)
	t.Miscounted = errors.Is(err, errWrongCount)
	if errors.Is(err, errOnPurpose) {
		t.Intended = true
	} else if err != nil {
		t.Error = err.Error()
	}
	if c.conn.IsClosed() {
		c.workload.countCut()
	}
	c.learn(t)
	return t
}

// judge: an error before COMMIT was sent is a refusal, whatever became of the connection.
func (c *client) judge(err error) Outcome {
	var early *beforeCommitError
	if errors.Is(err, errOnPurpose) || errors.As(err, &early) {
		return Refused
	}
	return outcomeOf(err)
}

// learn what later transactions may build upon.
func (c *client) learn(t Transaction) {
	if t.Outcome != Acknowledged {
		return
	}
	for _, e := range t.Effects {
		if e.Kind != Insert {
			continue
		}
		switch e.Table {
		case Entries:
			c.entries = append(c.entries, e.Key)
		case Journal:
			c.journal = append(c.journal, e.Key)
		}
	}
}

func (c *client) key() int64 {
	c.nextKey++
	return c.nextKey
}

// take removes a random key from the list.
func (c *client) take(keys *[]int64) (int64, bool) {
	if len(*keys) == 0 {
		return 0, false
	}
	i, last := c.random.IntN(len(*keys)), len(*keys)-1
	key := (*keys)[i]
	(*keys)[i] = (*keys)[last]
	*keys = (*keys)[:last]
	return key, true
}

// beforeCommitError marks an error of a transaction whose COMMIT was never sent.
type beforeCommitError struct{ cause error }

func (e *beforeCommitError) Error() string { return e.cause.Error() }
func (e *beforeCommitError) Unwrap() error { return e.cause }

// errOnPurpose is the client's own change of mind.
var errOnPurpose = errors.New("rolled back on purpose")

// inTransaction runs body between BEGIN and COMMIT.
func (c *client) inTransaction(ctx context.Context, body func(pgx.Tx) error) error {
	tx, err := c.conn.Begin(ctx)
	if err != nil {
		return &beforeCommitError{err}
	}
	if err := body(tx); err != nil {
		_ = tx.Rollback(ctx) // the transaction is lost either way
		if errors.Is(err, errOnPurpose) {
			return err
		}
		return &beforeCommitError{err}
	}
	return tx.Commit(ctx)
}
