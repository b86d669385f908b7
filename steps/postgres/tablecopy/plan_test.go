package tablecopy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func tableOf(name string, bytes int64) table {
	return table{Name: name, Bytes: bytes, Pages: bytes / 8192, Heap: true, Columns: []string{"a"}, Emptied: true}
}

func TestWhatTakesLongestBeginsFirstAndSmallTablesGoTogether(t *testing.T) {
	tables := []table{tableOf("middling", 50<<20), tableOf("large", 4<<30)}
	for i := range 1000 {
		tables = append(tables, tableOf(fmt.Sprint("small", i), int64(i%100)*1000))
	}
	p := planOf(tables, 4, 17, 128<<20)
	for i := range p.Batches[1:] {
		if costOf(p.Batches[i]) < costOf(p.Batches[i+1]) {
			t.Fatalf("batch %d costs less than the next one", i)
		}
	}
	seen := map[string]int{}
	for _, batch := range p.Batches {
		var bytes int64
		for _, part := range batch {
			seen[part.Name]++
			bytes += part.Bytes
			if part.sliced() && len(batch) > 1 {
				t.Error("a part of a table isn't alone in its batch")
			}
		}
		if len(batch) > batchTables || len(batch) > 1 && bytes > batchBytes {
			t.Errorf("a batch of %d tables, %d bytes", len(batch), bytes)
		}
	}
	if len(seen) != 1002 || seen["middling"] != 1 || seen["large"] != 15 || len(p.Batches) > 40 || p.Batches[0][0].Name != "large" {
		t.Errorf("%d tables in %d batches, large in %d parts, first %s", len(seen), len(p.Batches), seen["large"], p.Batches[0][0].Name)
	}
}

func TestATableIsDividedOnlyIfOthersWaitForIt(t *testing.T) {
	large := tableOf("large", 1<<30)
	other := tableOf("other", 20<<30)
	foreign := large
	foreign.Heap = false
	for _, c := range []struct {
		why     string
		tables  []table
		jobs    int
		version int
		parts   int
	}{
		{"alone", []table{large}, 2, 15, 8},
		{"one worker", []table{large}, 1, 15, 1},
		{"no ranges of pages before 14", []table{large}, 2, 13, 1},
		{"rows aren't found by page", []table{foreign}, 2, 15, 1},
		{"others take longer", []table{large, other}, 4, 15, 1},
		{"small", []table{tableOf("small", 200<<20)}, 2, 15, 1},
	} {
		parts := 0
		for _, batch := range planOf(c.tables, c.jobs, c.version, 128<<20).Batches {
			if batch[0].Name != "other" {
				parts++
			}
		}
		if parts != c.parts {
			t.Errorf("%s: %d parts", c.why, parts)
		}
	}
}

// TestPartsHaveEachPageOnce whatever the sizes, also pages that come later.
func TestPartsHaveEachPageOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		large := tableOf("t", random.Int64N(1<<36))
		large.Pages = random.Int64N(1 << 22)
		var all []part
		for _, batch := range planOf([]table{large}, 1+random.IntN(32), 15, 1<<(20+random.IntN(8))).Batches {
			all = append(all, batch...)
		}
		slices.SortFunc(all, func(a, b part) int { return a.Number - b.Number })
		next := int64(0)
		for i, p := range all {
			if p.Number != i || p.Parts != len(all) || p.First != next || p.End >= 0 && p.End <= p.First {
				t.Fatalf("part %d of %d: %d to %d after %d", p.Number, p.Parts, p.First, p.End, next)
			}
			if again := p.another(len(all) / 2); again != all[len(all)/2] {
				t.Fatalf("%+v, not %+v", again, all[len(all)/2])
			}
			next = p.End
		}
		if next != -1 {
			t.Fatalf("pages after %d are in no part", next)
		}
	}
}

