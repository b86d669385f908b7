package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// TestASideThatWasLeftIsShutToSuperusersUntilItFollows goes the fence's whole way on a side that a
// switch leaves: shut to everybody, then open to replication again, then serving once more.
// What is applied there must not depend on what superusers are kept from.
func TestASideThatWasLeftIsShutToSuperusersUntilItFollows(t *testing.T) {
	for _, pair := range [][2]int{{postgres.Oldest, postgres.Latest}, {postgres.Latest, postgres.Oldest}, {15, 17}, {17, 15}} {
		t.Run(fmt.Sprintf("%d follows %d", pair[0], pair[1]), func(t *testing.T) {
			t.Parallel()
			left, serving := leftBySwitch(t, pair[0]), leftBySwitch(t, pair[1])
			left.Exec("", "ALTER DATABASE shop SET default_transaction_read_only = off")
			r, err := fence.SwitchRegister(t.Context(), left.Server, "this run")
			must(t, err)
			defer r.Close(context.Background())
			key := leave(t, left, r)
			for range 2 {
				must(t, r.AllowReplication(t.Context(), "away", []string{"firing"}))
			}
			superusersOnlyRead(t, left)
			for _, db := range []string{"shop", "firing"} {
				must(t, replication.EnsureMarker(t.Context(), serving.Server, db))
				subscribe(t, serving, left, db, false)
				everythingArrives(t, serving, left, db)
			}
			comeBack(t, r, key)
			must(t, r.AllowReplication(t.Context(), "away", nil))
			if got := left.Query("", "SHOW default_transaction_read_only"); got != "off" {
				t.Errorf("Gitover's session: %s", got)
			}
			for db, want := range map[string]string{"shop": "default_transaction_read_only=off", "firing": ""} {
				got := left.Query("", "SELECT setconfig[1] FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = '"+db+"'")
				if got != want {
					t.Errorf("settings of %s once it serves again, and after an admission too late: %q, want %q", db, got, want)
				}
			}
			must(t, write(t, left, "shop"))
		})
	}
}

// leftBySwitch is a server with two databases, one of which has a trigger that fires where changes are
// applied.
func leftBySwitch(t *testing.T, major int) *pg.Server {
	t.Helper()
	s := pg.Start(t, major, pg.Logical)
	s.Exec("", "CREATE ROLE root SUPERUSER LOGIN PASSWORD 'root'; CREATE ROLE app LOGIN PASSWORD 'app'")
	for _, db := range []string{"shop", "firing"} {
		s.Exec("", "CREATE DATABASE "+db)
		s.Exec(db, `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE emptied (id int PRIMARY KEY); CREATE TABLE audit (id int)`)
	}
	s.Exec("firing", `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.audit VALUES (NEW.id); RETURN NEW; END $$;
		CREATE TRIGGER note AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE t ENABLE REPLICA TRIGGER note`)
	prepare(t, s)
	return s
}

// leave takes the side through a switch that goes forward.
func leave(t *testing.T, left *pg.Server, r *fence.Register) postgres.Password {
	t.Helper()
	ctx := t.Context()
	decided(t, fence.Open)(r.Begin(ctx, fence.SwitchRow{ID: "away", From: "here", To: "there", Databases: []string{"shop", "firing"}}))
	must(t, write(t, left, "shop"))
	idle, err := as(left, "root").Connect(ctx, "shop")
	must(t, err)
	defer idle.Close(ctx)
	decided(t, fence.Open)(r.Fence(ctx, "away"))
	for _, user := range []string{"root", "app", "postgres"} {
		if _, err := as(left, user).Connect(ctx, "shop"); !postgres.ConnectionsDisabled(err) || !postgres.Unreachable(err) {
			t.Errorf("%s connects to a side that is shut: %v", user, err)
		}
	}
	var logins []int
	eventually(t, "the superuser's session ends", func() bool {
		var still []postgres.Session
		still, logins, err = r.TerminateSessions(ctx, "away", fence.EndAll, logins)
		must(t, err)
		return len(still) == 0 && len(logins) == 0
	})
	if err := idle.Ping(ctx); err == nil {
		t.Error("the superuser's session lives on")
	}
	elsewhere := left.Server
	elsewhere.MaintenanceDatabase = "shop"
	conn, err := elsewhere.Connect(ctx, "")
	must(t, err)
	conn.Close(ctx)
	must(t, r.AllowReplication(ctx, "away", nil))
	if _, err := as(left, "root").Connect(ctx, "shop"); !postgres.ConnectionsDisabled(err) {
		t.Errorf("admitted before the decision: %v", err)
	}
	left.Exec("", "ALTER DATABASE shop ALLOW_CONNECTIONS true")
	if v, err := r.Commit(ctx, "away", "test", nil); err == nil {
		t.Errorf("%s, though somebody let superusers in", v.Decision)
	}
	left.Exec("", "ALTER DATABASE shop ALLOW_CONNECTIONS false")
	return stands(t, fence.Commit)(r.Commit(ctx, "away", "test", nil))
}

func superusersOnlyRead(t *testing.T, left *pg.Server) {
	t.Helper()
	if _, err := as(left, "app").Connect(t.Context(), "shop"); !postgres.Refused(err) {
		t.Errorf("an application: %v", err)
	}
	var refused *pgconn.PgError
	if err := write(t, left, "shop"); !errors.As(err, &refused) || refused.Code != "25006" {
		t.Errorf("a superuser writes to a side that does not serve: %v", err)
	}
	left.Exec("shop", "CREATE TABLE gitovers (); DROP TABLE gitovers")
}

func everythingArrives(t *testing.T, serving, left *pg.Server, db string) {
	t.Helper()
	serving.Exec(db, "TRUNCATE t; INSERT INTO emptied VALUES (1)")
	serving.Exec(db, "INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET v = 'c' WHERE id = 1; DELETE FROM t WHERE id = 2")
	serving.Exec(db, "TRUNCATE emptied; INSERT INTO emptied VALUES (7)")
	eventually(t, "every kind of change arrives in "+db, func() bool {
		return left.Query(db, "SELECT (SELECT string_agg(id || v, ' ') FROM t) || '/' || (SELECT string_agg(id::text, ' ') FROM emptied)") == "1c/7"
	})
	if db == "firing" {
		if got := left.Query(db, "SELECT string_agg(id::text, ' ') FROM audit"); got != "1 2" {
			t.Errorf("its trigger wrote %q", got)
		}
	}
}

// comeBack opens the side again. Here its own key serves as the other side's.
func comeBack(t *testing.T, r *fence.Register, key postgres.Password) {
	t.Helper()
	hash, err := r.KeyHash(t.Context(), "away")
	must(t, err)
	_, err = r.Ready(t.Context(), fence.SwitchRow{ID: "back", From: "there", To: "here"}, hash)
	must(t, err)
	state, err := r.Unfence(t.Context(), "back", "test", key)
	if err != nil || state != "opened" {
		t.Fatalf("%s, %v", state, err)
	}
}

func as(s *pg.Server, user string) postgres.Server {
	server := s.Server
	if user != server.User {
		server.User, server.Password = user, postgres.Password(user)
	}
	return server
}

// write is what an application does that logs in as superuser and knows nothing of Gitover.
func write(t *testing.T, s *pg.Server, db string) error {
	t.Helper()
	config, err := pgx.ParseConfig("sslmode=disable user=root password=root dbname=" + db)
	must(t, err)
	config.Host, config.Port = s.Host, uint16(s.Port)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "INSERT INTO t VALUES (99, 'mine') ON CONFLICT DO NOTHING")
	return err
}
