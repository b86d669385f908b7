package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// What Gitover says is done must be there after a crash of the server.
func TestGitoversCommitsAreDurableWhateverTheServersDefault(t *testing.T) {
	s := pg.Start(t, 15, pg.Settings{"synchronous_commit": "off"})
	s.Exec("", "ALTER ROLE postgres SET synchronous_commit = off; ALTER DATABASE postgres SET synchronous_commit = off")
	conn, err := s.Connect(t.Context(), "")
	must(t, err)
	defer conn.Close(context.Background())
	var value string
	must(t, conn.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&value))
	if value != "on" {
		t.Errorf("synchronous_commit is %s", value)
	}
}

// TestASessionIsSetUpByWhatItsServerAndItsUserAllow: triggers of applications don't fire for what a superuser does, which
// others may not ask for, and no default ends a transaction from 17 on.
func TestASessionIsSetUpByWhatItsServerAndItsUserAllow(t *testing.T) {
	for _, major := range []int{15, 17} {
		s := pg.Start(t, major, nil)
		s.Exec("", "CREATE ROLE reader LOGIN PASSWORD 'reader'")
		if major >= 17 {
			s.Exec("", "ALTER DATABASE postgres SET transaction_timeout = '1h'")
		}
		reader := s.Server
		reader.User, reader.Password = "reader", "reader"
		for role, server := range map[string]postgres.Server{"replica": s.Server, "origin": reader} {
			must(t, postgres.WithSession(t.Context(), server, "", func(conn *pgx.Conn) error {
				var got, timeout string
				err := conn.QueryRow(t.Context(), "SELECT current_setting('session_replication_role'), coalesce(current_setting('transaction_timeout', true), '0')").Scan(&got, &timeout)
				if got != role || timeout != "0" {
					t.Errorf("%d as %s: session_replication_role %s, transaction_timeout %s", major, server.User, got, timeout)
				}
				return err
			}))
		}
	}
}

func TestOfSeveralQueriesAskedAtOnceTheOneThatFailsIsKnown(t *testing.T) {
	s := pg.Start(t, 15, nil)
	type row struct{ Word string }
	must(t, postgres.WithSession(t.Context(), s.Server, "", func(conn *pgx.Conn) error {
		found, err := postgres.CollectEach[row](t.Context(), conn, []string{"SELECT 'a' UNION ALL SELECT 'b'", "SELECT 'c' WHERE false", "SELECT (1/0)::text", "SELECT 'd'"})
		if err == nil || !strings.Contains(err.Error(), "division by zero") || fmt.Sprint(found) != "[[{a} {b}] []]" {
			t.Errorf("found %v, error %v", found, err)
		}
		found, err = postgres.CollectEach[row](t.Context(), conn, []string{"SELECT 'e'"})
		if fmt.Sprint(found) != "[[{e}]]" {
			t.Errorf("then %v", found)
		}
		return err
	}))
}