func TestStatementsOfABatch(t *testing.T) {
	small, large := tableOf(`"public"."a"`, 100), tableOf(`"public"."b"`, 10<<20)
	small.Text, small.Target, large.Target = "why", 7, 8
	batch := []part{{table: &small, Parts: 1, End: -1}, {table: &large, Parts: 1, End: -1}}
	if got := out(batch); got != `COPY "public"."a" (a) TO STDOUT WITH (FORMAT text); COPY "public"."b" (a) TO STDOUT WITH (FORMAT binary); COMMIT` {
		t.Error(got)
	}
	got := in(batch, "0/1")
	if !strings.HasPrefix(got, `BEGIN; TRUNCATE ONLY "public"."b"; COPY "public"."a" (a) FROM STDIN WITH (FORMAT text); COPY "public"."b" (a) FROM STDIN WITH (FORMAT binary, FREEZE); WITH marked`) ||
		!strings.Contains(got, "(7::oid, 0), (8::oid, 0)") || !strings.HasSuffix(got, "; COMMIT") || strings.Contains(got, "p.moment =") {
		t.Error(got)
	}
	sliced := []part{{table: &large, Number: 1, Parts: 3, First: 10, End: 20}}
	if got := out(sliced); got != `COPY (SELECT a FROM ONLY "public"."b" WHERE ctid >= '(10,0)'::pg_catalog.tid AND ctid < '(20,0)'::pg_catalog.tid) TO STDOUT WITH (FORMAT binary); COMMIT` {
		t.Error(got)
	}
	if got := in(sliced, "0/1"); strings.Contains(got, "TRUNCATE") || strings.Contains(got, "FREEZE") || !strings.Contains(got, "p.moment = '0/1'") {
		t.Error(got)
	}
}

func TestTheTimeThatIsLeftIsToldByWhatIsDone(t *testing.T) {
	g := newGauge()
	g.now.Bytes, g.now.Tables, g.began = 100<<20, 2, time.Now().Add(-10*time.Second)
	if p := g.progress(); p.SecondsLeft != -1 || p.BytesPerSecond != 0 {
		t.Errorf("nothing is done: %+v", p)
	}
	g.resumed(1, 20<<20)
	large := tableOf("t", 80<<20)
	g.left.jobs, g.left.kinds[copying].work = 1, 80<<20
	m := g.meter([]part{{table: &large, Parts: 1}})
	m.span.began = g.began
	m.moved(20 << 20)
	if p := g.progress(); p.BytesCopied != 40<<20 || p.SecondsLeft < 29 || p.SecondsLeft > 31 || p.BytesPerSecond>>20 != 1 && p.BytesPerSecond>>20 != 2 {
		t.Errorf("a quarter of this run: %+v", p)
	}
	m.undo()
	if p := g.progress(); p.BytesCopied != 20<<20 {
		t.Errorf("a batch that failed counts: %+v", p)
	}
	m = g.meter([]part{{table: &large, Parts: 1}})
	m.moved(200 << 20)
	if p := g.progress(); p.BytesCopied != 100<<20 {
		t.Errorf("more than there is: %+v", p)
	}
	m.done(7)
	if p := g.progress(); p.BytesCopied != p.Bytes || p.SecondsLeft != 0 || p.Rows != 7 || !strings.Contains(p.String(), "100.0 MiB of 100.0 MiB") {
		t.Errorf("done: %+v", p)
	}
}

func TestTablesAreChosenByPatterns(t *testing.T) {
	for pattern, want := range map[string]string{"": "abc", "orders": "a", "public.*": "ab", "*.log": "c", "*.o*": "ab", "none": ""} {
		var got string
		for name, d := range map[string]described{"a": {Schema: "public", Name: "orders"}, "b": {Schema: "public", Name: "other"}, "c": {Schema: "Audit", Name: "log"}} {
			var patterns []string
			if pattern != "" {
				patterns = []string{pattern}
			}
			if chosen(d, patterns) {
				got += name
			}
		}
		letters := strings.Split(got, "")
		slices.Sort(letters)
		if strings.Join(letters, "") != want {
			t.Errorf("%s: %s", pattern, got)
		}
	}
}

func TestRowsTravelAsTextOnlyWhereTheBinaryFormMayDiffer(t *testing.T) {
	there := described{Schema: "public", Name: "t", Columns: []string{"a", "b", "more"}, Types: []string{"integer", "text", "text"}}
	for _, c := range []struct{ columns, types, texts, text, err string }{
		{"a,b", "integer,text", "", "", ""},
		{"b", "varchar", "", "column b is text there, varchar here", ""},
		{"b", "text", "b text", "may differ: b text", ""},
		{"gone", "text", "", "", "no column gone"},
	} {
		here := described{Schema: "public", Name: "t", Columns: strings.Split(c.columns, ","), Types: strings.Split(c.types, ",")}
		if c.texts != "" {
			here.Texts = []string{c.texts}
		}
		got, err := match(here, there)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || c.text == "" != (got.Text == "") && err == nil || !strings.Contains(got.Text, c.text) {
			t.Errorf("%v: %q, %v", c, got.Text, err)
		}
	}
}
