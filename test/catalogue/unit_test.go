package catalogue

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestTheReadmeListsEverySchema(t *testing.T) {
	content, err := os.ReadFile("README.md")
	must(t, err)
	rows := regexp.MustCompile(`(?m)^\| ([a-z0-9-]+) \| (debian|npm) ([^|]+) \| (\S+) \| (\S+) \| .+ \|$`).FindAllStringSubmatch(string(content), -1)
	listed := map[string]bool{}
	for _, row := range rows {
		version := row[4]
		if row[2] == "debian" {
			version = "" // whatever the archive has
		}
		listed[fmt.Sprintf("%s: %s of %s", row[1], row[5], source{row[2], row[3], version})] = true
	}
	for _, s := range schemas {
		want := fmt.Sprintf("%s: %s of %s", s.name, s.license, s.source)
		if !listed[want] {
			t.Errorf("README.md doesn't list %s", want)
		}
		delete(listed, want)
	}
	for row := range listed {
		t.Errorf("README.md lists %s, which isn't there", row)
	}
}

func TestTheWayGoesUpThroughEveryVersionAndDownAgain(t *testing.T) {
	for _, story := range []struct {
		versions []int
		since    int
		want     string
	}{
		{[]int{13, 15, 17, 18}, 0, "[13 15 17 18 17 15 13]"},
		{[]int{13, 15, 17, 18, 19}, 17, "[17 18 19 18 17]"},
	} {
		if got := fmt.Sprint(route(story.versions, story.since)); got != story.want {
			t.Errorf("from %d: %s, not %s", story.since, got, story.want)
		}
	}
}

func TestDumpsThatMeanTheSameAreTheSame(t *testing.T) {
	for _, pair := range [][2]string{
		{"CHECK ((a)::text = ANY ((ARRAY['x'::character varying, 'it''s, y'::character varying])::text[]))",
			"CHECK ((a)::text = ANY (ARRAY[('x'::character varying)::text, ('it''s, y'::character varying)::text]))"},
		{"ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=31);\nCREATE TABLE t (\n    a integer NOT NULL\n);",
			"SET lock_timeout = 0;\nCREATE TABLE t (\n    a integer CONSTRAINT \"t \"\"a_not_null\" NOT NULL\n);"},
	} {
		if found := differences(normalise(pair[0]), normalise(pair[1])); len(found) > 0 {
			t.Errorf("%q", found)
		}
	}
	if found := differences(normalise("CHECK (a > 1)"), normalise("CHECK (a > 2)")); len(found) != 2 {
		t.Errorf("a changed check gives %q", found)
	}
}

func TestARunThatWasStoppedGoesOnWithTheSchemasThatAreLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	first := &Report{}
	for _, name := range []string{"whole", "half", "failed"} {
		r := first.of(schema{name: name})
		r.moved("13 to 15", time.Second)
		if name != "half" {
			r.moved("15 to 13", time.Second)
		}
		if name == "failed" {
			r.failed("15 to 13", "a row differs")
		}
	}
	must(t, first.write(path))

	second := &Report{}
	must(t, second.resume(path, func(string) int { return 2 }))
	if !second.has("whole") || second.has("half") || second.has("failed") || len(second.Moves) != 2 {
		t.Errorf("%+v", second)
	}
	if err := (&Report{}).resume(path+".none", nil); err == nil {
		t.Error("a report that isn't there was read")
	}
}
