package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

var everyVersion = pg.Majors()

// privileges of $1 in the current database, one a line, as PostgreSQL's own functions judge them.
const privileges = `
SELECT 'database ' || datname || ' ' || p FROM pg_database, unnest('{CONNECT,CREATE,TEMP}'::text[]) p WHERE has_database_privilege($1, oid, p)
UNION ALL SELECT 'schema ' || nspname || ' ' || p FROM pg_namespace, unnest('{USAGE,CREATE}'::text[]) p WHERE nspname !~ '^pg_(toast_)?temp_' AND has_schema_privilege($1, oid, p)
UNION ALL SELECT 'table ' || oid::regclass || ' ' || p FROM pg_class, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p WHERE relkind IN ('r','v','m','f','p') AND has_table_privilege($1, oid, p)
UNION ALL SELECT 'sequence ' || oid::regclass || ' ' || p FROM pg_class, unnest('{USAGE,SELECT,UPDATE}'::text[]) p WHERE relkind = 'S' AND has_sequence_privilege($1, oid, p)
UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE has_function_privilege($1, oid, 'EXECUTE')
UNION ALL SELECT 'language ' || lanname FROM pg_language WHERE has_language_privilege($1, oid, 'USAGE')
UNION ALL SELECT 'wrapper ' || fdwname FROM pg_foreign_data_wrapper WHERE has_foreign_data_wrapper_privilege($1, oid, 'USAGE')
UNION ALL SELECT 'server ' || srvname FROM pg_foreign_server WHERE has_server_privilege($1, oid, 'USAGE')
UNION ALL SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE has_tablespace_privilege($1, oid, 'CREATE')
UNION ALL SELECT 'member of ' || rolname FROM pg_roles WHERE rolname <> $1 AND pg_has_role($1, oid, 'MEMBER')
ORDER BY 1`

func privilegesOf(t *testing.T, s *pg.Server, database, role string) []string {
	t.Helper()
	conn, err := s.Connect(t.Context(), database)
	must(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), privileges, role)
	must(t, err)
	var all []string
	for rows.Next() {
		var p string
		must(t, rows.Scan(&p))
		all = append(all, p)
	}
	must(t, rows.Err())
	return all
}

// agentsRights are all that the agents' role has and a role without any grant has not.
var agentsRights = []string{
	"database gitover CONNECT", "function gitover.abort(text,text)", "function gitover.key(text)",
	"function gitover.open(text,text,text)", "function gitover.state(text)", "schema gitover USAGE",
}

func TestTheAgentsRoleMayCallFourFunctionsAndNothingElse(t *testing.T) {
	for _, major := range everyVersion {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := pg.Start(t, major, nil)
			s.Exec("", "CREATE DATABASE shop; ")
			s.Exec("shop", "CREATE TABLE secrets (a int); CREATE SEQUENCE numbers; CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw")
			prepare(t, s)
			s.Exec("", "CREATE ROLE nobody LOGIN")
			for _, database := range []string{"gitover", "shop", "postgres"} {
				common := privilegesOf(t, s, database, "nobody")
				more := slices.DeleteFunc(privilegesOf(t, s, database, "gitover_agent"), func(p string) bool { return slices.Contains(common, p) })
				want := agentsRights
				if database != "gitover" {
					want = agentsRights[:1]
				}
				if !slices.Equal(more, want) {
					t.Errorf("in %s the agents' role has in addition to everybody's rights: %q", database, more)
				}
				for _, p := range common {
					if database == "gitover" && (strings.HasPrefix(p, "database gitover") || strings.HasPrefix(p, "schema gitover") || strings.HasPrefix(p, "schema public") || strings.Contains(p, " gitover.")) {
						t.Errorf("everybody has %q", p)
					}
				}
			}
			if got := s.Query("", "SELECT concat(rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls) FROM pg_roles WHERE rolname = 'gitover_agent'"); got != "fffff" {
				t.Errorf("attributes of the agents' role: %s", got)
			}
			conn, err := agentOf(s).Connect(t.Context(), "gitover")
			must(t, err)
			defer conn.Close(context.Background())
			for _, sql := range []string{
				"SELECT * FROM pg_authid", "SELECT * FROM gitover.switches", "SELECT * FROM gitover.incoming_switches", "DELETE FROM gitover.connection_limits",
				"SELECT gitover.commit('x', 'me', '{}')", "SELECT gitover.begin('x', 'a', 'b', '{}')", "SELECT gitover.fence('x')", "SELECT gitover.ready('x', 'a', 'b', 'c')",
				"SELECT gitover.shut('{postgres}', true)", "SELECT gitover.lift()", "SELECT gitover.admit('x', '{}')", "SELECT gitover.key_hash('x')",
				"CREATE TABLE public.t (a int)", "CREATE TABLE gitover.t (a int)", "CREATE TEMP TABLE t (a int)", "CREATE ROLE r", "ALTER DATABASE postgres CONNECTION LIMIT 5",
				"SELECT pg_read_file('PG_VERSION')", "COPY (SELECT 1) TO PROGRAM 'true'", "ALTER SYSTEM SET work_mem = '1MB'", "SET session_replication_role = replica",
			} {
				if _, err := conn.Exec(t.Context(), sql); !postgres.RightsMissing(err) {
					t.Errorf("the agents' role: %s: %v", sql, err)
				}
			}
		})
	}
}

