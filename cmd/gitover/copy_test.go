package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

// TestAPersonCopiesADatabaseBetweenAnyTwoServers without a cluster.
func TestAPersonCopiesADatabaseBetweenAnyTwoServers(t *testing.T) {
	old, fresh := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	for _, s := range []*pg.Server{old, fresh} {
		s.Exec("", "CREATE DATABASE shop")
		s.Exec("shop", "CREATE TABLE orders (id int NOT NULL, x xml); CREATE TABLE items (id int NOT NULL)")
	}
	old.Exec("shop", "INSERT INTO orders SELECT g, '<a/>' FROM generate_series(1, 1000) g; INSERT INTO items SELECT generate_series(1, 10); ALTER TABLE orders ADD PRIMARY KEY (id); ALTER TABLE items ADD FOREIGN KEY (id) REFERENCES orders; CREATE PUBLICATION everything FOR ALL TABLES; ALTER TABLE items REPLICA IDENTITY FULL")
	from, to := fmt.Sprintf("postgres://postgres@%s/shop", old.Address()), fmt.Sprintf("postgres://postgres@%s/shop", fresh.Address())
	t.Setenv("PGPASSWORD", "guessed")
	t.Setenv("GITOVER_FROM_PASSWORD", pg.Password)
	t.Setenv("GITOVER_TO_PASSWORD", pg.Password)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))

	fresh.Exec("shop", "INSERT INTO items VALUES (7)")
	_, code, err := typed(t, "copy", "--from", from, "--to", to)
	if code != exitNotCopied || !strings.Contains(err.Error(), "has rows") || strings.Contains(err.Error(), "\n") {
		t.Errorf("exit %d, %v", code, err)
	}
	fresh.Exec("shop", "TRUNCATE items")
	out, code, err := typed(t, "copy", "--from", from, "--to", to, "--explain", "--slot", "shop_copy", "--publication", "everything")
	if code != 0 || err != nil {
		t.Fatalf("exit %d, %v:\n%s", code, err, out)
	}
	for _, words := range []string{"2 of 2 tables, 1010 rows", "1 of 1 indexes", `public.orders: `, "text (the binary form may differ: x xml)", "1 tables traveled as text", "applies what was committed since"} {
		if !strings.Contains(strings.ReplaceAll(out, `"`, ""), strings.ReplaceAll(words, `"`, "")) {
			t.Errorf("%q is missing in\n%s", words, out)
		}
	}
	old.Exec("shop", "INSERT INTO orders VALUES (2000, '<b/>')")
	for fresh.Query("shop", "SELECT count(*) FROM orders") != "1001" {
		if t.Context().Err() != nil {
			t.Fatal("the subscription applies nothing")
		}
	}

	fresh.Exec("shop", "ALTER SUBSCRIPTION shop_copy DISABLE; ALTER SUBSCRIPTION shop_copy SET (slot_name = NONE); DROP SUBSCRIPTION shop_copy; TRUNCATE orders, items")
	out, code, err = typed(t, "copy", "--from", from, "--to", to, "-o", "json", "--tables", "orders", "--rate-limit", "100Mi")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last struct {
		Report struct{ Tables, Rows, Text int }
	}
	if decoded := json.Unmarshal([]byte(lines[len(lines)-1]), &last); code != 0 || err != nil || decoded != nil || last.Report.Tables != 1 || last.Report.Rows != 1001 || last.Report.Text != 1 {
		t.Errorf("exit %d, %v, %v:\n%s", code, err, decoded, out)
	}
}

func TestWhatCopyCantDoIsOneLine(t *testing.T) {
	t.Setenv("PGPASSWORD", "guessed")
	from, to := "postgres://postgres@127.0.0.1:1/a", "postgres://postgres@127.0.0.1:1/b"
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{exitBadCopy, "--from URL --to URL", []string{"--from", from}},
		{exitBadCopy, "same database", []string{"--from", from, "--to", from}},
		{exitBadCopy, "1 to 256", []string{"--from", from, "--to", to, "--jobs", "0"}},
		{exitBadCopy, "50Mi", []string{"--from", from, "--to", to, "--rate-limit", "fast"}},
		{exitBadCopy, "--maintenance-memory", []string{"--from", from, "--to", to, "--maintenance-memory", "1"}},
		{exitBadCopy, "needs --slot", []string{"--from", from, "--to", to, "--publication", "p"}},
		{exitBadCopy, "text or json", []string{"--from", from, "--to", to, "-o", "yaml"}},
		{exitBadCopy, "schema.table", []string{"--from", from, "--to", to, "--tables", "a.b.c"}},
		{exitBadCopy, "--to: leave the password out", []string{"--from", from, "--to", "postgres://postgres:secret@127.0.0.1:1/b"}},
		{exitBadCopy, "127.0.0.1:1", []string{"--from", from, "--to", to, "--cancel"}},
		{exitNotCopied, "127.0.0.1:1", []string{"--from", from, "--to", to}},
	} {
		out, code, err := typed(t, append([]string{"copy"}, c.args...)...)
		if err == nil || code != c.code || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || strings.Contains(out+err.Error(), "secret") || strings.Contains(err.Error(), "guessed") {
			t.Errorf("%q: exit %d, %v", c.args, code, err)
		}
	}
}

