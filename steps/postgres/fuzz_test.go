package postgres

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// FuzzConninfo: no name, user or password ends up as another option of the connection.
func FuzzConninfo(f *testing.F) {
	f.Add("blue", "postgres", `p'w\ `, "orders", "require")
	f.Add("h sslmode=disable", "u' host='evil", "", "a=b c=d", "")
	f.Add("::1", "ü", "\n\t", "-c x", "verify-full")
	f.Fuzz(func(t *testing.T, host, user, password, database, mode string) {
		for _, s := range []string{host, user, database} {
			if s == "" || strings.ContainsAny(s, "\x00") {
				return
			}
		}
		// Several hosts, a socket's directory and its abstract form are the driver's own syntax in a host.
		if strings.ContainsAny(host, ",/@\x00") || strings.Contains(password, "\x00") {
			return
		}
		s := Server{Host: host, Port: 5433, User: user, Password: Password(password), SSLMode: "disable"}
		config, err := pgx.ParseConfig(conninfo(s, database, 18))
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != host || config.Port != 5433 || config.User != user || config.Database != database || password != "" && config.Password != password || config.TLSConfig != nil {
			t.Fatalf("%q, %q, %q come back as %q:%d, %q, %q", host, user, database, config.Host, config.Port, config.User, config.Database)
		}
		s.SSLMode = mode
		if text := conninfo(s, database, 15); valid(host, user, password, database, mode) && !utf8.ValidString(text) {
			t.Fatalf("%q", text)
		}
	})
}

// valid says whether each text by itself is UTF-8.
func valid(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) })
}

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
		for mark, text := range map[string]string{`"`: ident(s), `'`: literal(s)} {
			inner, closed := strings.CutSuffix(text, mark)
			inner, opened := strings.CutPrefix(inner, mark)
			if !opened || !closed || strings.ReplaceAll(inner, mark+mark, mark) != s || strings.Contains(strings.ReplaceAll(inner, mark+mark, ""), mark) {
				t.Fatalf("%q is written as %s", s, text)
			}
		}
	})
}
