package switchover_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// migrated is what the migrations of these stories change, on both sides before they begin.
const migrated = `
ALTER TABLE keyless ADD COLUMN gone int, ADD COLUMN wide int, ADD COLUMN old_name int;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n + n';
CREATE VIEW seen AS SELECT client FROM keyless;
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one`

// A migration writes its row beside its DDL, and DDL isn't replicated: the new side would have the row
// alone, and no later run of the migration would fix it.
func TestAMigrationThatCommitsBetweenTheLastLookAndTheFenceUndoesTheSwitch(t *testing.T) {
	s := newStage(t, 15, 17)
	s.onBothSides(migrated)
	s.awaitGuard()
	for _, migration := range pg.Every(3, 0, []struct{ name, ddl, named string }{
		{"drop column", "ALTER TABLE keyless DROP COLUMN gone", "columns"},
		{"type of a column", "ALTER TABLE keyless ALTER COLUMN wide TYPE bigint", "columns"},
		{"rename", "ALTER TABLE keyless RENAME COLUMN old_name TO new_name", "columns"},
		{"index", "CREATE INDEX late ON keyless (n)", "indexes"},
		{"function", "CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'", "functions"},
		{"view", "CREATE OR REPLACE VIEW seen AS SELECT client FROM keyless WHERE client > 0", "views"},
		{"constraint", "ALTER TABLE keyless ADD CONSTRAINT positive CHECK (client >= 0)", "constraints"},
		{"grant", "GRANT SELECT ON seen TO PUBLIC", "rights"},
		{"comment", "COMMENT ON TABLE keyless IS 'late'", "comments"},
		{"role", "CREATE ROLE late", "roles"},
	}) {
		t.Run(migration.name, func(t *testing.T) {
			in := s.input()
			session, err := s.servers[in.From.Instance].Connect(t.Context(), "orders")
			must(t, err)
			defer session.Close(t.Context())
			_, err = session.Exec(t.Context(), "BEGIN; INSERT INTO keyless (client, n) VALUES (99, 1)")
			must(t, err)
			in.Trace = func(point switchover.Point) {
				if point == switchover.PointFence { // no pooler begins a statement any more
					_, err := session.Exec(t.Context(), migration.ddl+"; COMMIT")
					must(t, err)
				}
			}
			err = s.undone(in)
			if !strings.Contains(err.Error(), migration.named) {
				t.Errorf("the cause isn't named: %v", err)
			}
			s.servers[in.To.Instance].Exec("orders", "SET default_transaction_read_only = off; "+migration.ddl)
			s.awaitGuard()
		})
	}
	s.move() // each is on both sides
}

// What an application or a housekeeper does all day updates rows of the catalogs, too.
func TestWhatIsNoDDLRightBeforeTheFenceLeavesTheSwitchAlone(t *testing.T) {
	for _, from := range []int{13, 17} {
		s := newStage(t, from, 18)
		s.onBothSides(migrated + "; CREATE INDEX late ON keyless (n)")
		s.awaitGuard()
		in := s.input()
		session, err := s.servers[in.From.Instance].Connect(t.Context(), "orders")
		must(t, err)
		in.Trace = func(point switchover.Point) {
			if point != switchover.PointHold {
				return
			}
			for _, statement := range []string{
				"INSERT INTO keyless (client, n) VALUES (1, 1)", "TRUNCATE keyless", "ANALYZE", "VACUUM", "VACUUM FREEZE", "VACUUM ANALYZE pg_catalog.pg_class",
				"VACUUM FULL ledger", "CLUSTER ledger USING ledger_pkey", "REINDEX TABLE ledger", "REFRESH MATERIALIZED VIEW kept",
				"SELECT nextval('cached'), setval('round', 3)", "TRUNCATE ledger RESTART IDENTITY",
				"CREATE TEMP TABLE passing (id serial PRIMARY KEY, n int DEFAULT 1 CHECK (n > 0))", "CREATE INDEX ON passing (n)",
				"CREATE TEMP VIEW passing_too AS SELECT * FROM passing", "INSERT INTO passing DEFAULT VALUES", "COMMENT ON TABLE passing IS 'passing'",
				"CREATE TRIGGER passing BEFORE UPDATE ON passing FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
			} {
				if _, err := session.Exec(t.Context(), statement); err != nil {
					t.Errorf("%s: %v", statement, err)
				}
			}
		}
		if _, err := switchover.Switch(t.Context(), in); err != nil {
			t.Errorf("from %d: %v", from, err)
		}
		_ = session.Close(t.Context())
		s.switched(in)
	}
}

// onBothSides has orders on both servers changed alike.
func (s *stage) onBothSides(ddl string) {
	s.t.Helper()
	for _, server := range s.servers {
		server.Exec("orders", "SET default_transaction_read_only = off; "+ddl)
	}
}

// undone returns why a switch was, and fails unless it was since the schemas drifted apart.
func (s *stage) undone(in switchover.Input) error {
	s.t.Helper()
	_, err := switchover.Switch(s.t.Context(), in)
	s.say(nil)
	var aborted *switchover.AbortedError
	var waiting *switchover.WaitingError
	if !errors.As(err, &aborted) || !errors.As(aborted.Why, &waiting) || waiting.Obstacles[0].Kind != switchover.SchemaDrift {
		s.t.Fatalf("the switch went on: %v", err)
	}
	s.t.Log(err)
	s.oneSideOpen()
	return err
}
