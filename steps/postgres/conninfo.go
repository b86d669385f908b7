package postgres

import (
	"strconv"
	"strings"
)

// conninfo is libpq's connection string from one server to another. It holds the password:
// use it in withQuietSession only.
func conninfo(s Server, database string) string {
	mode := s.SSLMode
	switch mode {
	case "":
		mode = "prefer"
	case "verify-ca", "verify-full":
		// The CA bundle is here, not in a file on the subscribing server.
		mode = "require"
	}
	pairs := [][2]string{
		{"host", s.Host},
		{"port", strconv.Itoa(s.Port)},
		{"user", s.User},
		{"dbname", database},
		{"sslmode", mode},
		{"connect_timeout", "10"},
		{"keepalives_idle", "10"},
		{"keepalives_interval", "5"},
		{"keepalives_count", "4"},
		{"options", walsenderOptions},
	}
	if s.Password != "" {
		pairs = append(pairs, [2]string{"password", string(s.Password)})
	}
	words := make([]string, len(pairs))
	for i, p := range pairs {
		words[i] = p[0] + "=" + conninfoValue(p[1])
	}
	return strings.Join(words, " ")
}

// walsenderOptions keep a database's or role's own time limits from cutting the initial
// copy. Recent minor versions of subscribers add to them, older ones replace them by the
// first three, which is why those are repeated here and preflight looks for time limits.
const walsenderOptions = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3" +
	" -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"

// conninfoValue quotes as libpq's section "Connection Strings" demands.
func conninfoValue(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
