package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

// keyless are tables whose UPDATE and DELETE would fail once they are published, or can't be applied. Each has columns a and b.
const keyless = `
	CREATE TABLE bare (a int, b text);
	CREATE TABLE "Sel""ect" (a int, b text);
	CREATE TABLE keyed (a int NOT NULL, b text); CREATE UNIQUE INDEX "by A" ON keyed (a);
	CREATE TABLE half (a int NOT NULL, b text); CREATE UNIQUE INDEX ON half (a) WHERE a > 0; CREATE UNIQUE INDEX ON half ((a + 1)); CREATE UNIQUE INDEX ON half (b);
	CREATE TABLE lazy (a int PRIMARY KEY DEFERRABLE, b text);
	CREATE TABLE silenced (a int PRIMARY KEY, b text); ALTER TABLE silenced REPLICA IDENTITY NOTHING;
	CREATE TABLE pointed (a int PRIMARY KEY, b text, p point); ALTER TABLE pointed REPLICA IDENTITY FULL;
	CREATE TABLE lost (a int NOT NULL, b text); CREATE UNIQUE INDEX gone ON lost (a); ALTER TABLE lost REPLICA IDENTITY USING INDEX gone; DROP INDEX gone;
	CREATE TABLE parts (a int, b text) PARTITION BY RANGE (a); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE fine (a int PRIMARY KEY, b text)`

var keylessTables = []string{"bare", `"Sel""ect"`, "keyed", "half", "lazy", "silenced", "pointed", "lost", "parts_1"}

const identities = `SELECT string_agg(c.relname || ' ' || c.relreplident::text || coalesce(' ' || x.relname, ''), ', ' ORDER BY c.relname)
	FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident LEFT JOIN pg_class x ON x.oid = i.indexrelid
	WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace`

func automatic(target int, databases ...string) preflight.Request {
	req := request(target, databases...)
	req.GiveIdentities = true
	return req
}

func TestTablesWithoutAReplicaIdentityGetOneForTheTimeOfTheUpgrade(t *testing.T) {
	somePairs(t, pg.Pairs([2]int{18, 13}, [2]int{15, 17}, [2]int{13, 18}), func(t *testing.T, blue, green *pg.Server) {
		ctx := t.Context()
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", keyless)
		before := blue.Query("d", identities)
		findings, err := preflight.Check(ctx, blue.Server, request(green.Major, "d"))
		must(t, err)
		if b := blocking(findings); len(b) != len(keylessTables) {
			t.Errorf("by default a human decides of each: %s", list(b))
		}
		findings, err = preflight.Check(ctx, blue.Server, automatic(green.Major, "d"))
		must(t, err)
		if b := blocking(findings); len(b) > 0 {
			t.Fatalf("blocked by %s", list(b))
		}
		for _, want := range [][2]string{
			{"public.bare", "REPLICA IDENTITY FULL; the side that follows may read the whole table (0 KiB now)"}, {"public.keyed", `REPLICA IDENTITY USING INDEX "by A".`},
			{"public.silenced", "REPLICA IDENTITY DEFAULT."}, {"public.pointed", "has no equality in column p, type point"}, {"public.parts_1", "REPLICA IDENTITY FULL"},
		} {
			if f := found(t, findings, "automatic_identity", want[0]); f.Severity != preflight.Info || !strings.Contains(f.Why, want[1]) {
				t.Errorf("%s: %s", f.Severity, f.Why)
			}
		}

		for range 2 { // a controller that died finds its work
			must(t, replication.GiveIdentities(ctx, blue.Server, "d", names, max(blue.Major, green.Major)))
		}
		must(t, transfer.CreateDatabases(ctx, blue.Server, fresh(t, green), databases(t, blue)))
		pg.CopySchema(t, copy.PreData, blue, green, "d")
		sameSchema(t, blue, green, "d", schema.PreData)
		for range 2 {
			must(t, replication.SameIdentities(ctx, blue.Server, green.Server, "d", names))
		}
		subscribe(t, blue, green, "d", true)
		pg.CopySchema(t, copy.PostData, blue, green, "d")
		awaitReady(t, green, "d")
		sameSchema(t, blue, green, "d", schema.Whole)
		for _, table := range append(slices.Clone(keylessTables), "fine") {
			blue.Exec("d", fmt.Sprintf("INSERT INTO %s VALUES (1, 'a'), (2, 'b'), (3, 'c'); UPDATE %[1]s SET b = 'z' WHERE a = 2; DELETE FROM %[1]s WHERE a = 3", table))
			eventually(t, table+" is the same on green", func() bool {
				return green.Query("d", "SELECT string_agg(a || b, ' ' ORDER BY a) FROM "+table) == "1a 2z"
			})
		}

		for _, s := range []*pg.Server{blue, green} {
			given, err := replication.GivenIdentities(ctx, s.Server, "d", names)
			if must(t, err); len(given) != len(keylessTables) {
				t.Errorf("%s remembers %v", s.Instance, given)
			}
		}
		for _, s := range []*pg.Server{green, blue, green, blue} {
			_, err := replication.RemoveAll(ctx, s.Server, names)
			must(t, err)
		}
		// without its index an identity is NOTHING to PostgreSQL, and there is no statement for it
		want := strings.Replace(before, "lost i", "lost n", 1)
		for _, s := range []*pg.Server{blue, green} {
			if got := s.Query("d", identities); got != want {
				t.Errorf("afterwards %s has\n%s\nnot\n%s", s.Instance, got, want)
			}
			if left, err := replication.Leftovers(ctx, s.Server, names); err != nil || len(left) > 0 {
				t.Errorf("left on %s: %v, %v", s.Instance, left, err)
			}
			if s.Query("d", "SELECT to_regnamespace('gitover')::text") != "" {
				t.Errorf("Gitover's schema is left on %s", s.Instance)
			}
		}
	})
}

