package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// kinds is everything a client may do, and how often of a hundred times.
var kinds = []struct {
	name  string
	share int
	run   func(c *client, ctx context.Context, t *Transaction) error
}{
	{"insert", 17, (*client).insert},
	{"count", 15, (*client).count},
	{"count-own", 10, (*client).countOwn},
	{"read-own", 10, (*client).readOwn},
	{"read-shared", 3, (*client).readShared},
	{"transfer", 15, (*client).transfer},
	{"journal-insert", 8, (*client).journalInsert},
	{"journal-touch", 5, (*client).journalTouch},
	{"journal-delete", 3, (*client).journalDelete},
	{"delete", 4, (*client).deleteEntry},
	{ticket, 5, (*client).ticket},
	{"draw", 3, (*client).draw},
	{"change-mind", 2, (*client).changeMind},
}

type kind struct {
	name string
	run  func(c *client, ctx context.Context, t *Transaction) error
}

func (c *client) pick() kind {
	n := c.random.IntN(100)
	for _, k := range kinds {
		if n < k.share {
			return kind{k.name, k.run}
		}
		n -= k.share
	}
	panic("the shares of the kinds do not add up to 100")
}

// Counters: 0–63 are shared, 64–127 accounts, 128–383 the clients' own.
const (
	sharedCounters = 64
	firstAccount   = 64
	accounts       = 64
	firstOwn       = 128
)

func (c *client) own() int64 { return firstOwn + int64(c.number) }

const (
	insertEntry   = `INSERT INTO ledger.entry (id, client, note) VALUES ($1, $2, $3)`
	addToCounter  = `UPDATE ledger.counter SET n = n + $2 WHERE id = $1`
	selectCounter = `SELECT n FROM ledger.counter WHERE id = $1`
)

func (c *client) insert(ctx context.Context, t *Transaction) error {
	key := c.key()
	t.Effects = append(t.Effects, Effect{Insert, Entries, key, 0})
	_, err := c.conn.Exec(ctx, insertEntry, key, c.number, t.Name)
	return err
}

func (c *client) count(ctx context.Context, t *Transaction) error {
	return c.add(ctx, t, c.random.Int64N(sharedCounters), 1+c.random.Int64N(9))
}

func (c *client) countOwn(ctx context.Context, t *Transaction) error {
	return c.add(ctx, t, c.own(), 1)
}

func (c *client) add(ctx context.Context, t *Transaction, counter, delta int64) error {
	t.Effects = append(t.Effects, Effect{Add, Counters, counter, delta})
	return oneRow(c.conn.Exec(ctx, addToCounter, counter, delta))
}

// readOwn sees what this session made itself.
func (c *client) readOwn(ctx context.Context, t *Transaction) error {
	return c.see(ctx, t, c.own())
}

// readShared sees what others made: it must not vanish again. Few counters, so that each is
// looked at often.
func (c *client) readShared(ctx context.Context, t *Transaction) error {
	return c.see(ctx, t, c.random.Int64N(4))
}

func (c *client) see(ctx context.Context, t *Transaction, counter int64) error {
	var n int64
	if err := c.conn.QueryRow(ctx, selectCounter, counter).Scan(&n); err != nil {
		return err
	}
	t.Effects = append(t.Effects, Effect{Saw, Counters, counter, n})
	return nil
}

// transfer moves an amount between two accounts and writes it down, all or nothing.
func (c *client) transfer(ctx context.Context, t *Transaction) error {
	from := firstAccount + c.random.Int64N(accounts)
	to := firstAccount + (from-firstAccount+1+c.random.Int64N(accounts-1))%accounts
	amount, key := 1+c.random.Int64N(100), c.key()
	t.Effects = append(t.Effects,
		Effect{Add, Counters, from, -amount}, Effect{Add, Counters, to, amount}, Effect{Insert, Entries, key, 0})
	return c.inTransaction(ctx, func(tx pgx.Tx) error {
		// in the order of keys: transfers must not deadlock
		for _, side := range ordered(Effect{Key: from, Value: -amount}, Effect{Key: to, Value: amount}) {
			if err := oneRow(tx.Exec(ctx, addToCounter, side.Key, side.Value)); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, insertEntry, key, c.number, t.Name)
		return err
	})
}

