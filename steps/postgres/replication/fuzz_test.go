package replication

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
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
		s := postgres.Server{Host: host, Port: 5433, User: user, Password: postgres.Password(password), SSLMode: "disable"}
		config, err := pgx.ParseConfig(Conninfo(s, database, 18))
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != host || config.Port != 5433 || config.User != user || config.Database != database || password != "" && config.Password != password || config.TLSConfig != nil {
			t.Fatalf("%q, %q, %q come back as %q:%d, %q, %q", host, user, database, config.Host, config.Port, config.User, config.Database)
		}
		s.SSLMode = mode
		if text := Conninfo(s, database, 15); valid(host, user, password, database, mode) && !utf8.ValidString(text) {
			t.Fatalf("%q", text)
		}
	})
}

// valid says whether each text by itself is UTF-8.
func valid(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) })
}
