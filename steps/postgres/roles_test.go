package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

func TestRolesAreTheSameOnTheOtherSideAndStaySo(t *testing.T) {
	eachPair(t, func(t *testing.T, blue, green *pg.Server) {
		sell(blue)
		green.Exec("", "CREATE ROLE image_made LOGIN; CREATE ROLE reader CREATEDB; GRANT pg_monitor TO image_made")
		for range 2 {
			must(t, transfer.CopyRoles(t.Context(), blue.Server, green.Server))
			sameRoles(t, blue, green)
		}
		blue.Exec("", `REVOKE reader FROM app; ALTER ROLE app RESET search_path; ALTER ROLE app NOLOGIN; DROP ROLE IF EXISTS nobody`)
		must(t, transfer.CopyRoles(t.Context(), blue.Server, green.Server))
		sameRoles(t, blue, green)
	})
}

// An operator sets the application's password on each server from a Secret: the text is the same, what a server stores isn't.
func TestAPasswordThatAnOperatorSetsIsLeftToIt(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	for _, s := range []*pg.Server{blue, green} {
		s.ManagedPasswords = []string{"app", "later"}
	}
	stored := func(s *pg.Server) string {
		return s.Query("", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
	}
	blue.Exec("", "CREATE ROLE app LOGIN PASSWORD 'the same'; CREATE ROLE later LOGIN PASSWORD 'copied once'; CREATE ROLE reader IN ROLE app PASSWORD 'read'")
	green.Exec("", "CREATE ROLE app PASSWORD 'the same'")
	its := stored(green)
	for range 2 {
		must(t, transfer.CopyRoles(t.Context(), blue.Server, green.Server))
		sameRoles(t, blue, green)
	}
	if stored(green) != its || its == stored(blue) {
		t.Error("the password that the operator set was changed")
	}
	for _, role := range []string{"later", "reader"} {
		hash := "SELECT rolpassword FROM pg_authid WHERE rolname = '" + role + "'"
		if green.Query("", hash) != blue.Query("", hash) {
			t.Errorf("%s was new on this server, and has not the password of the other", role)
		}
	}
	if green.Query("", "SELECT rolcanlogin FROM pg_authid WHERE rolname = 'app'") != "t" {
		t.Error("the role's attributes were not copied")
	}
	green.Exec("", "ALTER ROLE reader PASSWORD 'other'")
	want, err := transfer.RolesFingerprint(t.Context(), blue.Server)
	must(t, err)
	have, err := transfer.RolesFingerprint(t.Context(), green.Server)
	must(t, err)
	if got := want.Diff(have); len(got) != 1 {
		t.Errorf("a password that is not managed differs, and the difference is %q", got)
	}
}

func sameRoles(t *testing.T, blue, green *pg.Server) {
	t.Helper()
	want, err := transfer.RolesFingerprint(t.Context(), blue.Server)
	must(t, err)
	have, err := transfer.RolesFingerprint(t.Context(), green.Server)
	must(t, err)
	for _, d := range want.Diff(have) {
		t.Error(d)
	}
}

func TestANewDatabaseRefusesApplicationsFromBirth(t *testing.T) {
	eachPair(t, func(t *testing.T, blue, green *pg.Server) {
		sell(blue)
		prepare(t, blue)
		must(t, fence.FenceStandby(t.Context(), blue.Server, []string{"shop"}))
		blue.Exec("", "ALTER ROLE app IN DATABASE shop SET search_path TO public")
		green.Exec("", "CREATE ROLE owner")
		green.Exec("", "CREATE DATABASE shop CONNECTION LIMIT 3")
		prepare(t, green)
		must(t, transfer.CopyRoles(t.Context(), blue.Server, green.Server))
		all, err := postgres.ApplicationDatabases(t.Context(), blue.Server, []string{"shop", "typo"}, nil)
		must(t, err)
		dbs := postgres.Moved(all)
		if len(dbs) != 1 || len(all) != 4 || all[3].Skipped != "does not exist" {
			t.Errorf("databases %+v", all)
		}
		for range 2 {
			must(t, transfer.CreateDatabases(t.Context(), blue.Server, green.Server, dbs))
		}
		app := green.Server
		app.User, app.Password = "app", "a'pp"
		if _, err := app.Connect(t.Context(), "shop"); !postgres.Refused(err) {
			t.Errorf("an application gets in, or: %v", err)
		}
		for _, q := range []string{
			`SELECT pg_get_userbyid(datdba) || datcollate || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'shop'`,
			`SELECT string_agg(coalesce(setrole::regrole::text, '') || setconfig::text, ' ' ORDER BY setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = 'shop'`,
			`SELECT string_agg(x.grantee::regrole || x.privilege_type, ' ' ORDER BY 1) FROM pg_database, aclexplode(datacl) x WHERE datname = 'shop'`,
		} {
			if b, g := blue.Query("", q), green.Query("", q); b != g || b == "" {
				t.Errorf("%s: %q and %q", q, b, g)
			}
		}
		if got := green.Query("gitover", `SELECT connlimit FROM gitover.connection_limits WHERE datname = 'shop'`); got != "9" {
			t.Errorf("the limit to come back is %q, not 9", got)
		}
	})
}

func TestNoSecretReachesALogEvenWhenAllIsLogged(t *testing.T) {
	loud := pg.Settings{"wal_level": "logical", "log_statement": "all", "log_min_duration_statement": "0", "log_min_messages": "info", "log_min_error_statement": "info", "log_transaction_sample_rate": "1"}
	blue, green := pg.Start(t, 15, loud), pg.Start(t, 17, loud)
	sell(blue)
	blue.Exec("shop", `CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR app SERVER far OPTIONS (password 'mapping-secret')`)
	before := len(blue.Log())
	replicate(t, blue, green)
	wrong := blue.Server
	wrong.Password = "not-the-password-7"
	must(t, replication.CreatePublication(t.Context(), blue.Server, "postgres", names))
	green.Exec("", "ALTER DATABASE postgres CONNECTION LIMIT 0")
	err := replication.CreateSubscription(t.Context(), green.Server, replication.SubscribeOptions{Publisher: wrong, Database: "postgres", Names: names})
	if err == nil {
		t.Error("a wrong password is no error")
	} else if strings.Contains(err.Error(), string(wrong.Password)) {
		t.Errorf("the error says the password: %v", err)
	}
	for _, log := range []string{blue.Log()[before:], green.Log()} {
		for _, secret := range []string{pg.Password, strings.ReplaceAll(pg.Password, "'", ""), "not-the-password-7", "mapping-secret", "SCRAM-SHA-256$", `sec\\ret`, `sec\ret`} {
			if i := strings.Index(log, secret); i >= 0 {
				t.Errorf("a log has %q:\n%s", secret, log[max(0, i-300):min(len(log), i+100)])
			}
		}
	}
}

func TestDataOfAServingDatabaseIsNeverEmptied(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("", "CREATE DATABASE d")
		s.Exec("d", "CREATE TABLE precious (a int PRIMARY KEY); INSERT INTO precious VALUES (1)")
		must(t, replication.EnsureMarker(t.Context(), s.Server, "d"))
	}
	must(t, replication.CreatePublication(t.Context(), blue.Server, "d", names))
	must(t, replication.CreateSlot(t.Context(), blue.Server, "d", names, green.Instance))
	o := replication.SubscribeOptions{Publisher: blue.Server, Database: "d", Names: names, CopyData: true}
	if err := replication.CreateSubscription(t.Context(), green.Server, o); err == nil || !strings.Contains(err.Error(), "isn't fenced") {
		t.Errorf("error %v", err)
	}
	green.Exec("", "ALTER DATABASE d CONNECTION LIMIT 0")
	must(t, replication.CreateSubscription(t.Context(), green.Server, o))
	awaitReady(t, green, "d")
	if got := green.Query("d", "SELECT count(*) FROM precious"); got != "1" {
		t.Errorf("%s rows after the copy", got)
	}
}