func ordered(a, b Effect) [2]Effect {
	if a.Key > b.Key {
		return [2]Effect{b, a}
	}
	return [2]Effect{a, b}
}

func (c *client) journalInsert(ctx context.Context, t *Transaction) error {
	key := c.key()
	t.Effects = append(t.Effects, Effect{Insert, Journal, key, 0})
	_, err := c.conn.Exec(ctx, `INSERT INTO ledger.journal (id, client, payload) VALUES ($1, $2, repeat('x', 100))`, key, c.number)
	return err
}

func (c *client) journalTouch(ctx context.Context, t *Transaction) error {
	if len(c.journal) == 0 {
		return c.journalInsert(ctx, t)
	}
	key := c.journal[c.random.IntN(len(c.journal))]
	t.Effects = append(t.Effects, Effect{Add, Journal, key, 1})
	return oneRow(c.conn.Exec(ctx, `UPDATE ledger.journal SET touched = touched + 1 WHERE id = $1`, key))
}

func (c *client) journalDelete(ctx context.Context, t *Transaction) error {
	key, ok := c.take(&c.journal)
	if !ok {
		return c.journalInsert(ctx, t)
	}
	t.Effects = append(t.Effects, Effect{Delete, Journal, key, 0})
	return oneRow(c.conn.Exec(ctx, `DELETE FROM ledger.journal WHERE id = $1`, key))
}

func (c *client) deleteEntry(ctx context.Context, t *Transaction) error {
	key, ok := c.take(&c.entries)
	if !ok {
		return c.insert(ctx, t)
	}
	t.Effects = append(t.Effects, Effect{Delete, Entries, key, 0})
	return oneRow(c.conn.Exec(ctx, `DELETE FROM ledger.entry WHERE id = $1`, key))
}

// ticket is the name of the transaction whose row has a number that the server draws.
const ticket = "ticket"

// ticket draws from an identity and a serial column at once.
func (c *client) ticket(ctx context.Context, t *Transaction) error {
	var number, serial int64
	err := c.conn.QueryRow(ctx, `INSERT INTO ledger.ticket (client) VALUES ($1) RETURNING number, serial`, c.number).Scan(&number, &serial)
	if err != nil {
		return err
	}
	t.Effects = append(t.Effects, Effect{Insert, Tickets, number, 0},
		Effect{Draw, "ticket_number_seq", 0, number}, Effect{Draw, "ticket_serial_seq", 0, serial})
	return nil
}

// draw takes values that no table remembers: only a sequence that goes back shows.
func (c *client) draw(ctx context.Context, t *Transaction) error {
	var lone, down int64
	err := c.conn.QueryRow(ctx, `SELECT nextval('ledger.lone'), nextval('ledger.down')`).Scan(&lone, &down)
	if err != nil {
		return err
	}
	t.Effects = append(t.Effects, Effect{Draw, "lone", 0, lone}, Effect{Draw, "down", 0, down})
	return nil
}

// changeMind writes and rolls back: the row must never be seen.
func (c *client) changeMind(ctx context.Context, t *Transaction) error {
	key := c.key()
	t.Effects = append(t.Effects, Effect{Insert, Entries, key, 0}, Effect{Add, Counters, c.own(), 1})
	return c.inTransaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertEntry, key, c.number, t.Name); err != nil {
			return err
		}
		if err := oneRow(tx.Exec(ctx, addToCounter, c.own(), 1)); err != nil {
			return err
		}
		return errOnPurpose
	})
}

// oneRow: a write that meets no row is a loss that shows at once.
func oneRow(tag interface{ RowsAffected() int64 }, err error) error {
	if err != nil {
		return err
	}
	if n := tag.RowsAffected(); n != 1 {
		return fmt.Errorf("%w: %d rows instead of one", errWrongCount, n)
	}
	return nil
}
