package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

// pairs are the upgrades, and downgrades, that stories are told of in make test.
var pairs = [][2]int{{15, 17}, {17, 15}, {postgres.Oldest, postgres.Latest}, {postgres.Latest, postgres.Oldest}, {17, 18}}

var names = postgres.Names{UID: pg.UpgradeUID}

// eachPair runs a story on fresh servers of each pair; under GITOVER_FULL=1 of every one that there is.
func eachPair(t *testing.T, story func(t *testing.T, blue, green *pg.Server)) {
	if pg.Full {
		somePairs(t, pg.EveryPair(), story)
		return
	}
	somePairs(t, [][2]int{pairs[2], pairs[1]}, story)
}

func somePairs(t *testing.T, pairs [][2]int, story func(t *testing.T, blue, green *pg.Server)) {
	for _, p := range pairs {
		t.Run(fmt.Sprintf("%d to %d", p[0], p[1]), func(t *testing.T) {
			story(t, pg.Start(t, p[0], pg.Logical), pg.Start(t, p[1], pg.Logical))
		})
	}
}

// must fails the test on an error of a step that a story takes for granted.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition of the world.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

const hostile = `we"ird; DROP ' $(BLUE_PGPASSWORD) Ünï`

// replicate brings every application database of blue to green, up to tables that follow.
func replicate(t *testing.T, blue, green *pg.Server) []postgres.Database {
	t.Helper()
	return pg.Replicate(t, blue, green, names, func(database string) {
		sameSchema(t, blue, green, database, schema.PreData)
	})
}

// sameSchema fails when blue and green differ.
func sameSchema(t *testing.T, blue, green *pg.Server, database string, part schema.Part) {
	t.Helper()
	drift, err := schema.Compare(t.Context(), blue.Server, green.Server, database, part)
	must(t, err)
	if drift.Objects < 6 {
		t.Errorf("a schema of %d objects", drift.Objects)
	}
	for _, d := range drift.Differences {
		t.Errorf("database %q of %s and %s: %s", database, blue.Instance, green.Instance, d)
	}
}

func prepare(t *testing.T, s *pg.Server) {
	t.Helper()
	pg.Prepare(t, s)
}

func subscribe(t *testing.T, blue, green *pg.Server, database string, copyData bool) {
	t.Helper()
	pg.Subscribe(t, blue, green, names, database, copyData)
}

func awaitReady(t *testing.T, green *pg.Server, database string) {
	t.Helper()
	pg.AwaitReady(t, green, names, database)
}

const shop = `
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, vip bool DEFAULT false);
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint REFERENCES customers, total numeric(12,2) CHECK (total >= 0), placed timestamptz DEFAULT now());
ALTER TABLE orders ALTER total SET (n_distinct = 7);
CREATE INDEX orders_by_customer ON orders (customer);
CREATE TABLE events (at timestamptz NOT NULL, what jsonb) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE events ADD PRIMARY KEY (at);
CREATE TABLE codes (code text NOT NULL, label text);
CREATE UNIQUE INDEX codes_key ON codes (code);
ALTER TABLE codes REPLICA IDENTITY USING INDEX codes_key;
CREATE TABLE loose (a int, b text); ALTER TABLE loose REPLICA IDENTITY FULL;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE "Odd ""name""" ("Sel ect" positive PRIMARY KEY, m mood, doubled int GENERATED ALWAYS AS (1 + 1) STORED);
CREATE VIEW grouped AS SELECT c.*, count(*) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id;
CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(total) FROM orders GROUP BY 1;
CREATE MATERIALIZED VIEW grand AS SELECT sum(sum) FROM totals;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.placed := now(); RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO customers (name) SELECT 'customer ' || g FROM generate_series(1, 500) g;
INSERT INTO orders (customer, total) SELECT 1 + g % 500, g FROM generate_series(1, 3000) g;
INSERT INTO events SELECT '2025-01-01'::timestamptz + g * interval '1 hour', jsonb_build_object('g', g) FROM generate_series(1, 9000) g;
INSERT INTO codes SELECT g::text, 'label ' || g FROM generate_series(1, 100) g;
INSERT INTO loose SELECT g, NULL FROM generate_series(1, 50) g;
INSERT INTO "Odd ""name""" SELECT g, 'happy' FROM generate_series(1, 20) g;`

