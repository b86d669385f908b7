package ledger

import (
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/test/pg"
)

func samplePath(major int) string {
	return filepath.Join("testdata", fmt.Sprintf("pg_waldump-%d.txt", major))
}

func mapKeys(m map[string]bool) iter.Seq[string] { return maps.Keys(m) }

// sample is what a real pg_waldump printed: the first line names the ledger's tables.
func sample(t testing.TB, major int) (tables []string, dump string) {
	t.Helper()
	content, err := os.ReadFile(samplePath(major))
	if err != nil {
		t.Fatal(err)
	}
	first, dump, _ := strings.Cut(string(content), "\n")
	return strings.Fields(first), dump
}

func TestCommitsOfClientsAreFoundInTheWALOfEachVersion(t *testing.T) {
	for _, major := range pg.Majors() {
		tables, dump := sample(t, major)
		reader := NewWALReader("it")
		reader.Watch(tables...)
		for range 2 { // read again, nothing is counted again
			if err := reader.ReadDump(dump); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(reader.Accepted()); n != deedsAccepted {
			t.Errorf("PostgreSQL %d: %d commits of clients, want %d", major, n, deedsAccepted)
		}
		if n := strings.Count(dump, "COMMIT "); n <= deedsAccepted {
			t.Errorf("PostgreSQL %d: the sample has no other commits (%d in all)", major, n)
		}
	}
}

func TestATransactionThatASecondPieceEndsIsFound(t *testing.T) {
	tables, dump := sample(t, 17)
	lines := strings.SplitAfter(strings.TrimSuffix(strings.TrimSpace(dump), walComplete), "\n")
	for cut := range lines {
		reader := NewWALReader("it")
		reader.Watch(tables...)
		for _, piece := range [][]string{lines[:cut], lines[max(0, cut-1):]} { // the next begins with the last record
			if err := reader.Read(strings.NewReader(strings.Join(piece, ""))); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(reader.Accepted()); n != deedsAccepted {
			t.Errorf("cut at line %d: %d commits, want %d", cut, n, deedsAccepted)
		}
	}
}

func TestWALThatIsNotUnderstoodIsAnError(t *testing.T) {
	reader := NewWALReader("it")
	for _, dump := range []string{"", "rmgr: Heap", "rmgr: Heap        len (rec/tot):     59/    59, tx:        491, lsn: nowhere, prev 0/0, desc: INSERT"} {
		if reader.ReadDump(dump) == nil && reader.Read(strings.NewReader(dump)) == nil {
			t.Errorf("%q was taken", dump)
		}
	}
}

func FuzzWALReader(f *testing.F) {
	for _, major := range pg.Majors() {
		_, dump := sample(f, major)
		for line := range strings.Lines(dump) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, dump string) {
		reader := NewWALReader("it")
		if err := reader.Read(strings.NewReader(dump)); err != nil {
			return
		}
		before := len(reader.Accepted())
		if err := reader.Read(strings.NewReader(dump)); err != nil || len(reader.Accepted()) != before {
			t.Errorf("the same piece again: %v, %d commits instead of %d", err, len(reader.Accepted()), before)
		}
	})
}

func FuzzParseLSN(f *testing.F) {
	for _, text := range []string{"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "/", "0/100000000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLSN(text)
		if err != nil {
			return
		}
		if again, err := ParseLSN(l.String()); err != nil || again != l {
			t.Errorf("%q is %s, read again %s (%v)", text, l, again, err)
		}
	})
}

func TestWhereASegmentBegins(t *testing.T) {
	if l, err := segmentStart("0000000100000002000000A1", 16<<20); err != nil || l.String() != "2/A1000000" {
		t.Errorf("%v, %v", l, err)
	}
	if _, err := segmentStart("archive_status", 16<<20); err == nil {
		t.Error("taken for a segment")
	}
}

func at(ms int) time.Time { return time.Date(2026, 11, 20, 12, 0, 0, ms*1e6, time.UTC) }

func by(server string, ms ...int) []Accepted {
	var all []Accepted
	for _, m := range ms {
		all = append(all, Accepted{Server: server, At: at(m), Position: LSN(m)})
	}
	return all
}

func joined(lists ...[]Accepted) []Accepted {
	var all []Accepted
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestServersTakeTurns(t *testing.T) {
	there, back := Handover{"15", "17", at(100), at(150)}, Handover{"17", "15", at(200), at(260)}
	loose := Handover{"15", "17", at(0), at(150)} // who measured it died
	stories := []struct {
		name     string
		accepted []Accepted
		switches []Handover
		problems int
	}{
		{"one server, no switch", by("15", 1, 2, 3), nil, 0},
		{"there and back", joined(by("15", 1, 99, 110, 261, 300), by("17", 140, 151, 205)), []Handover{there, back}, 0},
		{"records in any order", joined(by("17", 140, 205), by("15", 110, 261)), []Handover{back, there}, 0},
		{"nobody wrote between two switches", by("15", 1, 99, 261), []Handover{there, back}, 0},
		{"only the old side wrote", by("15", 1, 99), []Handover{there}, 0},
		{"the times of the hold are not known", joined(by("15", 1, 99), by("17", 120)), []Handover{loose}, 0},
		{"two servers without a switch", joined(by("15", 1, 3), by("17", 2)), nil, 1},
		{"the old side goes on after the switch", joined(by("15", 1, 300), by("17", 140)), []Handover{there}, 1},
		{"the new side begins before the hold", joined(by("15", 1), by("17", 90, 140)), []Handover{there}, 1},
		{"the old side accepts after the new one, within the hold", joined(by("15", 1, 141), by("17", 140)), []Handover{there}, 1},
		{"the same where the times are not known", joined(by("15", 1, 141), by("17", 140)), []Handover{loose}, 1},
		{"both accept all the time", joined(by("15", 1, 99, 160, 170), by("17", 150, 165)), []Handover{there}, 2},
		{"a third server accepts", joined(by("15", 1), by("18", 2)), []Handover{there}, 1},
		{"switches that do not follow on each other", by("15", 1), []Handover{there, {"18", "15", at(200), at(260)}}, 1},
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			if problems := SplitBrains(s.accepted, s.switches); len(problems) != s.problems {
				t.Errorf("%d problems, want %d: %q", len(problems), s.problems, problems)
			}
		})
	}
}

func TestTurnsAreCutWhereAnotherServerBegins(t *testing.T) {
	turns := Turns(joined(by("17", 20, 25), by("15", 1, 10, 30)))
	if len(turns) != 3 || turns[0] != (Turn{"15", at(1), at(10), 2}) || turns[1].Server != "17" || turns[2].Commits != 1 {
		t.Errorf("turns: %v", turns)
	}
}
