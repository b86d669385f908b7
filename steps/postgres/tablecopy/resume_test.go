package tablecopy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
	"github.com/gitover/gitover/test/pg"
)

// stock is a large table, middling ones, and many small ones, with keys.
const stock = `CREATE TABLE large (id bigint PRIMARY KEY, n int, t text); INSERT INTO large SELECT g, 0, repeat(md5(g::text), 10) FROM generate_series(1, 30000) g;
CREATE TABLE items (id bigint PRIMARY KEY, n int, of bigint REFERENCES large, t text); INSERT INTO items SELECT g, 0, g, repeat('x', 100) FROM generate_series(1, 20000) g; CREATE INDEX ON items (t, n);
DO $do$ BEGIN FOR i IN 1..150 LOOP EXECUTE format('CREATE TABLE small%s (id int PRIMARY KEY, n int)', i); EXECUTE format('INSERT INTO small%s SELECT g, 0 FROM generate_series(1, 20) g', i); END LOOP; END $do$;
CREATE PUBLICATION everything FOR ALL TABLES`

// writes to the source until the context ends: each statement changes several tables.
func writes(ctx context.Context, blue *pg.Server, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	next := 1_000_000
	for ctx.Err() == nil {
		conn, err := blue.Connect(ctx, database)
		if err != nil {
			continue
		}
		for err == nil && ctx.Err() == nil {
			next++
			small := random.IntN(150) + 1
			_, err = conn.Exec(ctx, fmt.Sprintf(`INSERT INTO large VALUES (%d, 1, 'new'); INSERT INTO items VALUES (%d, 1, %d, 'new'); UPDATE large SET n = n + 1 WHERE id = %d; UPDATE items SET n = n + 1 WHERE id = %d;
				DELETE FROM items WHERE id = %d; UPDATE small%d SET n = n + 1; INSERT INTO small%d VALUES (%d, 1); DELETE FROM small%d WHERE id = %d`,
				next, next, next, random.IntN(30000), random.IntN(20000), random.IntN(20000), small, small, next, random.IntN(150)+1, random.IntN(20)))
			if err == nil {
				err = postgres.Pause(ctx, 5*time.Millisecond)
			}
		}
		_ = conn.Close(context.WithoutCancel(ctx))
	}
}

// faults of a copy by their names.
var faults = []struct {
	name string
	do   func(blue, green *pg.Server, kill func())
}{
	{"the process dies", func(_, _ *pg.Server, kill func()) { kill() }},
	{"the source crashes", func(blue, _ *pg.Server, _ func()) { blue.Kill(); blue.Run() }},
	{"the target crashes", func(_, green *pg.Server, _ func()) { green.Kill(); green.Run() }},
	{"sessions of the source are cut", func(blue, _ *pg.Server, _ func()) { blue.Query("", terminate) }},
	{"sessions of the target are cut", func(_, green *pg.Server, _ func()) { green.Query("", terminate) }},
	{"one session of the target is cut", func(_, green *pg.Server, _ func()) { green.Query("", terminate+" LIMIT 1") }},
}

const terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gitover' AND datname = '" + database + "' AND query !~ 'advisory'"

func TestWhateverDiesEachRowIsThereOnce(t *testing.T) {
	pairs := [][2]int{{15, 17}, {18, 15}, {13, 18}, {17, 18}}
	for seed := range uint64(pg.Number("GITOVER_SEEDS", 2)) {
		versions := pairs[seed%uint64(len(pairs))]
		t.Run(fmt.Sprintf("seed %d, %d to %d", seed, versions[0], versions[1]), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			blue, green := bare(t, versions[0], versions[1], stock)
			writing, stop := context.WithCancel(t.Context())
			written := make(chan struct{})
			go func() { writes(writing, blue, seed); close(written) }()
			defer func() { stop(); <-written }()
			o := options(blue, green)
			o.Slot, o.Indexes, o.PartBytes, o.BytesPerSecond = "copy_slot", true, 1<<20, 4<<20
			var report tablecopy.Report
			left, at := 5, random.Int64N(5<<20)
			for attempt := 0; ; attempt++ {
				ctx, kill := context.WithCancel(t.Context())
				var err error
				o.Progress = func(p tablecopy.Progress) {
					if left > 0 && p.BytesCopied >= at && ctx.Err() == nil {
						left, at = left-1, p.BytesCopied+random.Int64N(5<<20)
						fault := faults[random.IntN(len(faults))]
						t.Logf("at %s: %s", p, fault.name)
						fault.do(blue, green, kill)
					}
				}
				report, err = tablecopy.Copy(ctx, o)
				kill()
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("attempt %d: %v", attempt, err)
				}
			}
			t.Logf("positions %v, left %q", report.Positions, report.Unvalidated)
			follows(t, blue, green, o)
			stop()
			<-written
			awaitCaughtUp(t, blue, green, o.Slot)
			sameRows(t, blue, green)
			for _, statement := range report.Unvalidated {
				green.Exec(database, statement)
			}
			// each table has its key, and the large one's rows are found by it
			if n := green.Query(database, "SELECT count(*) FROM pg_constraint WHERE contype IN ('f', 'p') AND convalidated AND connamespace = 'public'::regnamespace"); n != "153" {
				t.Errorf("%s keys", n)
			}
		})
	}
}