func TestAKilledSchemaJobLeavesNothingAndASecondOneFinishes(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	sell(blue)
	prepare(t, green)
	must(t, transfer.CopyRoles(t.Context(), blue.Server, green.Server))
	green.Exec("", "CREATE DATABASE shop OWNER owner")
	green.Exec("shop", `CREATE TABLE "Odd ""name""" (in_the_way int)`)
	out, err := pg.SchemaJob(t, copy.PreData, blue, green, "shop").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "already exists") {
		t.Errorf("%v: %s", err, out)
	}
	if got := green.Query("shop", "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"); got != "1" {
		t.Errorf("a failed Job left %s tables", got)
	}
	green.Exec("shop", `DROP TABLE "Odd ""name"""`)
	pg.CopySchema(t, copy.PreData, blue, green, "shop")
	sameSchema(t, blue, green, "shop", schema.PreData)
}

func TestWhatTableSynchronizationLeavesIsRemovedWithoutTheSubscriber(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	sell(blue)
	replicate(t, blue, green)
	id := green.Query("", "SELECT system_identifier FROM pg_control_system()")
	green.Kill()
	blue.Exec("shop", "SELECT pg_create_logical_replication_slot('pg_16500_sync_16384_"+id+"', 'pgoutput')")
	blue.Exec("shop", "SELECT pg_create_logical_replication_slot('pg_16500_sync_16384_77', 'pgoutput'), pg_create_logical_replication_slot('theirs', 'pgoutput')")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	left, err := replication.RemoveAll(ctx, blue.Server, names)
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if got := blue.Query("", "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots"); got != "pg_16500_sync_16384_77 theirs" {
		t.Errorf("slots left: %q", got)
	}
	conn, err := blue.Connect(t.Context(), "shop")
	must(t, err)
	defer conn.Close(t.Context())
	var schema *string
	if err := conn.QueryRow(t.Context(), "SELECT to_regnamespace('gitover')::text").Scan(&schema); err != nil || schema != nil {
		t.Errorf("schema %v, %v", schema, err)
	}
}

func TestWhoeverGitoverConnectsAsIsLeftAlone(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	blue.Exec("", "CREATE ROLE chief SUPERUSER LOGIN PASSWORD 'c'; CREATE ROLE app LOGIN IN ROLE chief")
	chief := blue.Server
	chief.User, chief.Password = "chief", "c"
	for range 2 {
		must(t, transfer.CopyRoles(t.Context(), chief, green.Server))
		want, err := transfer.RolesFingerprint(t.Context(), chief)
		must(t, err)
		have, err := transfer.RolesFingerprint(t.Context(), green.Server)
		must(t, err)
		for _, d := range want.Diff(have) {
			t.Error(d)
		}
	}
	if _, err := green.Connect(t.Context(), ""); err != nil {
		t.Errorf("our own password changed: %v", err)
	}
}