// TestAPersonCopiesTheSchemaToo with the programs of this machine.
func TestAPersonCopiesTheSchemaToo(t *testing.T) {
	said, err := exec.Command("pg_dump", "--version").Output()
	version := regexp.MustCompile(`\) (\d+)`).FindSubmatch(said)
	if err != nil || version == nil {
		t.Skip("needs pg_dump in PATH")
	}
	newer, err := strconv.Atoi(string(version[1]))
	if err != nil || newer == 13 || !slices.Contains(pg.Majors(), newer) {
		t.Skipf("pg_dump of PATH is of %d", newer)
	}
	old, fresh := pg.Start(t, 13, pg.Logical), pg.Start(t, newer, pg.Logical)
	for _, s := range []*pg.Server{old, fresh} {
		s.Exec("", "CREATE DATABASE shop")
	}
	old.Exec("shop", `CREATE TABLE orders (id int PRIMARY KEY, t text, UNIQUE (t, id)); CREATE TABLE items (id int REFERENCES orders, n int); CREATE INDEX ON items (n); COMMENT ON INDEX items_n_idx IS 'by number';
		CREATE TABLE parts (k int PRIMARY KEY, t text) PARTITION BY HASH (k); CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER noted BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION noted(); ALTER TABLE items ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON items USING (n > 0);
		CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM orders WITH NO DATA; CREATE INDEX ON mv (n); CREATE STATISTICS st ON id, t FROM orders;
		INSERT INTO orders SELECT g, 't' || g FROM generate_series(1, 1000) g; INSERT INTO items SELECT g, g FROM generate_series(1, 100) g; INSERT INTO parts SELECT g, 'x' FROM generate_series(1, 100) g`)
	from, to := fmt.Sprintf("postgres://postgres@%s/shop", old.Address()), fmt.Sprintf("postgres://postgres@%s/shop", fresh.Address())
	t.Setenv("PGPASSWORD", pg.Password)
	out, code, err := typed(t, "copy", "--from", from, "--to", to, "--schema")
	if code != 0 || err != nil || !strings.Contains(out, "4 of 4 tables, 1200 rows") {
		t.Fatalf("exit %d, %v:\n%s", code, err, out)
	}
	drift, err := schema.Compare(t.Context(), old.Server, fresh.Server, "shop", schema.Whole)
	if err != nil || len(drift.Differences) > 0 {
		t.Errorf("%v, %q", err, drift.Differences)
	}
	if n := fresh.Query("shop", "SELECT count(*) || ' ' || (SELECT obj_description('items_n_idx'::regclass)) FROM pg_class WHERE relnamespace = 'gitover'::regnamespace"); n != "0 by number" {
		t.Errorf("%s are left", n)
	}
	if _, code, err := typed(t, "copy", "--from", from, "--to", to, "--schema", "--tables", "orders"); code != exitBadCopy || !strings.Contains(err.Error(), "--schema") {
		t.Errorf("exit %d, %v", code, err)
	}
	fresh.Exec("", "CREATE DATABASE other")
	fresh.Exec("other", "CREATE TABLE orders (id int)")
	_, code, err = typed(t, "copy", "--from", from, "--to", strings.Replace(to, "/shop", "/other", 1), "--schema")
	if code != exitNotCopied || !strings.Contains(err.Error(), "already exists") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a table that is there: exit %d, %v", code, err)
	}
	t.Setenv("PATH", "/nowhere")
	if _, code, err = typed(t, "copy", "--from", from, "--to", to, "--schema"); code != exitNotCopied || !strings.Contains(err.Error(), "in PATH") {
		t.Errorf("no programs: exit %d, %v", code, err)
	}
}
