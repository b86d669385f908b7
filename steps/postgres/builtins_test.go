package postgres_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/test/pg"
)

// builtinsFile is embedded by the package that needs it.
const builtinsFile = "preflight/builtins.tsv"

var update = flag.Bool("update", false, "write builtins.tsv")

// bkiCatalogs are the catalogs of postgres.bki whose rows count, by the kind of their objects.
var bkiCatalogs = map[string]string{"pg_proc": "function", "pg_operator": "operator", "pg_type": "type", "pg_collation": "collation", "pg_opclass": "operator class"}

// elsewhere are new functions of which older versions take the syntax that prints them, for another function.
var elsewhere = []string{"extract"}

// bkiObjects of a version: the name of each by kind and key.
func bkiObjects(t *testing.T, share string) map[[2]string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(share, "postgres.bki"))
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile(`'((?:[^']|'')*)'|"([^"]*)"|(\S+)`) // quoted twice before 14
	found := map[[2]string]string{}
	catalog := ""
	for line := range strings.Lines(string(content)) {
		words := []string{}
		for _, m := range word.FindAllStringSubmatch(line, -1) {
			words = append(words, m[1]+m[2]+m[3])
		}
		switch {
		case len(words) > 1 && (words[0] == "open" || words[0] == "create"):
			catalog = words[1]
		case len(words) > 4 && words[0] == "insert" && bkiCatalogs[catalog] != "":
			key, name := words[2], words[3]
			switch {
			case catalog == "pg_opclass":
				key, name = words[3]+" "+words[4], words[4]
			case len(key) > 4: // given by the version's own build
				continue
			case catalog == "pg_proc":
				name += "(" + words[2+19] + ")"
			}
			found[[2]string{bkiCatalogs[catalog], key}] = name
		}
	}
	return found
}

