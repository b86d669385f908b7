package schema

import (
	"slices"
	"strings"
	"testing"
)

func item(definition, kind string, texts ...string) schemaItem {
	return schemaItem{Name: "index i", Definition: &definition, Kind: &kind, Scope: []string{"FROM ONLY t"}, Texts: texts}
}

// compared in the order in which two servers may answer.
func compared(want, have []schemaItem) (differences map[string]string, open []*question) {
	pairs := newItemPairs()
	for _, i := range have {
		pairs.add(1, i)
	}
	for _, i := range want {
		pairs.add(0, i)
	}
	return pairs.compare()
}

func TestAParserIsAskedOnlyWhereTextsDifferInExpressions(t *testing.T) {
	for what, c := range map[string]struct {
		want, have schemaItem
		asked      []string
		differs    string
	}{
		"equal":                 {item("btree (a), where b", "expression", "b"), item("btree (a), where b", "expression", "b"), nil, ""},
		"one of two":            {item("btree (f(a)), where b", "expression", "f(a)", "b"), item("btree (f(a)), where c", "expression", "f(a)", "c"), []string{"b", "c"}, ""},
		"both":                  {item("btree (f(a)), where b", "expression", "f(a)", "b"), item("btree (g(a)), where c", "expression", "g(a)", "c"), []string{"f(a)", "g(a)", "b", "c"}, ""},
		"what stands around":    {item("btree (f(a)), where b", "expression", "f(a)", "b"), item("gin (f(a)), where b", "expression", "f(a)", "b"), nil, `"btree (f(a)), where b", not "gin (f(a)), where b"`},
		"one has more of them":  {item("btree (f(a)), where b", "expression", "f(a)", "b"), item("btree (f(a))", "expression", "f(a)"), nil, `not "`},
		"not in the definition": {item("btree (a)", "expression", "b"), item("btree (c)", "expression", "c"), nil, `not "`},
		"another kind":          {item("b", "expression", "b"), item("c", "rule", "c"), nil, `not "`},
		"without any":           {item("a", "expression"), item("b", "expression"), nil, `not "`},
	} {
		differences, open := compared([]schemaItem{c.want}, []schemaItem{c.have})
		var asked []string
		for _, q := range open {
			asked = append(asked, q.texts[:]...)
		}
		if !slices.Equal(asked, c.asked) {
			t.Errorf("%s: asked %q", what, asked)
		}
		if got := differences["index i"]; (got == "") != (c.differs == "") || !strings.Contains(got, c.differs) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

func TestMissingAndAdditionalObjectsAreNamed(t *testing.T) {
	differences, open := compared([]schemaItem{{Name: "table a"}, {Name: "table c"}}, []schemaItem{{Name: "table b"}, {Name: "table c"}})
	if len(open) > 0 || differences["table a"] != "table a is missing" || differences["table b"] != "table b is there in addition" {
		t.Errorf("%q, %v", differences, open)
	}
}

func TestAMemoryForgetsWhenItIsFull(t *testing.T) {
	m := memory[int]{most: 2}
	for i, word := range []string{"a", "b", "c"} {
		m.put(sum(word), i)
	}
	_, first := m.get(sum("a"))
	last, found := m.get(sum("c"))
	if first || !found || last != 2 {
		t.Errorf("a: %t, c: %d", first, last)
	}
	if sum("ab", "c") == sum("a", "bc") {
		t.Error("words run into each other")
	}
}
