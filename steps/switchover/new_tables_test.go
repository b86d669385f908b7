package switchover_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// TestATableThatIsMadeOnBothSidesMovesWithItsRows makes tables by hand while the other side follows, as
// operations.md says, and nothing else. PostgreSQL skips the changes of a table that a
// subscription doesn't know, without a word, so every row that is there after the switch back was copied.
func TestATableThatIsMadeOnBothSidesMovesWithItsRows(t *testing.T) {
	for _, pair := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}, [2]int{13, 18}) {
		t.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(t *testing.T) {
			s := newStage(t, pair[0], pair[1])
			s.madeByHand("early") // before the cutover
			s.move()
			s.madeByHand("late") // during the soak
			s.move()
			for _, table := range []string{"early", "late"} {
				for _, kind := range []string{"", "_parts", "_keyless"} {
					if got := s.servers[s.active].Query("orders", "SELECT count(*) || ' ' || count(DISTINCT id) FROM "+table+kind); got != "30 30" {
						t.Errorf("%s%s: rows and ids on %s: %q", table, kind, s.active, got)
					}
				}
			}
		})
	}
}

// madeByHand makes a table, one without a key and a new partition on both sides, with rows through
// the pooler before the other side takes notice, while it does, and after that.
func (s *stage) madeByHand(table string) {
	s.t.Helper()
	s.awaitGuard()
	const tables = `CREATE TABLE NAME (id bigint PRIMARY KEY);
		CREATE TABLE NAME_keyless (id bigint); ALTER TABLE NAME_keyless REPLICA IDENTITY FULL;
		CREATE TABLE NAME_parts (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE NAME_parts_0 PARTITION OF NAME_parts FOR VALUES FROM (0) TO (10);
		GRANT ALL ON ALL TABLES IN SCHEMA public TO app`
	for _, server := range []string{s.active, s.other().Instance} { // whoever publishes goes first
		s.servers[server].Exec("orders", strings.ReplaceAll(tables, "NAME", table))
	}
	conn := s.connect("app", "by-hand", false)
	insert := func(from, to int) {
		for _, kind := range []string{"", "_parts", "_keyless"} {
			_, err := conn.Exec(s.t.Context(), fmt.Sprintf("INSERT INTO %s%s SELECT generate_series(%d, %d)", table, kind, from, to))
			must(s.t, err)
		}
	}
	insert(0, 9)
	unknown, err := replication.UnreplicatedTables(s.t.Context(), s.servers[s.active].Server, s.other().Server, "orders", s.names)
	must(s.t, err)
	if len(unknown) != 3 {
		s.t.Errorf("not followed: %+v", unknown)
	}
	_, err = switchover.Guard(s.t.Context(), s.input()) // the copy begins, and may be over at once
	must(s.t, err)
	for _, server := range []string{s.active, s.other().Instance} {
		s.servers[server].Exec("orders", fmt.Sprintf(
			"CREATE TABLE %[1]s_parts_1 PARTITION OF %[1]s_parts FOR VALUES FROM (10) TO (100); GRANT ALL ON %[1]s_parts_1 TO app", table))
	}
	insert(10, 19)
	s.awaitGuard()
	insert(20, 29)
}

func TestATableWithRowsOnTheSideThatFollowsIsNamed(t *testing.T) {
	s := newStage(t, 15, 17)
	s.move()
	s.awaitGuard()
	for _, server := range []*pg.Server{s.other(), s.servers[s.active]} { // or the apply worker stops for a while
		server.Exec("orders", `SET default_transaction_read_only = off; CREATE TABLE "Filled" (id bigint PRIMARY KEY); INSERT INTO "Filled" VALUES (1)`)
	}
	fix := `BEGIN READ WRITE; TRUNCATE ONLY public."Filled"; COMMIT`
	for range 2 {
		s.named(s.obstacles(), switchover.NotReplicating, `public."Filled"`, s.other().Instance, fix)
	}
	if got := s.other().Query("orders", `SELECT count(*) FROM "Filled"`); got != "1" {
		t.Errorf("%s rows are left", got)
	}
	s.other().Exec("orders", fix)
	s.servers[s.active].Exec("orders", `INSERT INTO "Filled" VALUES (2)`)
	s.move()
	if got := s.servers[s.active].Query("orders", `SELECT string_agg(id::text, ' ' ORDER BY id) FROM "Filled"`); got != "1 2" {
		t.Errorf("rows %q", got)
	}
}