func agentOf(s *pg.Server) postgres.Server {
	agent := s.Server
	agent.User, agent.Password = pg.AgentRole, pg.AgentPassword
	return agent
}

// TestEachRightOfTheAgentsIsNeeded takes one away at a time; the next EnsureRegister fixes it.
func TestEachRightOfTheAgentsIsNeeded(t *testing.T) {
	settle := func(t *testing.T, s *pg.Server, call func(context.Context, *fence.Register) error) error {
		r, err := fence.OpenRegister(t.Context(), agentOf(s))
		if err != nil {
			return err
		}
		defer r.Close(context.Background())
		return call(t.Context(), r)
	}
	abort := func(ctx context.Context, r *fence.Register) error { _, err := r.Abort(ctx, "s", "me"); return err }
	open := func(ctx context.Context, r *fence.Register) error {
		_, err := r.Unfence(ctx, "s", "me", "k")
		return err
	}
	state := func(ctx context.Context, r *fence.Register) error { _, err := r.State(ctx, "s"); return err }
	for _, major := range pg.Ends() {
		s := pg.Start(t, major, nil)
		for _, c := range []struct {
			without, says string
			call          func(context.Context, *fence.Register) error
		}{
			{"REVOKE CONNECT ON DATABASE gitover FROM gitover_agent", "permission denied for database", state},
			{"REVOKE USAGE ON SCHEMA gitover FROM gitover_agent", "permission denied for schema gitover", state},
			{"REVOKE EXECUTE ON FUNCTION gitover.state(text) FROM gitover_agent", "permission denied for function state", state},
			{"REVOKE EXECUTE ON FUNCTION gitover.abort(text, text) FROM gitover_agent", "permission denied for function abort", abort},
			{"REVOKE EXECUTE ON FUNCTION gitover.open(text, text, text) FROM gitover_agent", "permission denied for function open", open},
			{"REVOKE EXECUTE ON FUNCTION gitover.key(text) FROM gitover_agent", "permission denied for function key", state},
			{"ALTER ROLE gitover_agent NOLOGIN", "is not permitted to log in", state},
		} {
			prepare(t, s)
			if err := settle(t, s, c.call); err != nil {
				t.Errorf("PostgreSQL %d, with all rights: %v", major, err)
			}
			s.Exec("gitover", c.without)
			if err := settle(t, s, c.call); err == nil || !strings.Contains(err.Error(), c.says) || !postgres.RightsMissing(err) && !postgres.AuthenticationFailed(err) {
				t.Errorf("PostgreSQL %d after %s: %v", major, c.without, err)
			}
		}
	}
}

// strongest makes a role that has every right but being a superuser.
const strongest = `
CREATE ROLE strongest LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD ` + "'it''s a \"sec\\ret\" $1 %s'" + `;
DO $$
DECLARE r name;
BEGIN
    FOR r IN SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname NOT IN ('strongest', 'pg_database_owner') LOOP
        EXECUTE format('GRANT %I TO strongest WITH ADMIN OPTION', r);
    END LOOP;
    FOR r IN SELECT datname FROM pg_database LOOP
        EXECUTE format('GRANT ALL ON DATABASE %I TO strongest', r);
    END LOOP;
    IF current_setting('server_version_num')::int >= 150000 THEN
        FOR r IN SELECT name FROM pg_settings WHERE context = 'superuser' LOOP
            EXECUTE format('GRANT SET ON PARAMETER %I TO strongest', r);
        END LOOP;
    END IF;
END $$;`

// readable gives it the catalogs that only superusers read, in one database.
const readable = `GRANT SELECT ON pg_authid, pg_subscription, pg_user_mapping, pg_statistic TO strongest; GRANT ALL ON SCHEMA public TO strongest; GRANT ALL ON ALL TABLES IN SCHEMA public TO strongest;
GRANT EXECUTE ON FUNCTION pg_control_system() TO strongest`

