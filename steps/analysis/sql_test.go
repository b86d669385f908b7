package analysis

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// TestAQueryIsAskedAsItsOwnRoleAndCanWriteNothing on real servers, the oldest and the newest.
func TestAQueryIsAskedAsItsOwnRoleAndCanWriteNothing(t *testing.T) {
	for _, major := range []int{13, 18} {
		server := pg.Start(t, major, pg.Settings{})
		server.Exec("", "CREATE DATABASE d")
		server.Exec("d", `CREATE TABLE t (id int, word text); CREATE TABLE hidden (id int); CREATE SEQUENCE s;
			CREATE ROLE watcher LOGIN PASSWORD `+postgres.Literal(pg.Password)+`; GRANT SELECT, INSERT ON t TO watcher; GRANT USAGE ON s TO watcher`)
		password := []byte(pg.Password)
		from := here(t, map[string]map[string][]byte{"watcher": {"username": []byte("watcher"), "password": password},
			"superuser": {"username": []byte("postgres"), "password": password}, "wrong": {"username": []byte("watcher"), "password": []byte("no")}, "empty": {}})
		from.Server = func(context.Context) (postgres.Server, error) { return server.Server, nil }
		ask := func(query, secret string, wanted *v1alpha1.ThresholdRange) Result {
			c := v1alpha1.AnalysisCheck{Name: "c", ThresholdRange: wanted, Timeout: &metav1.Duration{Duration: 20 * time.Second},
				SQL: &v1alpha1.SQLCheck{Database: "d", Query: query, SecretRef: v1alpha1.SecretReference{Name: secret}}}
			return from.one(t, c)
		}
		upTo5 := between("", "5")
		ask("SELECT count(*) FROM t", "watcher", upTo5).is(t, v1alpha1.CheckPassed, "0 at most 5")
		ask("SELECT 5.5::numeric", "watcher", upTo5).is(t, v1alpha1.CheckFailed, "5.5 at most 5")
		ask("SELECT 7::smallint", "watcher", upTo5).is(t, v1alpha1.CheckFailed)
		ask("SELECT 0.1::real", "watcher", upTo5).is(t, v1alpha1.CheckPassed)
		ask("SELECT true", "watcher", nil).is(t, v1alpha1.CheckPassed, "true")
		ask("SELECT false", "watcher", nil).is(t, v1alpha1.CheckFailed, "false")
		ask("SELECT true", "watcher", upTo5).is(t, v1alpha1.CheckPassed, "1 at most 5")
		ask("SHOW transaction_read_only", "watcher", nil).is(t, v1alpha1.CheckUnknown, "neither a number nor a boolean")
		for query, words := range map[string]string{
			"SELECT NULL::int":                                        "returns NULL",
			"SELECT 1 WHERE false":                                    "no row",
			"SELECT generate_series(1, 2)":                            "several rows",
			"SELECT 1, 2":                                             "2 columns",
			"SELECT 'one'":                                            "cast it",
			"SELECT 'Infinity'::float8":                               "+Inf",
			"SELECT count(*) FROM hidden":                             "permission denied for table hidden (SQLSTATE 42501)",
			"SELECT count(*) FROM missing":                            "does not exist",
			"INSERT INTO t VALUES (1) RETURNING 1":                    "read-only transaction",
			"SELECT nextval('s')":                                     "read-only transaction",
			"SELECT 1; INSERT INTO t VALUES (1)":                      "multiple commands",
			"COMMIT; SELECT 1":                                        "multiple commands",
			"SET TRANSACTION READ WRITE":                              "transaction read-write mode",
			"SELECT set_config('transaction_read_only', 'off', true)": "transaction read-write mode",
			"COMMIT": "no row",
		} {
			ask(query, "watcher", upTo5).is(t, v1alpha1.CheckUnknown, words)
		}
		ask("SELECT 1", "watcher", nil).is(t, v1alpha1.CheckUnknown, "set thresholdRange, or return a boolean")
		ask("SELECT 1", "superuser", upTo5).is(t, v1alpha1.CheckUnknown, `role "postgres" of Secret superuser is a superuser`)
		ask("SELECT 1", "wrong", upTo5).is(t, v1alpha1.CheckUnknown, "password authentication failed")
		ask("SELECT 1", "empty", upTo5).is(t, v1alpha1.CheckUnknown, `has no key "username"`)
		slow := v1alpha1.AnalysisCheck{Name: "slow", ThresholdRange: upTo5, Timeout: &metav1.Duration{Duration: 300 * time.Millisecond},
			SQL: &v1alpha1.SQLCheck{Database: "d", Query: "SELECT 1 FROM pg_sleep(60)", SecretRef: v1alpha1.SecretReference{Name: "watcher"}}}
		from.one(t, slow).is(t, v1alpha1.CheckUnknown, "no result within 300ms")
		if n := server.Query("d", "SELECT count(*) FROM t"); n != "0" {
			t.Errorf("a check wrote %s rows", n)
		}
		if last := server.Query("d", "SELECT is_called FROM s"); last != "f" {
			t.Error("a check took a number of a sequence")
		}
	}
}
