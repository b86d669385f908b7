package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// typed at a terminal: what is printed, and what the process exits with.
func typed(t *testing.T, args ...string) (out string, code int, err error) {
	t.Helper()
	var b bytes.Buffer
	command := root()
	command.SetOut(&b)
	command.SetArgs(args)
	err = command.ExecuteContext(t.Context())
	var e *exit
	switch {
	case errors.As(err, &e):
		code = e.code
	case err != nil:
		code = 1
	}
	return b.String(), code, err
}

// TestAnyServerIsCheckedWithoutACluster as somebody does who has never heard of Gitover before.
func TestAnyServerIsCheckedWithoutACluster(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE shop")
	s.Exec("shop", "CREATE TABLE fine (id int PRIMARY KEY)")
	from := fmt.Sprintf("postgres://postgres@%s/postgres", s.Address())
	t.Setenv("PGPASSWORD", pg.Password)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))

	if out, code, err := typed(t, "check", "--from", from, "--to", "17"); code != 0 || !strings.Contains(out, "none blocks the upgrade to 17") {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}

	for i := range 10 {
		s.Exec("shop", fmt.Sprintf("CREATE TABLE keyless%d (a int)", i))
	}
	out, code, err := typed(t, "check", "--from", from, "--to", "17")
	if code != exitBlocked || !strings.Contains(err.Error(), "10 of") || strings.Count(out, "REPLICA IDENTITY FULL;") != 3 || !strings.Contains(out, "and 7 more") {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}
	out, code, _ = typed(t, "check", "--from", from, "--to", "17", "-o", "json")
	var report struct {
		Blocking int
		Findings []struct{ Name, Severity, Database, Fix string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitBlocked || report.Blocking != 10 || len(report.Findings) < 10 {
		t.Errorf("exit %d, %v, %+v", code, err, report)
	}
	out, code, _ = typed(t, "check", "--from", from, "--to", "17", "-o", "junit")
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Failure *struct{} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(out), &suite); err != nil || code != exitBlocked || suite.Failures != 10 || suite.Tests != len(report.Findings) || len(suite.Cases) != suite.Tests {
		t.Errorf("exit %d, %v, %+v", code, err, suite)
	}
	out, _, _ = typed(t, "check", "--from", from, "--to", "17", "-o", "markdown")
	if strings.Count(out, "| block | `replica_identity` | shop |") != 4 {
		t.Error(out)
	}

	file := filepath.Join(t.TempDir(), "upgrade.yaml")
	write := func(spec string) {
		content := "kind: Namespace\n---\napiVersion: gitover.dev/v1alpha1\nkind: PgUpgrade\nmetadata: {name: orders}\nspec:\n" + spec
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("  version: \"18\"\n  databases: {exclude: [shop]}\n")
	if out, code, err := typed(t, "check", "--from", from, "-f", file); code != 0 || !strings.Contains(out, "upgrade to 18") {
		t.Errorf("without the database that has them: exit %d, %v:\n%s", code, err, out)
	}
	write("  version: latest\n")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--from", from, "-f", file}, "latest"},
		{[]string{"--from", from, "-f", file + "x"}, "no such file"},
		{[]string{"--from", from}, "version"},
		{[]string{"--from", from, "--to", "12"}, postgres.SupportedVersions()},
		{[]string{"--from", from, "--to", "17", "-o", "yaml"}, "markdown"},
		{[]string{"--to", "17"}, "--from"},
		{[]string{"orders", "--from", from, "--to", "17"}, "either"},
		{[]string{"--from", strings.Replace(from, "postgres@", "postgres:secret@", 1), "--to", "17"}, "PGPASSWORD"},
		{[]string{"--from", from + "?password=secret", "--to", "17"}, "PGPASSWORD"},
		{[]string{"--from", "host=127.0.0.1 password=secret", "--to", "17"}, "postgres://"},
		{[]string{"--from", "postgres://postgres@127.0.0.1:1/postgres", "--to", "17"}, "127.0.0.1:1"},
		{[]string{"--from", from + "?sslmode=verify-full&sslrootcert=/nowhere", "--to", "17"}, "/nowhere"},
	} {
		out, code, err := typed(t, append([]string{"check"}, c.args...)...)
		if code != exitUnchecked || !strings.Contains(err.Error(), c.says) || strings.Contains(out+err.Error(), "secret") {
			t.Errorf("%q: exit %d, %v", c.args, code, err)
		}
	}
	t.Setenv("PGPASSWORD", "guessed")
	if _, code, err := typed(t, "check", "--from", from, "--to", "17"); code != exitUnchecked || !postgres.AuthenticationFailed(err) || strings.Contains(err.Error(), "guessed") {
		t.Errorf("a wrong password: exit %d, %v", code, err)
	}
	t.Setenv("PGPASSWORD", "")
	passwords := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(passwords, []byte("*:*:*:*:"+strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(pg.Password)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", passwords)
	if _, code, err := typed(t, "check", "--from", from, "--to", "17"); code != exitBlocked {
		t.Errorf("with a password file: exit %d, %v", code, err)
	}
}
