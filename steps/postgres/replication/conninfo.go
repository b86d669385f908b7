package replication

import (
	"strconv"
	"strings"

	"github.com/gitover/gitover/steps/postgres"
)

// Conninfo is libpq's connection string from a server of the major version subscriber to
// s. It holds the password: use it in postgres.WithQuietSession only.
func Conninfo(s postgres.Server, database string, subscriber int) string {
	pairs := [][2]string{
		{"host", s.Host},
		{"port", strconv.Itoa(s.Port)},
		{"user", s.User},
		{"dbname", database},
		{"connect_timeout", "10"},
		{"keepalives_idle", "10"},
		{"keepalives_interval", "5"},
		{"keepalives_count", "4"},
		// walreceivers don't heed connect_timeout: a network that swallows packets would
		// hold up CREATE SUBSCRIPTION, and each attempt to connect again, for two minutes
		{"tcp_user_timeout", "20000"},
		{"options", walsenderOptions},
	}
	pairs = append(pairs, trustOf(s, subscriber)...)
	if s.Password != "" {
		pairs = append(pairs, [2]string{"password", string(s.Password)})
	}
	words := make([]string, len(pairs))
	for i, p := range pairs {
		words[i] = p[0] + "=" + conninfoValue(p[1])
	}
	return strings.Join(words, " ")
}

// trustOf says how the subscribing server makes sure of whom it speaks to. Without a CA bundle
// in its file system a verified mode becomes channel binding: the other end of this very TLS
// connection must prove, by SCRAM, that it knows the password's verifier. A mode without
// verification still keeps the password from whoever asks for it in another way, as far as
// the version's libpq can (require_auth came with 16).
func trustOf(s postgres.Server, subscriber int) (pairs [][2]string) {
	switch {
	case s.Verifies() && s.RootCert != "":
		return [][2]string{{"sslmode", s.SSLMode}, {"sslrootcert", s.RootCert}}
	case s.Verifies():
		return [][2]string{{"sslmode", "require"}, {"channel_binding", "require"}}
	}
	mode := s.SSLMode
	if mode == "" {
		mode = "prefer"
	}
	pairs = [][2]string{{"sslmode", mode}}
	if s.Password != "" && subscriber >= postgres.WithRequireAuth {
		pairs = append(pairs, [2]string{"require_auth", "scram-sha-256"})
	}
	return pairs
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
