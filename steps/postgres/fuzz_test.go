package postgres

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// FuzzNames: whatever databases and instances are called, slots have names that
// PostgreSQL takes, each another.
func FuzzNames(f *testing.F) {
	f.Add("3b8e8a4e-7c1c-4f4e-9f5e-1f0c1d2e3f40", "orders", "orders-17", "Orders")
	f.Add("00000000-0000-0000-0000-000000000000", "ü$$'\"\n", "", "x\x00y")
	f.Fuzz(func(t *testing.T, uid, database, subscriber, other string) {
		n := Names{UID: uid}
		if regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(uid) && !slotName.MatchString(n.Prefix()) {
			t.Fatalf("prefix %q", n.Prefix())
		}
		slot := n.Slot(database, subscriber)
		if !slotName.MatchString(strings.TrimPrefix(slot, n.Prefix())) || !strings.HasPrefix(slot, n.Prefix()+"_") {
			t.Fatalf("slot %q", slot)
		}
		if other != database && n.Slot(other, subscriber) == slot {
			t.Fatalf("%q and %q share slot %s", database, other, slot)
		}
	})
}

// FuzzQuoting: an identifier and a literal end where they began.
func FuzzQuoting(f *testing.F) {
	for _, s := range []string{`a"b`, `\'`, "'; DROP TABLE x; --", "$$", `E'\`, "", "%I", "ü\u202e😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) {
			return
		}
		for mark, text := range map[string]string{`"`: Ident(s), `'`: Literal(s)} {
			inner, closed := strings.CutSuffix(text, mark)
			inner, opened := strings.CutPrefix(inner, mark)
			if !opened || !closed || strings.ReplaceAll(inner, mark+mark, mark) != s || strings.Contains(strings.ReplaceAll(inner, mark+mark, ""), mark) {
				t.Fatalf("%q is written as %s", s, text)
			}
		}
	})
}

func TestNothingPrintsAPassword(t *testing.T) {
	s := Server{Password: "hush"}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%v %+v %#v %s", s, s, s, encoded); strings.Contains(all, "hush") {
		t.Error(all)
	}
}
