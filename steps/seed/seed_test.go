package seed_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/steps/seed"
	"github.com/gitover/gitover/test/ledger"
	"github.com/gitover/gitover/test/pg"
)

var names = postgres.Names{UID: pg.UpgradeUID}

const (
	run     = "orders-15-to-orders-17-t4x2"
	hostile = `we"ird; DROP ' $(BLUE_PGPASSWORD) Ünï`
)

var databases = []string{"shop", hostile}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var blueSettings = pg.Settings{"wal_level": "logical", "max_prepared_transactions": "50", "max_wal_senders": "20"}

const shop = `
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, photo oid);
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint REFERENCES customers, total numeric(12,2) CHECK (total >= 0), placed timestamptz DEFAULT now());
ALTER TABLE orders ALTER total SET (n_distinct = 7);
CREATE INDEX orders_by_customer ON orders (customer);
CREATE TABLE events (at timestamptz NOT NULL, what jsonb) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2027-01-01');
ALTER TABLE events ADD PRIMARY KEY (at);
CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW totals_of AS SELECT customer, sum(total) FROM orders GROUP BY 1;
CREATE SEQUENCE lonely INCREMENT BY -5 MAXVALUE 1000000 START 1000;
INSERT INTO customers (name, photo) SELECT 'customer ' || g, lo_from_bytea(0, convert_to(repeat('photo ' || g, 1000), 'UTF8')) FROM generate_series(1, 50) g;
INSERT INTO orders (customer, total) SELECT 1 + g % 50, g FROM generate_series(1, 30000) g;
INSERT INTO events SELECT '2025-01-01'::timestamptz + g * interval '1 hour', jsonb_build_object('g', g) FROM generate_series(1, 9000) g;
CREATE TABLE words (word text PRIMARY KEY, icu text COLLATE "und-x-icu" UNIQUE, bytes text COLLATE "C" UNIQUE);
CREATE INDEX words_lower ON words (lower(word)) WHERE word > 'b';
CREATE INDEX words_brin ON words USING brin (icu);
INSERT INTO words SELECT w, w, w FROM (SELECT repeat(c, n) || g AS w FROM unnest('{a,A,ä,Z,é,-," ",ß,ø,漢,"a b",a-b,ab}'::text[]) c, generate_series(1, 3) n, generate_series(1, 40) g) x;
CREATE TYPE money_of AS (amount numeric, currency text);
CREATE TABLE prices (id int PRIMARY KEY, price money_of, former money_of[], line orders);
INSERT INTO prices SELECT g, ROW(g::numeric, 'EUR'::text)::money_of, ARRAY[ROW(g::numeric, 'A'::text)::money_of], (SELECT o FROM orders o WHERE o.id = g) FROM generate_series(1, 500) g;
INSERT INTO scratch VALUES (1);
SELECT nextval('lonely') FROM generate_series(1, 20);`

// fill blue with two databases that move, one that doesn't, and what a copy must not have.
func fill(t *testing.T, blue *pg.Server) {
	t.Helper()
	for _, statement := range []string{"CREATE ROLE app LOGIN PASSWORD 'a''pp'", "CREATE DATABASE stays", "CREATE DATABASE tmpl IS_TEMPLATE true"} {
		blue.Exec("", statement)
	}
	for _, db := range databases {
		blue.Exec("", "CREATE DATABASE "+postgres.Ident(db)+" OWNER app CONNECTION LIMIT 70 TEMPLATE template0 LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'")
		blue.Exec(db, "SET ROLE app; "+shop+openTables)
		blue.Exec(db, "CREATE PUBLICATION others FOR TABLE customers; CREATE SUBSCRIPTION elsewhere CONNECTION 'host=192.0.2.1' PUBLICATION p WITH (connect = false)")
		conn, err := blue.Connect(t.Context(), db)
		must(t, err)
		must(t, ledger.Install(t.Context(), conn))
		must(t, conn.Close(t.Context()))
	}
	pg.Prepare(t, blue)
}

// publish makes on blue what has to be older than the copy.
func publish(t testing.TB, blue postgres.Server, green string) {
	t.Helper()
	for _, db := range databases {
		must(t, replication.EnsureMarker(t.Context(), blue, db))
		must(t, replication.CreatePublication(t.Context(), blue, db, names))
		must(t, replication.CreateSlot(t.Context(), blue, db, names, green))
	}
}