// TestNoRoleBelowASuperuserCanDoTheUpgrade lets the strongest other role do each step, the
// rest being done by a superuser. docs/security.md has what this finds as a table.
func TestNoRoleBelowASuperuserCanDoTheUpgrade(t *testing.T) {
	// the versions on which each step is refused
	refused := map[string][]int{
		"publish tables": nil, "copy roles": everyVersion, "restore a schema": everyVersion, "end a superuser's session": everyVersion,
		"subscribe": {13, 15}, "make the marker table": {13}, "make a database for its owner": nil, "make a replication slot": nil, "fence": nil,
	}
	for _, major := range everyVersion {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s, other := pg.Start(t, major, pg.Logical), pg.Start(t, 17, pg.Logical)
			s.Exec("", "CREATE ROLE owner LOGIN; CREATE ROLE root SUPERUSER LOGIN PASSWORD 'r'")
			s.Exec("", "CREATE DATABASE shop OWNER owner")
			s.Exec("shop", "CREATE TABLE t (a int PRIMARY KEY); ALTER TABLE t OWNER TO owner")
			prepare(t, s)
			s.Exec("", strongest)
			for _, db := range []string{"postgres", "shop", "gitover"} {
				s.Exec(db, readable)
			}
			s.Exec("gitover", "GRANT ALL ON SCHEMA gitover TO strongest; GRANT ALL ON ALL TABLES IN SCHEMA gitover TO strongest; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gitover TO strongest")
			other.Exec("", "CREATE ROLE chief SUPERUSER LOGIN PASSWORD 'x'; CREATE ROLE owner LOGIN")
			other.Exec("", "CREATE DATABASE shop")
			other.Exec("shop", "CREATE TABLE t (a int PRIMARY KEY); ")
			other.Exec("", "CREATE DATABASE library")
			other.Exec("library", "CREATE FUNCTION c(int) RETURNS int LANGUAGE internal AS 'int4abs'")
			s.Exec("", "CREATE DATABASE library OWNER strongest")
			must(t, replication.CreatePublication(t.Context(), other.Server, "shop", names))
			must(t, replication.CreateSlot(t.Context(), other.Server, "shop", names, s.Instance))
			strong := s.Server
			strong.User = "strongest"
			ctx := t.Context()
			for _, c := range []struct {
				step string
				do   func() error
			}{
				{"publish tables", func() error { return replication.CreatePublication(ctx, strong, "shop", names) }},
				{"subscribe", func() error {
					return replication.CreateSubscription(ctx, strong, replication.SubscribeOptions{Publisher: other.Server, Database: "shop", Names: names})
				}},
				{"copy roles", func() error { return transfer.CopyRoles(ctx, other.Server, strong) }},
				{"restore a schema", func() error {
					target := *s
					target.Server = strong
					out, err := pg.SchemaJob(t, copy.PreData, other, &target, "library").CombinedOutput()
					if err != nil {
						err = fmt.Errorf("%w: %s", err, out)
					}
					return err
				}},
				{"end a superuser's session", func() error {
					victim := s.Server
					victim.User, victim.Password = "root", "r"
					conn, err := victim.Connect(ctx, "shop")
					must(t, err)
					defer conn.Close(context.Background())
					ender, err := strong.Connect(ctx, "shop")
					must(t, err)
					defer ender.Close(context.Background())
					_, err = ender.Exec(ctx, "SELECT pg_terminate_backend($1)", int32(conn.PgConn().PID()))
					return err
				}},
				{"make the marker table", func() error { return replication.EnsureMarker(ctx, strong, "postgres") }},
				{"make a database for its owner", func() error {
					session, err := strong.Connect(ctx, "")
					must(t, err)
					defer session.Close(context.Background())
					_, err = session.Exec(ctx, "CREATE DATABASE another OWNER owner")
					return err
				}},
				{"make a replication slot", func() error { return replication.CreateSlot(ctx, strong, "shop", names, "green") }},
				{"fence", func() error { return fence.FenceStandby(ctx, strong, []string{"shop"}) }},
			} {
				err := c.do()
				t.Logf("%s: %v", c.step, err)
				if slices.Contains(refused[c.step], major) != (err != nil) || err != nil && !postgres.RightsMissing(err) && !strings.Contains(err.Error(), "permission denied") {
					t.Errorf("%s is not what the table says", c.step)
				}
			}
			findings, err := preflight.Check(ctx, strong, request(17, "shop"))
			must(t, err)
			found(t, findings, "superuser", "")
		})
	}
}
