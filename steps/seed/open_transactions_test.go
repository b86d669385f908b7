package seed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/test/pg"
)

const openTables = `
CREATE TABLE open_rows (id bigint PRIMARY KEY, how text NOT NULL, note text);
CREATE TABLE totals (how text PRIMARY KEY, n bigint NOT NULL);
INSERT INTO totals SELECT how, 0 FROM unnest('{long,prepared,savepoints,quick}'::text[]) how;`

// openTransactions has clients whose transactions are open most of the time, so that some are at whatever boundary
// comes: in progress, in savepoints of which every other is rolled back, and prepared.
func openTransactions(t *testing.T, s *pg.Server, databases []string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	work := map[string]func(context.Context, *pgx.Conn, int64, *rand.Rand) error{
		"long": long, "savepoints": savepoints, "prepared": prepared, "quick": quick,
	}
	for d, database := range databases {
		for how, do := range work {
			for client := range 3 {
				conn, err := s.Connect(ctx, database)
				must(t, err)
				seed := uint64(d*1000 + client)
				wait.Go(func() {
					defer conn.Close(context.Background())
					random := rand.New(rand.NewPCG(seed, uint64(len(how))))
					for n := int64(0); ctx.Err() == nil; n++ {
						id := int64(len(how))<<40 | int64(client)<<32 | n
						if err := do(context.Background(), conn, id, random); err != nil {
							t.Errorf("%s client in %q: %v", how, database, err)
							return
						}
					}
				})
			}
		}
	}
	return func() { cancel(); wait.Wait() }
}

func pause(random *rand.Rand, most time.Duration) {
	time.Sleep(time.Duration(random.Int64N(int64(most))))
}

func in(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func row(id int64, how string) string {
	return fmt.Sprintf("INSERT INTO open_rows VALUES (%d, '%s', 'new')", id, how)
}

func count(how string) string {
	return fmt.Sprintf("UPDATE totals SET n = n + 1 WHERE how = '%s'", how)
}

// long transactions write, stay idle, and write again.
func long(ctx context.Context, conn *pgx.Conn, id int64, random *rand.Rand) error {
	if err := in(ctx, conn, "BEGIN", row(id, "long")); err != nil {
		return err
	}
	pause(random, 1500*time.Millisecond)
	end := "COMMIT"
	if id%5 == 0 {
		end = "ROLLBACK"
	}
	return in(ctx, conn, fmt.Sprintf("UPDATE open_rows SET note = 'changed' WHERE id = %d", id), count("long"), end)
}

// savepoints are kept and rolled back in turn.
func savepoints(ctx context.Context, conn *pgx.Conn, id int64, random *rand.Rand) error {
	if err := in(ctx, conn, "BEGIN"); err != nil {
		return err
	}
	for i := range int64(4) {
		if err := in(ctx, conn, "SAVEPOINT s", row(id*8+i, "savepoints")); err != nil {
			return err
		}
		pause(random, 300*time.Millisecond)
		end := "RELEASE s"
		if i%2 == 1 {
			end = "ROLLBACK TO s"
		}
		if err := in(ctx, conn, end); err != nil {
			return err
		}
	}
	return in(ctx, conn, count("savepoints"), "COMMIT")
}

// prepared transactions stay so for a while; every fifth is rolled back.
func prepared(ctx context.Context, conn *pgx.Conn, id int64, random *rand.Rand) error {
	gid := fmt.Sprintf("it's %d", id)
	if err := in(ctx, conn, "BEGIN", row(id, "prepared"), fmt.Sprintf("PREPARE TRANSACTION 'it''s %d %d'", id, random.Uint64()>>1)); err != nil {
		return err
	}
	pause(random, 1200*time.Millisecond)
	var name string
	if err := conn.QueryRow(ctx, "SELECT gid FROM pg_prepared_xacts WHERE starts_with(gid, $1 || ' ') AND database = current_database()", gid).Scan(&name); err != nil {
		return err
	}
	end := "COMMIT PREPARED '"
	if id%5 == 0 {
		end = "ROLLBACK PREPARED '"
	}
	return in(ctx, conn, end+"it''s"+name[len("it's"):]+"'")
}

// quick transactions come at a high rate.
func quick(ctx context.Context, conn *pgx.Conn, id int64, random *rand.Rand) error {
	pause(random, 10*time.Millisecond)
	if err := in(ctx, conn, row(id, "quick")); err != nil || id%3 > 0 {
		return err
	}
	return in(ctx, conn, fmt.Sprintf("DELETE FROM open_rows WHERE id = %d", id-1))
}
