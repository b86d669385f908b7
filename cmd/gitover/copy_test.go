package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

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
