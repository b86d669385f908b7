package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/test/pg"
)

// TestEveryQueryHasItsFileAndEveryFileItsQuery: a name without a file would only be noticed when it is asked for.
func TestEveryQueryHasItsFileAndEveryFileItsQuery(t *testing.T) {
	packages, err := filepath.Glob("*/sql")
	must(t, err)
	for _, dir := range append(packages, "sql") {
		sources, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.go"))
		must(t, err)
		var code strings.Builder
		for _, source := range sources {
			text, err := os.ReadFile(source)
			must(t, err)
			code.Write(text)
		}
		for _, match := range regexp.MustCompile(`\bquery\("([^"]+)"\)`).FindAllStringSubmatch(code.String(), -1) {
			if _, err := os.Stat(filepath.Join(dir, match[1]+".sql")); err != nil {
				t.Errorf("%s: query %q has no file", dir, match[1])
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
		must(t, err)
		rules, err := filepath.Glob(filepath.Join(dir, "rules", "*.sql"))
		must(t, err)
		for _, file := range append(files, rules...) {
			name := strings.TrimSuffix(filepath.Base(file), ".sql")
			if !strings.Contains(code.String(), `"`+name+`"`) && !strings.Contains(code.String(), "sql/"+name+".sql") {
				t.Errorf("%s: nothing asks %s.sql", dir, name)
			}
		}
	}
}

// TestACheckThatReadsAnotherTableHoldsItsRowsBackUntilThatOneIsCopied, as Logto's checks do. A dump has the same trouble.
func TestACheckThatReadsAnotherTableHoldsItsRowsBackUntilThatOneIsCopied(t *testing.T) {
	somePairs(t, pg.Pairs([2]int{13, 18}, [2]int{18, 13}), func(t *testing.T, blue, green *pg.Server) {
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", `CREATE TABLE z_kinds (id int PRIMARY KEY, kind text NOT NULL); INSERT INTO z_kinds SELECT g, 'user' FROM generate_series(1, 20000) g;
			CREATE FUNCTION kind_is(int, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT kind FROM public.z_kinds WHERE id = $1) = $2; END $$;
			CREATE TABLE a_members (id int PRIMARY KEY, kind_id int REFERENCES z_kinds, CHECK (kind_is(kind_id, 'user')));
			INSERT INTO a_members SELECT g, g FROM generate_series(1, 100) g`)
		replicate(t, blue, green)
		pg.BuildRest(t, blue, green, names, "d")
		report, err := verify.Compare(t.Context(), blue.Server, green.Server, "d", verify.Options{})
		must(t, err)
		if len(report.Mismatches) > 0 || report.Rows != 20_100 {
			t.Errorf("%+v", report)
		}
	})
}
