package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"
)

//go:embed schema.sql
var schema string

// Config of a workload.
type Config struct {
	// Databases to write to; client i uses the i-th, modulo their number.
	Databases []string
	// Connect opens a session as the application does.
	Connect func(ctx context.Context, database string) (*pgx.Conn, error)
	// Clients that write at the same time, at most 256; 16 if zero.
	Clients int
	// Rate in transactions per second over all clients; 300 if zero.
	Rate float64
	// Limit on recorded transactions, so that a forgotten run doesn't fill the memory; 2,000,000 if zero.
	Limit int
	// Patience with one transaction before the client hangs up; one minute if zero.
	Patience time.Duration
	// Lifetime of a session, after which the client opens a new one, as pools of connections
	// do; for ever if zero.
	Lifetime time.Duration
	// Seed of what is written; the same seed gives each client the same course.
	Seed uint64
	// Generation keeps the keys of several workloads on the same tables apart.
	Generation int64
}

func (c Config) withDefaults() Config {
	if c.Clients == 0 {
		c.Clients = 16
	}
	if c.Rate == 0 {
		c.Rate = 300
	}
	if c.Limit == 0 {
		c.Limit = 2_000_000
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	return c
}

// Workload writes and keeps the ledger.
type Workload struct {
	config  Config
	limiter *rate.Limiter
	// writing is held by each transaction, and by who wants that there is none.
	writing sync.RWMutex

	mu      sync.Mutex
	history []Transaction
	failed  int
	cut     int
}

// New makes a workload. Nothing runs before Run.
func New(config Config) *Workload {
	config = config.withDefaults()
	return &Workload{config: config, limiter: rate.NewLimiter(rate.Limit(config.Rate), max(1, config.Clients/4))}
}

// Install makes the ledger's tables in the database of conn; a second run changes nothing.
func Install(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, schema); err != nil {
		return fmt.Errorf("install the ledger's tables: %w", err)
	}
	return nil
}

// InstallFor is Install for a role that writes; it lacks the rights of who owns the tables.
func InstallFor(ctx context.Context, conn *pgx.Conn, role string) error {
	if err := Install(ctx, conn); err != nil {
		return err
	}
	name := pgx.Identifier{role}.Sanitize()
	_, err := conn.Exec(ctx, fmt.Sprintf("GRANT USAGE ON SCHEMA ledger TO %[1]s; GRANT ALL ON ALL TABLES IN SCHEMA ledger TO %[1]s; GRANT ALL ON ALL SEQUENCES IN SCHEMA ledger TO %[1]s", name))
	return err
}

// Run writes until ctx is done. Each client finishes its transaction, so that nothing is
// left unknown by the end itself. It returns an error if the record is full.
func (w *Workload) Run(ctx context.Context) error {
	var clients sync.WaitGroup
	for i := range w.config.Clients {
		clients.Go(func() { w.newClient(i).run(ctx) })
	}
	clients.Wait()
	if len(w.History()) >= w.config.Limit {
		return fmt.Errorf("the ledger is full: %d transactions", w.config.Limit)
	}
	return nil
}

// Pause returns when no transaction is under way; none begins before resume was called.
// Sessions stay open, so that what they know goes on to count.
func (w *Workload) Pause() (resume func()) {
	w.writing.Lock()
	return sync.OnceFunc(w.writing.Unlock)
}

// History of all transactions so far, in the order in which they ended.
func (w *Workload) History() []Transaction {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.history[:len(w.history):len(w.history)]
}

// Count of transactions so far, of those that an application would call failed, and of
// sessions that were cut off or could not be opened.
func (w *Workload) Count() (transactions, failed, cut int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.history), w.failed, w.cut
}

// Worst latency among transactions that ended after a time.
func (w *Workload) Worst(since time.Time) time.Duration {
	history := w.History()
	var worst time.Duration
	for i := len(history) - 1; i >= 0 && !history[i].End.Before(since); i-- {
		worst = max(worst, history[i].Latency())
	}
	return worst
}

// record a transaction; false when the record is full.
func (w *Workload) record(t Transaction) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.Failed() {
		w.failed++
	}
	w.history = append(w.history, t)
	return len(w.history) < w.config.Limit
}

func (w *Workload) countCut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut++
}

func (w *Workload) newClient(number int) *client {
	return &client{
		workload: w, number: number,
		database: w.config.Databases[number%len(w.config.Databases)],
		random:   rand.New(rand.NewPCG(w.config.Seed, uint64(number))),
		nextKey:  w.config.Generation<<52 | int64(number)<<40,
	}
}