// copier seeds a volume from a server.
type copier struct {
	t      testing.TB
	blue   *pg.Server
	green  int
	volume *pg.Volume
	env    []string
}

func newCopier(t testing.TB, blue *pg.Server, green int) *copier {
	t.Helper()
	in := seed.Input{
		Run: run, Databases: databases, Blue: blue.Server, BlueMajor: blue.Major, Application: names.Prefix(),
		Data: pg.Data, Work: pg.Mounted + "/.gitover-seed", Tools: pg.Mounted + "/tools", Jobs: 2,
	}
	variables, err := in.Environment()
	must(t, err)
	c := &copier{t: t, blue: blue, green: green, volume: pg.NewVolume(t)}
	for _, v := range variables {
		c.env = append(c.env, v.Name+"="+v.Value)
		if strings.Contains(v.Value, pg.Password) {
			t.Errorf("%s has the password", v.Name)
		}
	}
	return c
}

// backup and upgrade are the containers of the Job.
func (c *copier) backup(ctx context.Context) (string, error) {
	return c.container(ctx, c.blue.Major, append([]string{seed.PasswordVariable + "=" + string(c.blue.Password)}, c.env...), seed.BackupScript)
}

func (c *copier) upgrade(ctx context.Context) (string, error) {
	return c.container(ctx, c.green, c.env, seed.UpgradeScript)
}

func (c *copier) container(ctx context.Context, major int, env []string, script string) (string, error) {
	cmd := c.volume.Container(ctx, major, env, script)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if strings.Contains(out.String(), string(c.blue.Password)) {
		c.t.Error("the log has the password")
	}
	return out.String(), err
}

// seed runs both.
func (c *copier) seed() {
	c.t.Helper()
	for _, half := range []func(context.Context) (string, error){c.backup, c.upgrade} {
		began := time.Now()
		out, err := half(c.t.Context())
		if err != nil {
			c.t.Fatalf("%v\n%s", err, out)
		}
		c.t.Logf("%s%v", out, time.Since(began).Round(time.Millisecond))
	}
}

// follow has every database of green follow blue from its seed's position, a second time as well.
func follow(t *testing.T, blue, green *pg.Server) {
	t.Helper()
	position, err := seed.Position(t.Context(), green.Server, run)
	must(t, err)
	if position == "" {
		t.Fatal("green has no seed of this run")
	}
	if other, err := seed.Position(t.Context(), green.Server, "another"); err != nil || other != "" {
		t.Errorf("another run's seed: %q, %v", other, err)
	}
	for _, db := range databases {
		for range 2 {
			must(t, seed.Subscribe(t.Context(), blue.Server, green.Server, db, position, names))
		}
		pg.AwaitReady(t, green, names, db)
	}
}

// equal compares rows and schemas of every database.
func equal(t *testing.T, blue, green *pg.Server) {
	t.Helper()
	for _, db := range databases {
		report, err := verify.Compare(t.Context(), blue.Server, green.Server, db, verify.Options{})
		must(t, err)
		if report.Rows < 40_000 || len(report.Mismatches) > 0 {
			t.Errorf("database %q: %+v", db, report)
		}
		t.Logf("database %q: %d rows of %d tables are equal, %d in flight", db, report.Rows, report.Tables, report.InFlight)
		drift, err := schema.Compare(t.Context(), blue.Server, green.Server, db, schema.Whole)
		must(t, err)
		for _, d := range drift.Differences {
			t.Errorf("database %q: %s", db, d)
		}
	}
}