// TestBuiltinsAreWhatTheVersionsHave as their own catalogs say.
func TestBuiltinsAreWhatTheVersionsHave(t *testing.T) {
	shares := map[int]string{}
	for _, major := range pg.Majors() {
		shares[major] = filepath.Join(pg.Rootfs(t, major), "usr/share/postgresql", fmt.Sprint(major))
	}
	if *update {
		for _, m := range pg.WithoutImage {
			shares[m.Major] = filepath.Join(m.Files(t), "share/postgresql")
		}
	}
	objects := map[int]map[[2]string]string{}
	signatures := map[string][]string{} // versions by kind and name, of functions and operators
	lines := map[string]bool{}
	majors := []int{}
	for major, share := range shares {
		objects[major] = bkiObjects(t, share)
		majors = append(majors, major)
	}
	slices.Sort(majors)
	for _, major := range majors {
		seen := map[string]bool{}
		for key, name := range objects[major] {
			if s := key[0] + " " + name; key[0] != "operator" && !seen[s] {
				seen[s] = true
				signatures[s] = append(signatures[s], fmt.Sprint(major))
			}
		}
	}
	for _, major := range majors {
		for key, name := range objects[major] {
			short, _, _ := strings.Cut(name, "(")
			var versions []string
			for _, other := range majors {
				// the same one may have more parameters by now
				theirs, _, _ := strings.Cut(objects[other][key], "(")
				if theirs == short || slices.Contains(signatures[key[0]+" "+name], fmt.Sprint(other)) {
					versions = append(versions, fmt.Sprint(other))
				}
			}
			if len(versions) < len(majors) && !slices.Contains(elsewhere, short) {
				lines[strings.Join([]string{key[0], key[1], strings.Join(versions, ","), short}, "\t")] = true
			}
		}
	}
	var all []string
	for line := range lines {
		all = append(all, line)
	}
	slices.Sort(all)
	if *update {
		if err := os.WriteFile(builtinsFile, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	// the file knows versions without an image as well
	have := map[string]bool{}
	content, err := os.ReadFile(builtinsFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		versions := slices.DeleteFunc(strings.Split(fields[2], ","), func(v string) bool {
			return slices.ContainsFunc(pg.WithoutImage, func(m pg.Minor) bool { return fmt.Sprint(m.Major) == v })
		})
		if len(versions) > 0 && len(versions) < len(majors) {
			fields[2] = strings.Join(versions, ",")
			have[strings.Join(fields, "\t")] = true
		}
	}
	for _, line := range all {
		if !have[line] {
			t.Errorf("builtins.tsv lacks %q: run go test ./steps/postgres -run Builtins -update", line)
		}
		delete(have, line)
	}
	for line := range have {
		t.Errorf("no version has %q", line)
	}
}

func TestBuiltinsHaveAColumnForEverySupportedVersion(t *testing.T) {
	content, err := os.ReadFile(builtinsFile)
	must(t, err)
	known := map[string]bool{}
	for line := range strings.Lines(string(content)) {
		for _, version := range strings.Split(strings.Split(line, "\t")[2], ",") {
			known[version] = true
		}
	}
	for major := postgres.Oldest; major <= postgres.Latest; major++ {
		if !known[fmt.Sprint(major)] {
			t.Errorf("builtins.tsv says nothing of PostgreSQL %d: run go test ./steps/postgres -run BuiltinsAre -update", major)
		}
	}
}

// TestWhatTheTargetLacksIsFoundWhereverItIsUsed before anything is made.
func TestWhatTheTargetLacksIsFoundWhereverItIsUsed(t *testing.T) {
	newer, older := pg.Start(t, postgres.Latest, pg.Logical), pg.Start(t, 13, pg.Logical)
	newer.Exec("", "CREATE DATABASE d")
	newer.Exec("d", `
		CREATE TABLE t (id uuid PRIMARY KEY DEFAULT uuidv7(), a int CHECK (bit_count(a::bit(32)) < 4), b bytea, j text, d date,
			g int GENERATED ALWAYS AS (array_length(array_sort(ARRAY[3, 1]), 1)) STORED);
		CREATE INDEX i ON t (reverse(b)); CREATE INDEX part ON t (a) WHERE bit_count(b) > 3; CREATE INDEX brin ON t USING brin (a int4_bloom_ops);
		CREATE VIEW v AS SELECT any_value(a) AS a FROM t; CREATE MATERIALIZED VIEW m AS SELECT date_bin('1 h', now(), now()) AS at WITH NO DATA;
		CREATE VIEW json AS SELECT JSON_VALUE('{}', '$.a') AS a, '1' IS JSON AS b;
		CREATE VIEW same AS SELECT extract(year FROM d) AS y, lag(a, 1, 2) OVER () AS l, array_append(ARRAY[1], a) AS x FROM t;
		CREATE POLICY p ON t USING (trim_array(ARRAY[1], 1) IS NOT NULL);
		CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER w BEFORE INSERT ON t FOR EACH ROW WHEN (crc32(NEW.b) > 0) EXECUTE FUNCTION f();
		CREATE FUNCTION arg(a numeric DEFAULT random(1, 2)) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION body() RETURNS numeric LANGUAGE sql BEGIN ATOMIC SELECT gamma(5); END;
		CREATE DOMAIN dom AS int DEFAULT min_scale(1.0) CHECK (VALUE <> bit_count('1'::bytea));
		CREATE TABLE c (k text COLLATE unicode PRIMARY KEY); CREATE STATISTICS s ON (reverse(b)), a FROM t;
		CREATE EXTENSION IF NOT EXISTS pgcrypto`)
	older.Exec("", "CREATE DATABASE d")
	older.Exec("d", "CREATE VIEW fac AS SELECT 5 ! AS f; CREATE VIEW at AS SELECT point(1, 2) <-> point(2, 3) AS far")
	look := func(s *pg.Server, target int) map[string]string {
		t.Helper()
		findings, err := preflight.Check(t.Context(), s.Server, request(target, "d"))
		must(t, err)
		found := map[string]string{}
		for _, f := range findings {
			if f.Name == "missing_builtins" {
				found[f.Object] += f.Why
			}
		}
		return found
	}
	expect := func(s *pg.Server, target int, want map[string]string) {
		t.Helper()
		found := look(s, target)
		for object, what := range want {
			if !strings.Contains(found[object], what) {
				t.Errorf("to %d: %s: %q doesn't name %s", target, object, found[object], what)
			}
			delete(found, object)
		}
		for object, why := range found {
			t.Errorf("to %d: %s: %s", target, object, why)
		}
	}
	to17 := map[string]string{
		"default of column public.t.id": "uuidv7", "default of column public.t.g": "array_sort", "index i on public.t": "reverse", "trigger w on public.t": "crc32",
		"function public.body()": "gamma", "statistics s on public.t": "reverse",
	}
	expect(newer, 17, to17)
	to13 := map[string]string{
		"constraint t_a_check on public.t": "bit_count", "index part on public.t": "bit_count", "index brin on public.t": "int4_bloom_ops", "view public.v": "any_value",
		"materialized view public.m": "date_bin", "view public.\"json\"": "IS JSON", "policy p on public.t": "trim_array", "function public.arg(numeric)": "random",
		"constraint dom_check on public.dom": "bit_count", "column public.c.k": "unicode", "index c_pkey on public.c": "unicode",
	}
	for object, what := range to17 {
		to13[object] = what
	}
	expect(newer, 13, to13)
	expect(older, postgres.Latest, map[string]string{"view public.fac": "operator !"})
}