func follows(t *testing.T, blue, green *pg.Server, o tablecopy.Options) {
	t.Helper()
	for range 2 {
		if err := tablecopy.Follow(t.Context(), o, "everything"); err != nil {
			t.Fatal(err)
		}
	}
	if n := green.Query(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'gitover'"); n != "0" {
		t.Error("the record of the copy is left")
	}
	if n := blue.Query("", "SELECT count(*) FROM pg_replication_slots"); n != "1" {
		t.Errorf("%s slots", n)
	}
}

// awaitCaughtUp returns once the target has applied everything that the source has written.
func awaitCaughtUp(t *testing.T, blue, green *pg.Server, slot string) {
	t.Helper()
	position := blue.Query(database, "SELECT pg_current_wal_lsn()")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := postgres.WaitUntil(ctx, 100*time.Millisecond, func() (bool, error) {
		blue.Exec(database, "SELECT pg_logical_emit_message(true, 'test', '')") // so that there's something to confirm
		return blue.Query("", fmt.Sprintf("SELECT confirmed_flush_lsn >= '%s' FROM pg_replication_slots WHERE slot_name = '%s'", position, slot)) == "t", nil
	})
	if err != nil {
		t.Fatalf("the target doesn't catch up: %v\n%s\n%s", err, pg.LastLines(green.Log(), 20), pg.LastLines(blue.Log(), 20))
	}
}

// TestAWorkerThatIsCutInTheMiddleOfABatchCopiesNoTableTwice: what the batch had written is gone with its transaction.
func TestAWorkerThatIsCutInTheMiddleOfABatchCopiesNoTableTwice(t *testing.T) {
	blue, green := bare(t, 15, 17, stock)
	holder, err := green.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(context.Background()) }()
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE small30 IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := tablecopy.Copy(t.Context(), options(blue, green)); ended <- err }()
	const waiting = "FROM pg_locks WHERE relation = 'small30'::regclass AND NOT granted"
	await := func(what, query string) {
		t.Helper()
		for n := 0; green.Query(database, query) != "1"; n++ {
			if err := postgres.Pause(t.Context(), 50*time.Millisecond); err != nil || n > 1200 {
				t.Fatal(what, err)
			}
		}
	}
	for range 2 { // each attempt has begun with the batch's first tables
		await("no batch waits in its middle", "SELECT count(*) "+waiting)
		if n := green.Query(database, "SELECT (SELECT count(*) FROM gitover.copy_part WHERE relation = 'small30'::regclass AND done) + (SELECT count(*) FROM small30)"); n != "0" {
			t.Fatal("half a batch is done")
		}
		await("its session isn't cut", "SELECT count(pg_terminate_backend(pid, 10000)) "+waiting)
	}
	if _, err := holder.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	sameRows(t, blue, green)
}

func TestWithoutASlotALostSnapshotBeginsAgainFromEmptyTables(t *testing.T) {
	blue, green := bare(t, 15, 17, stock)
	o := options(blue, green)
	o.PartBytes, o.BytesPerSecond = 1<<20, 4<<20
	met := false
	o.Progress = func(p tablecopy.Progress) {
		if !met && p.BytesCopied > 4<<20 {
			met = true
			blue.Kill()
			blue.Run()
		}
	}
	if _, err := tablecopy.Copy(t.Context(), o); !errors.Is(err, tablecopy.ErrMomentLost) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v", err)
	}
	blue.Exec(database, "UPDATE large SET n = 5; DELETE FROM items WHERE id < 100")
	copies(t, options(blue, green))
	sameRows(t, blue, green)
}