// books has clients with a ledger write to a server; balance stops them and checks what another server has.
func books(t *testing.T, blue *pg.Server) (balance func(green *pg.Server)) {
	t.Helper()
	w := ledger.New(ledger.Config{Databases: databases, Clients: 8, Rate: 150, Connect: func(ctx context.Context, database string) (*pgx.Conn, error) {
		return blue.Connect(ctx, database)
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); must(t, <-ended) })
	t.Cleanup(stop)
	return func(green *pg.Server) {
		t.Helper()
		stop()
		states := map[string]ledger.State{}
		for _, db := range databases {
			id, err := replication.CommitMarker(t.Context(), blue.Server, db)
			must(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			must(t, replication.AwaitMarker(ctx, blue.Server, green.Server, db, id))
			cancel()
			conn, err := green.Connect(t.Context(), db)
			must(t, err)
			states[db], err = ledger.Read(t.Context(), conn)
			must(t, err)
			must(t, conn.Close(t.Context()))
		}
		report := ledger.Check(w.History(), states, ledger.Options{Switches: -1})
		if !report.OK() || report.Acknowledged == 0 {
			t.Errorf("the ledger doesn't balance: %+v", report)
		}
		t.Logf("%d writes acknowledged, %d found", report.Acknowledged, report.Found)
	}
}

// TestGreenIsSeededByAPhysicalCopyAndHasEveryRowOnce, whatever was open at the boundaries.
func TestGreenIsSeededByAPhysicalCopyAndHasEveryRowOnce(t *testing.T) {
	for _, pair := range pg.Pairs([2]int{15, 17}, [2]int{17, 18}, [2]int{13, 17}, [2]int{13, 18}, [2]int{18, 19}) {
		t.Run(fmt.Sprintf("%d to %d", pair[0], pair[1]), func(t *testing.T) {
			blue := pg.Start(t, pair[0], blueSettings)
			fill(t, blue)
			stop := openTransactions(t, blue, databases)
			balance := books(t, blue)

			publish(t, blue.Server, fmt.Sprintf("test-%d", pair[1]))
			c := newCopier(t, blue, pair[1])
			c.seed()
			green := c.volume.Start(pair[1], blueSettings)
			onlyWhatMoves(t, green)
			inOrder(t, green)
			follow(t, blue, green)
			equal(t, blue, green)
			stop()
			equal(t, blue, green)
			balance(green)
			backAgain(t, blue, green)
		})
	}
}

// TestATableThatComesBetweenTheSlotsAndTheCopyIsOnGreenWithEveryRow: the slot has nothing of it, and the copy only what was there then.
func TestATableThatComesBetweenTheSlotsAndTheCopyIsOnGreenWithEveryRow(t *testing.T) {
	blue := pg.Start(t, 15, blueSettings)
	fill(t, blue)
	publish(t, blue.Server, "test-17")
	for _, db := range databases {
		blue.Exec(db, `CREATE TABLE late (id int PRIMARY KEY, what text); CREATE TABLE "Later "" still" (id int PRIMARY KEY REFERENCES late);
			CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
			CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01'); CREATE TABLE child () INHERITS (words);
			INSERT INTO parts VALUES (1), (2); INSERT INTO events VALUES ('2027-02-02'); ALTER TABLE child ADD PRIMARY KEY (word); INSERT INTO child VALUES ('child');
			INSERT INTO late SELECT g, 'before the copy' FROM generate_series(1, 100) g; INSERT INTO "Later "" still" SELECT g FROM generate_series(1, 50) g`)
	}
	c := newCopier(t, blue, 17)
	c.seed()
	for _, db := range databases {
		blue.Exec(db, "UPDATE late SET what = 'after the copy' WHERE id <= 10; DELETE FROM \"Later \"\" still\" WHERE id <= 20; DELETE FROM late WHERE id BETWEEN 11 AND 20; INSERT INTO late VALUES (101, 'after the copy'); DELETE FROM parts WHERE id = 1; INSERT INTO parts VALUES (3); INSERT INTO events VALUES ('2027-03-03'); INSERT INTO child VALUES ('second')")
	}
	green := c.volume.Start(17, blueSettings)
	follow(t, blue, green)
	for _, db := range databases {
		for end := time.Now().Add(time.Minute); ; {
			left, err := replication.RefreshPublication(t.Context(), blue.Server, green.Server, db, names, schema.Whole)
			must(t, err)
			if len(left) == 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("database %q: %s", db, replication.DescribeUnreplicated(left, green.Instance))
			}
			pg.AwaitReady(t, green, names, db)
		}
		if got := green.Query(db, "SELECT count(*) || ' ' || count(*) FILTER (WHERE what = 'after the copy') FROM late"); got != "91 11" {
			t.Errorf("database %q: %s", db, got)
		}
	}
	equal(t, blue, green)
}