// sell fills blue with the databases of a small shop.
func sell(blue *pg.Server) {
	blue.Exec("", `CREATE ROLE owner LOGIN PASSWORD 'o'; CREATE ROLE reader NOLOGIN; CREATE ROLE app LOGIN PASSWORD 'a''pp' IN ROLE reader CONNECTION LIMIT 7;
		GRANT owner TO app WITH ADMIN OPTION; ALTER ROLE app SET search_path TO "$user", public, "Odd"; COMMENT ON ROLE app IS 'the shop';`)
	for _, db := range []string{"shop", hostile} {
		q := `"` + strings.ReplaceAll(db, `"`, `""`) + `"`
		blue.Exec("", "CREATE DATABASE "+q+" OWNER owner CONNECTION LIMIT 9")
		blue.Exec("", "ALTER DATABASE "+q+" SET work_mem TO '5MB'; REVOKE CONNECT ON DATABASE "+q+" FROM PUBLIC; GRANT CONNECT ON DATABASE "+q+" TO reader")
		blue.Exec(db, "SET ROLE owner; "+shop+"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO app;")
	}
}

func TestAServerMovesToAnotherVersionAndFollows(t *testing.T) {
	eachPair(t, func(t *testing.T, blue, green *pg.Server) {
		sell(blue)
		dbs := replicate(t, blue, green)
		if len(dbs) != 2 {
			t.Fatalf("databases moved: %+v", dbs)
		}
		for _, d := range dbs {
			follow(t, blue, green, d.Name)
		}
		for _, secret := range []string{pg.Password, "SCRAM-SHA-256$"} {
			for _, s := range []*pg.Server{blue, green} {
				if strings.Contains(s.Log(), secret) {
					t.Errorf("the log of %s has a secret:\n%s", s.Instance, s.Log())
				}
			}
		}
		for range 2 {
			left, err := replication.RemoveAll(t.Context(), green.Server, names)
			must(t, err)
			more, err := replication.RemoveAll(t.Context(), blue.Server, names)
			must(t, err)
			if left = append(left, more...); len(left) > 0 {
				t.Errorf("left over: %q", left)
			}
		}
		if got := blue.Query("", "SELECT count(*) FROM pg_replication_slots"); got != "0" {
			t.Errorf("%s slots outlive the upgrade", got)
		}
	})
}

