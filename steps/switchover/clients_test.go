package switchover_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// clients write through the poolers and remember what was acknowledged.
type clients struct {
	t    *testing.T
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu           sync.Mutex
	acknowledged map[string]map[[2]int64]bool
	values       map[string]map[int64]int
	errors       []error
	worst        time.Duration
	transactions int
}

// startClients runs count clients at about 300 transactions/s in total.
func (s *stage) startClients(count int) *clients {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &clients{t: s.t, stop: cancel, acknowledged: map[string]map[[2]int64]bool{}, values: map[string]map[int64]int{}}
	for _, db := range databases {
		c.acknowledged[db], c.values[db] = map[[2]int64]bool{}, map[int64]int{}
	}
	for i := range count {
		port, db := s.poolers[i%len(s.poolers)].Admin.Port, databases[i/2%len(databases)]
		config, err := pgx.ParseConfig("sslmode=disable")
		must(s.t, err)
		config.Host, config.Port, config.User, config.Password, config.Database = "127.0.0.1", uint16(port), "app", appPassword, db
		conn, err := pgx.ConnectConfig(ctx, config)
		must(s.t, err)
		interval := time.Duration(count) * time.Second / 300
		c.wg.Go(func() {
			defer conn.Close(context.Background())
			c.run(ctx, conn, db, int64(i), interval)
		})
	}
	return c
}

func (c *clients) run(ctx context.Context, conn *pgx.Conn, db string, client int64, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := int64(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begun := time.Now()
		var value int64
		err := pgx.BeginFunc(context.Background(), conn, func(tx pgx.Tx) error {
			if err := tx.QueryRow(context.Background(), "INSERT INTO ledger (client, n) VALUES ($1, $2) RETURNING nextval('cached')", client, n).Scan(&value); err != nil {
				return err
			}
			_, err := tx.Exec(context.Background(), "INSERT INTO keyless (client, n) SELECT $1, $2 FROM (SELECT nextval('down'), nextval('round')) AS s", client, n)
			return err
		})
		took := time.Since(begun)
		c.mu.Lock()
		c.transactions++
		c.worst = max(c.worst, took)
		if err != nil {
			c.errors = append(c.errors, fmt.Errorf("client %d, transaction %d: %w", client, n, err))
		} else {
			c.acknowledged[db][[2]int64{client, n}] = true
			c.values[db][value]++
		}
		c.mu.Unlock()
		if err != nil && conn.IsClosed() {
			return
		}
	}
}

// awaitMore waits until so many more transactions were acknowledged or failed.
func (c *clients) awaitMore(transactions int) {
	c.t.Helper()
	count := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.transactions
	}
	before := count()
	eventually(c.t, "clients go on", func() bool { return count() >= before+transactions })
}

// takeWorst resets the worst latency and returns it.
func (c *clients) takeWorst() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	worst := c.worst
	c.worst = 0
	return worst
}

// end stops the clients and checks every row on the active side.
func (c *clients) end(s *stage) {
	c.t.Helper()
	c.stop()
	c.wg.Wait()
	for _, err := range c.errors {
		c.t.Error(err)
	}
	for _, db := range databases {
		for value, times := range c.values[db] {
			if times > 1 {
				c.t.Errorf("%s: sequence value %d handed out %d times", db, value, times)
			}
		}
		for _, table := range []string{"ledger", "keyless"} {
			c.compare(s, db, table)
		}
	}
	c.t.Logf("%d transactions, %d errors", c.transactions, len(c.errors))
}

func (c *clients) compare(s *stage, db, table string) {
	c.t.Helper()
	ctx := context.Background()
	conn, err := s.servers[s.active].Connect(ctx, db)
	must(c.t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT client, n, count(*) FROM "+table+" GROUP BY 1, 2")
	must(c.t, err)
	found := map[[2]int64]bool{}
	var client, n, count int64
	_, err = pgx.ForEachRow(rows, []any{&client, &n, &count}, func() error {
		found[[2]int64{client, n}] = true
		if count > 1 {
			c.t.Errorf("%s.%s: row %d/%d is there %d times", db, table, client, n, count)
		}
		return nil
	})
	must(c.t, err)
	for row := range c.acknowledged[db] {
		if !found[row] {
			c.t.Errorf("%s.%s: acknowledged row %v is lost", db, table, row)
		}
	}
}
