package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

// TestASideThatCannotReachTheOtherIsFoundBeforeTheCopy, whichever side it is and whatever keeps it.
func TestASideThatCannotReachTheOtherIsFoundBeforeTheCopy(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[2:4]...), func(t *testing.T, blue, green *pg.Server) {
		connections := func(blue, green postgres.Server) (objects, why string) {
			findings, err := preflight.CheckPair(t.Context(), blue, green, request(18))
			must(t, err)
			for _, f := range findings {
				if f.Name == "connection" {
					objects, why = objects+f.Object+";", why+f.Why+f.Fix
				}
			}
			return objects, why
		}
		if objects, why := connections(blue.Server, green.Server); objects != "" {
			t.Errorf("both reach each other: %s", why)
		}
		green.Exec("", "ALTER SYSTEM SET max_wal_senders = 0")
		green.Kill()
		green.Run()
		objects, why := connections(blue.Server, green.Server)
		if objects != blue.Instance+" to "+green.Instance+";" || !strings.Contains(why, "max_wal_senders") || strings.Contains(why, pg.Password) {
			t.Errorf("%q: %s", objects, why)
		}
		t.Log(why)
		if left := blue.Query("", "SELECT count(*) FROM pg_subscription"); left != "0" {
			t.Errorf("%s subscriptions are left", left)
		}
	})
}

// TestStandbysThatNoCommitWaitsForAreNamed on either side; replication of ours is no standby.
func TestStandbysThatNoCommitWaitsForAreNamed(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[1:3]...), func(t *testing.T, blue, green *pg.Server) {
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", "CREATE TABLE t (a int PRIMARY KEY)")
		replicate(t, blue, green)
		named := func() (names []string) {
			findings, err := preflight.Check(t.Context(), blue.Server, request(green.Major, "d"))
			must(t, err)
			pair, err := preflight.CheckPair(t.Context(), blue.Server, green.Server, request(green.Major, "d"))
			must(t, err)
			for _, f := range append(findings, pair...) {
				if strings.HasSuffix(f.Name, "_standbys") || strings.HasSuffix(f.Name, "any_standby") {
					names = append(names, f.Name)
				}
			}
			return names
		}
		if names := named(); len(names) > 0 {
			t.Errorf("there are no standbys: %v", names)
		}
		for _, s := range []*pg.Server{blue, green} {
			s.Standby(t)
		}
		if names := named(); !slices.Equal(names, []string{"async_standbys", "green_async_standbys"}) {
			t.Errorf("found %v", names)
		}
		synchronous := func(names string) {
			for _, s := range []*pg.Server{blue, green} {
				s.Exec("", "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
				s.Exec("", "SELECT pg_reload_conf()")
			}
		}
		synchronous("walreceiver")
		eventually(t, "all are synchronous", func() bool { return len(named()) == 0 })
		synchronous("*")
		eventually(t, "a list that takes anybody is named", func() bool {
			names := named()
			return slices.Contains(names, "any_standby") && slices.Contains(names, "green_any_standby")
		})
	})
}

// TestTablespacesAreKeptOrMapped: what the spec names is in the place it says, what it doesn't in the default one.
func TestTablespacesAreKeptOrMapped(t *testing.T) {
	for _, pair := range [][2]int{{15, 17}, {postgres.Latest, postgres.Oldest}} {
		t.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(t *testing.T) {
			blue, green := pg.Start(t, pair[0], pg.Logical), pg.Start(t, pair[1], pg.Logical)
			space := func(s *pg.Server, name string) {
				directory := "/mnt/space-" + strings.Trim(name, `"`)
				s.Shell(t.Context(), "mkdir -m 700 '"+directory+"'")
				s.Exec("", "CREATE TABLESPACE "+name+" LOCATION '"+directory+"'")
			}
			for _, name := range []string{"fast", `"Old $1"`, "other"} {
				space(blue, name)
			}
			space(green, "fast")
			blue.Exec("", "CREATE DATABASE d")
			green.Exec("", "CREATE DATABASE d")
			blue.Exec("d", `DROP SCHEMA public; CREATE SCHEMA shop; CREATE TABLE shop.a (id int PRIMARY KEY USING INDEX TABLESPACE "Old $1", n int) TABLESPACE fast;
				CREATE TABLE shop.b (id int) TABLESPACE other; CREATE INDEX b_id ON shop.b (id); CREATE TABLE shop.c (id int) TABLESPACE "Old $1"; CREATE INDEX c_id ON shop.c (id) TABLESPACE fast;
				CREATE TABLE shop.parts (id int) PARTITION BY RANGE (id) TABLESPACE fast; CREATE TABLE shop.part PARTITION OF shop.parts DEFAULT`)
			green.Exec("d", "DROP SCHEMA public")
			spaces := map[string]string{"fast": "fast", "Old $1": "slow"}
			r := request(pair[1], "d")
			r.Tablespaces = spaces
			findings, err := preflight.Check(t.Context(), blue.Server, r)
			must(t, err)
			for _, f := range findings {
				if f.Name == "tablespaces" && f.Object != "tablespace other" {
					t.Errorf("%+v", f)
				}
			}
			found(t, findings, "tablespaces", "other")
			pairFindings := func() []preflight.Finding {
				findings, err := preflight.CheckPair(t.Context(), blue.Server, green.Server, r)
				must(t, err)
				return findings
			}
			found(t, pairFindings(), "green_tablespaces", "slow")
			space(green, "slow")
			for _, f := range pairFindings() {
				if f.Name == "green_tablespaces" {
					t.Errorf("%+v", f)
				}
			}
			pg.CopySchemaInto(t, copy.PreData, blue, green, "d", spaces)
			pg.CopySchemaInto(t, copy.PostData, blue, green, "d", spaces)
			const where = `SELECT string_agg(relname || ': ' || coalesce(spcname, 'default'), ', ' ORDER BY relname COLLATE "C") FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = reltablespace WHERE relnamespace = 'shop'::regnamespace`
			const want = "a: fast, a_pkey: slow, b: default, b_id: default, c: slow, c_id: fast, part: fast, parts: fast"
			if got := green.Query("d", where); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			drift, err := schema.Compare(t.Context(), blue.Server, green.Server, "d", schema.Whole)
			must(t, err)
			if len(drift.Differences) > 0 {
				t.Errorf("%q", drift.Differences)
			}
		})
	}
}