func fresh(t *testing.T, s *pg.Server) postgres.Server {
	prepare(t, s)
	return s.Server
}

func databases(t *testing.T, s *pg.Server) []postgres.Database {
	t.Helper()
	all, err := postgres.ApplicationDatabases(t.Context(), s.Server, nil, nil)
	must(t, err)
	return postgres.Moved(all)
}

// TestWhatHasNoReplicaIdentityThatGitoverCouldGiveBlocks with the statement that helps, whoever gives identities.
func TestWhatHasNoReplicaIdentityThatGitoverCouldGiveBlocks(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", `CREATE TYPE pair AS (x int, doc json); CREATE DOMAIN doc AS xml;
		CREATE TABLE shapeless (a int, p point); CREATE TABLE nested (a int, p pair[]); CREATE TABLE papers (a int, d doc);
		CREATE TABLE computed (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
		CREATE TABLE counted (a int, b int GENERATED ALWAYS AS (a * 2) STORED, k int NOT NULL UNIQUE); ALTER TABLE counted REPLICA IDENTITY FULL`)
	for _, auto := range []bool{false, true} {
		req := request(18, "d")
		req.GiveIdentities = auto
		findings, err := preflight.Check(t.Context(), s.Server, req)
		must(t, err)
		for table, why := range map[string]string{
			"shapeless": "column p, type point, has no equality", "nested": "column p, type json, has no equality", "papers": "column d, type xml, has no equality",
			"computed": "the whole row has a generated column",
		} {
			f := found(t, findings, "replica_identity", "public."+table)
			if !f.Blocks() || !strings.Contains(f.Why, why) || !strings.Contains(f.Fix, "ALTER TABLE public."+table+" ADD COLUMN row_number bigint GENERATED ALWAYS AS IDENTITY UNIQUE;") {
				t.Errorf("%s: %s Fix: %s", table, f.Why, f.Fix)
			}
		}
		if auto {
			found(t, findings, "automatic_identity", "public.counted")
		} else {
			found(t, findings, "generated_identity", "public.counted")
		}
	}
	must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 18))
	if got := s.Query("d", identities); got != "computed d, counted i counted_k_key, nested d, papers d, shapeless d" {
		t.Error(got)
	}
	for _, table := range []string{"shapeless", "nested", "papers", "computed"} {
		s.Exec("d", "ALTER TABLE "+table+" ADD COLUMN row_number bigint GENERATED ALWAYS AS IDENTITY UNIQUE")
	}
	must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 18))
	findings, err := preflight.Check(t.Context(), s.Server, request(18, "d"))
	must(t, err)
	if b := blocking(findings); len(b) > 0 {
		t.Errorf("blocked by %s", list(b))
	}
}

// TestGitoverNeverWaitsForATableInFrontOfApplications that use it, and who does is named.
func TestGitoverNeverWaitsForATableInFrontOfApplications(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", "CREATE TABLE busy (a int); CREATE TABLE idle (a int); CREATE TABLE idler (a int)")
	holder, err := s.Connect(t.Context(), "d")
	must(t, err)
	_, err = holder.Exec(t.Context(), "BEGIN; SELECT * FROM busy")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	longest := make(chan time.Duration)
	go func() { // an application's reads, one after the other
		var most time.Duration
		conn, err := s.Connect(t.Context(), "d")
		for err == nil && ctx.Err() == nil {
			begun := time.Now()
			_, err = conn.Exec(t.Context(), "SELECT * FROM busy")
			most = max(most, time.Since(begun))
		}
		if err != nil {
			t.Error(err)
		}
		longest <- most
	}()
	err = replication.GiveIdentities(t.Context(), s.Server, "d", names, 17)
	cancel()
	if most := <-longest; most > time.Second {
		t.Errorf("an application waited for %s", most)
	} else {
		t.Logf("an application waited for %s at most", most)
	}
	if !replication.TableInUse(err) || !strings.Contains(err.Error(), fmt.Sprintf("table public.busy, used by session %d (user postgres, idle in transaction", holder.PgConn().PID())) {
		t.Errorf("who is in the way isn't said: %v", err)
	}
	if got := s.Query("d", identities); got != "busy d, idle f, idler f" {
		t.Errorf("the others don't wait: %s", got)
	}
	must(t, holder.Close(t.Context()))
	must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 17))
	if got := s.Query("d", identities); got != "busy f, idle f, idler f" {
		t.Error(got)
	}
	// and at the end
	if holder, err = s.Connect(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	_, err = holder.Exec(t.Context(), "BEGIN; SELECT * FROM busy")
	must(t, err)
	left, err := replication.RemoveAll(t.Context(), s.Server, names)
	if must(t, err); len(left) != 1 || !strings.Contains(left[0], `(by hand in database "d": ALTER TABLE public.busy REPLICA IDENTITY DEFAULT;)`) {
		t.Errorf("left: %q", left)
	}
	if more, err := replication.Leftovers(t.Context(), s.Server, names); err != nil || len(more) != 1 || more[0] != `replica identity FULL of table public.busy in database "d"` {
		t.Errorf("left: %q, %v", more, err)
	}
	must(t, holder.Close(t.Context()))
	if left, err = replication.RemoveAll(t.Context(), s.Server, names); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	if got := s.Query("d", identities); got != "busy d, idle d, idler d" {
		t.Error(got)
	}
}
