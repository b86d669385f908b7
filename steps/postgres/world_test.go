package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

func TestEveryDatabaseMovesButThoseThatSayWhyNot(t *testing.T) {
	s := pg.Start(t, 15, nil)
	for _, sql := range []string{
		"CREATE DATABASE one", "CREATE DATABASE two", "CREATE DATABASE model IS_TEMPLATE true",
		"CREATE DATABASE closed ALLOW_CONNECTIONS false", "CREATE DATABASE gitover",
	} {
		s.Exec("", sql)
	}
	describe := func(include, exclude []string) string {
		all, err := postgres.ApplicationDatabases(t.Context(), s.Server, include, exclude)
		must(t, err)
		words := []string{}
		for _, d := range all {
			words = append(words, strings.TrimSpace(d.Name+" "+d.Skipped))
		}
		return strings.Join(words, ", ")
	}
	for _, c := range []struct {
		include, exclude []string
		want             string
	}{
		{nil, nil, "closed allows no connections, one, postgres has no tables, functions, foreign servers or rows of extensions, two"},
		{nil, []string{"two"}, "closed allows no connections, one, postgres has no tables, functions, foreign servers or rows of extensions, two excluded by the spec"},
		{[]string{"two", "postgres"}, nil, "closed allows no connections, one not among the spec's databases, postgres, two"},
	} {
		if got := describe(c.include, c.exclude); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	s.Exec("", "CREATE TABLE mine (a int)")
	if got := describe(nil, nil); got != "closed allows no connections, one, postgres, two" {
		t.Errorf("with a table: %q", got)
	}
}

func TestAChangedSchemaIsNamed(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	sell(blue)
	prepare(t, green)
	must(t, transfer.CopyRoles(t.Context(), blue.Server, green.Server))
	green.Exec("", "CREATE DATABASE shop OWNER owner")
	pg.CopySchema(t, copy.PreData, blue, green, "shop")
	pg.CopySchema(t, copy.PostData, blue, green, "shop")
	sameSchema(t, blue, green, "shop", schema.Whole)
	blue.Exec("shop", `ALTER TABLE orders ADD COLUMN note text; DROP INDEX orders_by_customer; ALTER TYPE mood ADD VALUE 'angry';
		CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; GRANT DELETE ON codes TO reader; ALTER TABLE loose OWNER TO app; ALTER SEQUENCE orders_id_seq INCREMENT 2`)
	drift, err := schema.Compare(t.Context(), blue.Server, green.Server, "shop", schema.Whole)
	must(t, err)
	all := strings.Join(drift.Differences, "\n")
	for _, expected := range []string{
		"column public.orders.note is missing", "index public.orders_by_customer is there in addition", "type public.mood differs",
		"function public.touch() differs", "rights on table public.codes differs", "table public.loose differs", "definition of sequence public.orders_id_seq differs",
	} {
		if !strings.Contains(all, expected) {
			t.Errorf("not found: %s in\n%s", expected, all)
		}
	}
}

func TestALostSlotIsSeen(t *testing.T) {
	for _, major := range pg.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			blue := pg.Start(t, major, pg.Settings{"wal_level": "logical", "max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB", "min_wal_size": "32MB"})
			must(t, replication.CreateSlot(t.Context(), blue.Server, "postgres", names, "green"))
			slot := names.Slot("postgres", "green")
			state, err := replication.SlotState(t.Context(), blue.Server, slot)
			must(t, err)
			if !state.Exists || state.Lost || state.Active || state.Database != "postgres" || state.ConfirmedFlush == "" {
				t.Errorf("a new slot: %+v", state)
			}
			for range 5 {
				blue.Exec("", "CREATE TABLE IF NOT EXISTS w (a text); INSERT INTO w SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
				blue.Exec("", "SELECT pg_switch_wal()")
				blue.Exec("", "CHECKPOINT")
			}
			state, err = replication.SlotState(t.Context(), blue.Server, slot)
			must(t, err)
			if !state.Lost {
				t.Errorf("after too much WAL: %+v", state)
			}
			if err := replication.CreateSlot(t.Context(), blue.Server, "postgres", names, "green"); err == nil || !strings.Contains(err.Error(), "lost") {
				t.Errorf("a lost slot is taken for a good one: %v", err)
			}
			for range 2 {
				must(t, replication.DropSlot(t.Context(), blue.Server, slot))
			}
			if state, err = replication.SlotState(t.Context(), blue.Server, slot); err != nil || state.Exists {
				t.Errorf("dropped: %+v, %v", state, err)
			}
		})
	}
}