func TestACanceledCopyLeavesNothing(t *testing.T) {
	blue, green := bare(t, 15, 17, stock)
	o := options(blue, green)
	o.Slot, o.PartBytes, o.BytesPerSecond = "copy_slot", 1<<20, 4<<20
	if err := tablecopy.Cancel(t.Context(), o); !errors.Is(err, tablecopy.ErrNoCopy) {
		t.Error(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	o.Progress = func(p tablecopy.Progress) {
		if p.BytesCopied > 4<<20 {
			if err := tablecopy.Cancel(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another gitover copy") {
				t.Errorf("while it runs: %v", err)
			}
			kill()
		}
	}
	if _, err := tablecopy.Copy(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := tablecopy.Cancel(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if n := blue.Query("", "SELECT count(*) FROM pg_replication_slots"); n != "0" {
		t.Errorf("%s slots", n)
	}
	for name, rows := range digest(t, green) {
		if rows != "0 rows, 0" {
			t.Errorf("%s has %s", name, rows)
		}
	}
	if n := green.Query(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'gitover'"); n != "0" {
		t.Error("the record is left")
	}
}

// TestACopyIsConsiderate: each commit of the source waits for a tenth of a second, twice as long as it may.
func TestACopyIsConsiderate(t *testing.T) {
	blue := pg.Start(t, 15, pg.Settings{"wal_level": "logical", "fsync": "on", "commit_delay": "100000", "commit_siblings": "0"})
	green := pg.Start(t, 17, pg.Logical)
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("", "CREATE DATABASE "+database)
		s.Exec(database, "CREATE TABLE large (id int, what text)")
	}
	blue.Exec(database, "INSERT INTO large SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 50000) g")
	o := options(blue, green)
	o.BytesPerSecond, o.CommitLatency = 2<<20, 50*time.Millisecond
	slowed := ""
	o.Progress = func(p tablecopy.Progress) {
		if p.Slowed != "" {
			slowed = p.Slowed
		}
	}
	copies(t, o)
	if !strings.Contains(slowed, "took more than 50ms") {
		t.Errorf("slowed: %q", slowed)
	}
	sameRows(t, blue, green)
}

// TestACopyForAControllerFillsWhatIsPublished: it makes no slot, empties only what nobody can use, and notes how far it is.
func TestACopyForAControllerFillsWhatIsPublished(t *testing.T) {
	blue, green := bare(t, 15, 17, "CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY); INSERT INTO kept SELECT generate_series(1, 100); INSERT INTO other VALUES (1); CREATE PUBLICATION published FOR TABLE kept")
	o := options(blue, green)
	o.Slot, o.Indexes, o.Supervised, o.Publication = "copy_slot", true, true, "published"
	if _, err := tablecopy.Copy(t.Context(), o); !tablecopy.Final(err) || !strings.Contains(err.Error(), "the copy was ended") {
		t.Errorf("without a slot: %v", err)
	}
	if n := green.Query(database, "SELECT to_regclass('gitover.copy_run') IS NOT NULL"); n != "f" {
		t.Error("a copy that was ended makes a record")
	}
	blue.Query(database, "SELECT pg_create_logical_replication_slot('copy_slot', 'pgoutput')::text")
	green.Exec(database, "INSERT INTO kept VALUES (7)")
	if _, err := tablecopy.Copy(t.Context(), o); !errors.Is(err, postgres.ErrServes) {
		t.Errorf("rows of a database that is open: %v", err)
	}
	green.Exec("", "ALTER DATABASE "+database+" CONNECTION LIMIT 0")
	if report := copies(t, o); report.Tables != 1 || report.IndexesBuilt != 2 {
		t.Errorf("%+v", report)
	}
	if got := green.Query(database, "SELECT (SELECT count(*) FROM kept) || ' ' || (SELECT count(*) FROM other)"); got != "100 0" {
		t.Errorf("rows: %s", got)
	}
	r, found, err := tablecopy.ReadRecord(t.Context(), green.Server, database)
	if err != nil || !found || !r.Finished || r.Slot != "copy_slot" || r.Progress.TablesCopied != 1 || r.Age > time.Minute {
		t.Errorf("%+v, %t, %v", r, found, err)
	}
	if err := tablecopy.SetPace(t.Context(), green.Server, database, tablecopy.Pace{Paused: "why"}); err != nil {
		t.Error(err)
	}
	if r, _, _ := tablecopy.ReadRecord(t.Context(), green.Server, database); r.Pace != (tablecopy.Pace{Paused: "why"}) {
		t.Errorf("%+v", r.Pace)
	}
}
