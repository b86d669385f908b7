package switchover_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// notReplicated is what a database has of large objects and unlogged tables, for people to read.
const notReplicated = `
SELECT coalesce((SELECT string_agg(format('%s %s %s', id, what, twice), ', ' ORDER BY id) FROM cart), 'empty') || coalesce((SELECT string_agg(format(E'\n%s %s [%s] %s %s bytes %s', m.oid,
	pg_get_userbyid(lomowner), (SELECT string_agg(pg_get_userbyid(a.grantee) || ':' || a.privilege_type, ',' ORDER BY a.grantee::regrole::text COLLATE "C", a.privilege_type) FROM aclexplode(lomacl) a),
	obj_description(m.oid, 'pg_largeobject'), length(lo_get(m.oid)), sha256(lo_get(m.oid))), '' ORDER BY m.oid) FROM pg_largeobject_metadata m), '')`

// TestWhatIsNotReplicatedIsCopiedByEachSwitch: large objects and unlogged tables, with what changes until traffic is held.
func TestWhatIsNotReplicatedIsCopiedByEachSwitch(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			s := newStage(t, versions[0], versions[1])
			for _, server := range s.servers {
				server.Exec("stock", "CREATE UNLOGGED TABLE cart (id int PRIMARY KEY, what text, twice int GENERATED ALWAYS AS (id * 2) STORED)")
			}
			s.awaitGuard()
			s.servers[s.active].Exec("stock", `INSERT INTO cart VALUES (1, 'tea'), (2, E'a\ttab \\N');
				SELECT lo_from_bytea(1001, convert_to(repeat('page', 3000), 'UTF8')), lo_from_bytea(1002, 'short'), lo_create(1003), lo_from_bytea(1004, ''), lo_from_bytea(1005, 'gone soon'),
					lo_from_bytea(1006, convert_to(repeat('x', 2048 * 300 + 5), 'UTF8')), lo_from_bytea(1007, convert_to(repeat('y', 4096), 'UTF8'));
				SELECT lo_put(1004, 100000, 'after a hole');
				ALTER LARGE OBJECT 1001 OWNER TO app; GRANT SELECT ON LARGE OBJECT 1002 TO app; COMMENT ON LARGE OBJECT 1002 IS 'it''s short'; COMMENT ON LARGE OBJECT 1003 IS 'removed soon'`)
			s.other().Exec("stock", "SET default_transaction_read_only = off; SELECT lo_from_bytea(1002, 'another'), lo_from_bytea(1999, 'not there')")
			s.scope.Carry = transfer.Carry{LargeObjects: true, UnloggedTables: true}
			move := func(meanwhile string) {
				t.Helper()
				left := s.servers[s.active]
				in := s.input()
				report := in.Report
				in.Report = func(phase protocol.Phase) error {
					if phase == protocol.PhaseHoldBegins {
						left.Exec("stock", meanwhile)
					}
					return report(phase)
				}
				result, err := switchover.Switch(t.Context(), in)
				must(t, err)
				s.switched(in)
				t.Logf("held for %v, copying took %v", result.Held.Round(time.Millisecond), result.Parts.Copy.Round(time.Millisecond))
				want := ask(left, notReplicated)
				if got := ask(s.servers[s.active], notReplicated); got != want {
					t.Errorf("on %s:\n%s\nwant, as on %s:\n%s", s.active, got, left.Instance, want)
				}
				s.awaitGuard()
			}
			move(`INSERT INTO cart VALUES (3, NULL); DELETE FROM cart WHERE id = 1;
				SELECT lo_put(1001, 5000, 'PAGE'), lo_unlink(1005), lo_from_bytea(1008, 'new'), lo_unlink(1003), lo_create(1003);
				SELECT lo_truncate(lo_open(1006, 131072), 2048 * 10), lo_truncate(lo_open(1007, 131072), 0);
				REVOKE SELECT ON LARGE OBJECT 1002 FROM app; COMMENT ON LARGE OBJECT 1008 IS 'new'`)
			if got := ask(s.servers[s.active], "SELECT string_agg(id::text, ',' ORDER BY id) FROM cart"); got != "2,3" {
				t.Errorf("the unlogged table has rows %s", got)
			}
			s.servers[s.active].Exec("stock", "SELECT lo_put(1006, 0, 'written on the new side'); UPDATE cart SET what = 'coffee'")
			move("SELECT lo_unlink(1002); TRUNCATE cart; INSERT INTO cart VALUES (9, 'last')")

			// what takes longer than a hold may is named, and nothing is held
			in := s.input()
			in.Limits.Drain = time.Nanosecond
			_, err := switchover.Switch(t.Context(), in)
			s.say(nil)
			var waiting *switchover.WaitingError
			if !errors.As(err, &waiting) {
				t.Fatalf("%v", err)
			}
			s.named(waiting.Obstacles, switchover.CopyTooSlow, "would hold traffic for", "spec.copyInSwitch")

			// a database that serves is never written to
			_, err = transfer.CarryAhead(t.Context(), s.other().Server, s.servers[s.active].Server, "stock", transfer.Carry{UnloggedTables: true})
			mustRefuse(t, err)
			s.servers[s.active].Exec("stock", "SELECT lo_from_bytea(1010, 'served')")
			_, err = transfer.CarryAhead(t.Context(), s.other().Server, s.servers[s.active].Server, "stock", transfer.Carry{LargeObjects: true})
			mustRefuse(t, err)
		})
	}
}

func ask(s *pg.Server, query string) string { return s.Query("stock", query) }

func mustRefuse(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("a database that serves was written to")
	}
}