// follow checks that changes on blue arrive, that the rest of the schema goes in, and that
// statistics and materialized views are there.
func follow(t *testing.T, blue, green *pg.Server, database string) {
	t.Helper()
	ctx := t.Context()
	progress, err := replication.CopyProgress(ctx, blue.Server, green.Server, database, names)
	must(t, err)
	if progress.TablesCopied != progress.TablesTotal || progress.TablesTotal != 7 || progress.BytesCopied != progress.BytesTotal {
		t.Errorf("progress %+v of a finished copy", progress)
	}
	subscription := names.Subscription(database, green.Instance)
	must(t, replication.SetSubscriptionEnabled(ctx, green.Server, database, subscription, false))
	pg.CopySchema(t, copy.PostData, blue, green, database)
	if again := pg.CopySchema(t, copy.PostData, blue, green, database); !strings.Contains(again, "there already") {
		t.Errorf("a repeated Job says %q", again)
	}
	must(t, replication.SetSubscriptionEnabled(ctx, green.Server, database, subscription, true))
	sameSchema(t, blue, green, database, schema.Whole)
	blue.Exec(database, `UPDATE customers SET vip = true WHERE id <= 10; DELETE FROM loose WHERE a <= 10; UPDATE codes SET label = 'new' WHERE code = '7'; INSERT INTO events VALUES ('2026-12-24', '{}')`)
	id, err := replication.CommitMarker(ctx, blue.Server, database)
	must(t, err)
	must(t, awaitMarker(ctx, blue, green, database, id))
	const sum = `SELECT (SELECT count(*) FROM customers WHERE vip) || ' ' || (SELECT count(*) FROM loose) || ' ' || (SELECT count(*) FROM events) || ' ' || (SELECT label FROM codes WHERE code = '7')`
	if got := green.Query(database, sum); got != "10 40 9001 new" {
		t.Errorf("green has %q", got)
	}
	must(t, transfer.RefreshMaterializedViews(ctx, blue.Server, green.Server, database, transfer.EmptyViews, 0))
	must(t, transfer.Analyze(ctx, green.Server, database))
	eventually(t, "every table analyzed", func() bool {
		done, _, err := transfer.Analyzed(ctx, green.Server, database)
		must(t, err)
		return done
	})
	if got := green.Query(database, "SELECT sum FROM grand"); got != "4501500.00" {
		t.Errorf("materialized view says %q", got)
	}
	lag, err := replication.Lag(ctx, blue.Server, database, names.Slot(database, green.Instance))
	must(t, err)
	if lag < 0 {
		t.Errorf("lag %d", lag)
	}
	theBacklogIsTold(t, blue, names.Slot(database, green.Instance), func(on bool) {
		must(t, replication.SetSubscriptionEnabled(ctx, green.Server, database, subscription, on))
	})
}

// theBacklogIsTold of a slot: how much is missing and kept, and by how much time the side that follows is behind, while it is
// connected.
func theBacklogIsTold(t *testing.T, blue *pg.Server, slot string, follow func(bool)) {
	t.Helper()
	look := func() replication.Backlog {
		b, err := replication.BacklogOf(t.Context(), blue.Server, []string{slot})
		must(t, err)
		return b
	}
	eventually(t, "a delay, while it follows", func() bool { b := look(); return b.DelayMilliseconds != nil && *b.DelayMilliseconds >= 0 })
	follow(false)
	eventually(t, "no delay, while it doesn't", func() bool { return look().DelayMilliseconds == nil })
	before := look()
	blue.Exec("", "CREATE TABLE IF NOT EXISTS more AS SELECT g AS a, repeat('x', 100) AS b FROM generate_series(1, 10000) g; DROP TABLE more")
	after := look()
	if after.Bytes < before.Bytes+1_000_000 || after.RetainedBytes < after.Bytes {
		t.Errorf("a megabyte later the backlog is %+v, after %+v", after, before)
	}
	follow(true)
	eventually(t, "it has caught up", func() bool { b := look(); return b.DelayMilliseconds != nil && b.Bytes < before.Bytes+1_000_000 })
	if _, err := replication.BacklogOf(t.Context(), blue.Server, []string{slot, "gitover_none"}); !errors.Is(err, replication.ErrSlotMissing) || !strings.Contains(err.Error(), "1 of them: missing") {
		t.Errorf("of a slot that isn't there: %v", err)
	}
}

func awaitMarker(ctx context.Context, blue, green *pg.Server, database string, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return replication.AwaitMarker(ctx, blue.Server, green.Server, database, id)
}

func TestTimeLimitsOfADatabaseDoNotCutTheCopyShort(t *testing.T) {
	somePairs(t, pairs[1:3], func(t *testing.T, blue, green *pg.Server) {
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", `CREATE TABLE big AS SELECT g AS a, repeat('x', 100) AS b FROM generate_series(1, 300000) g; ALTER TABLE big ADD PRIMARY KEY (a);
			ALTER DATABASE d SET statement_timeout = '1ms'; ALTER DATABASE d SET lock_timeout = '5ms'; ALTER DATABASE d SET idle_in_transaction_session_timeout = '10ms'`)
		replicate(t, blue, green)
		if log := blue.Log() + green.Log(); strings.Contains(log, "statement timeout") {
			t.Error(log)
		}
	})
}
