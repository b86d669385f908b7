package fill

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestValuesAreWhatConstraintsSpeakOf(t *testing.T) {
	c := &catalog{types: map[uint32]dataType{
		1: {OID: 1, Name: "text", Kind: "b"}, 2: {OID: 2, Name: "int4", Kind: "b"}, 3: {OID: 3, Name: "bytea", Kind: "b"},
		5: {OID: 5, Name: "jsonb", Kind: "b"},
		4: {OID: 4, Name: "short", Kind: "d", Base: 3, Modifier: -1, Checks: []string{"CHECK (octet_length(VALUE) = 4)"}},
	}}
	r := rand.New(rand.NewPCG(1, 1))
	for _, story := range []struct {
		of         uint32
		definition string
		want       string
	}{
		{1, `CHECK (((status)::text = ANY ((ARRAY['new'::character varying, 'it''s'::character varying])::text[])))`, "it's"},
		{2, `CHECK ((a > 17))`, "18"},
		{2, `FOR VALUES FROM (-5) TO (10)`, "-5"},
		{1, `CHECK ((char_length(code) = 3))`, "xxx"},
		{5, `CHECK ((jsonb_typeof(args) = 'array'::text))`, `[1, "ä", null]`},
		{4, ``, `\x00000000`},
	} {
		if got := c.named(story.of, []string{story.definition}, r); !slices.Contains(got, story.want) {
			t.Errorf("%s suggests %q, not %q", story.definition, got, story.want)
		}
	}
	for range 50 {
		got := c.named(1, []string{`CHECK ((code ~ '^[A-Z]{2}-\d+(x|yy)?$'::text))`}, r)
		if len(got) != 1 || len(got[0]) < 4 || got[0][2] != '-' || strings.ToUpper(got[0][:2]) != got[0][:2] {
			t.Fatalf("the pattern suggests %q", got)
		}
	}
}

func TestTextsFitIntoTheirColumns(t *testing.T) {
	for _, s := range fitting(texts, 3, false) {
		if len([]rune(s)) > 3 {
			t.Errorf("%q is longer than 3 characters", s)
		}
	}
}

func TestWhatGoesWorseIsNamed(t *testing.T) {
	did := func(n int, refused map[string]string) Report {
		return Report{"t": {Update: {Done: n, Refused: refused}}}
	}
	before := did(3, map[string]string{"42883": "no such function"})
	for _, story := range []struct {
		now, control Report
		want         int
	}{
		{did(1, map[string]string{"23505": "duplicate", "42883": "no such function"}), nil, 0},
		{did(0, map[string]string{"23505": "duplicate"}), nil, 1},
		{did(0, map[string]string{"23505": "duplicate"}), did(2, nil), 1},
		{did(0, map[string]string{"23505": "duplicate"}), did(0, map[string]string{"23505": "duplicate"}), 0},
		{did(0, map[string]string{"42883": "no such function"}), nil, 0},
		{did(0, map[string]string{}), nil, 0},
		{did(3, map[string]string{"42P10": "cannot update"}), did(3, map[string]string{"42P10": "cannot update"}), 1},
	} {
		if worse, _ := story.now.Worse(before, story.control); len(worse) != story.want {
			t.Errorf("%v: %q", story.now["t"][Update], worse)
		}
	}
}
