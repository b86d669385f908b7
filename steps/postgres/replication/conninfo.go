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
		// walreceivers ignore connect_timeout: if the network drops packets, CREATE
		// SUBSCRIPTION and each attempt to reconnect would wait for two minutes
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

// trustOf says how the subscribing server verifies the publisher. Without a CA bundle in its
// file system a verified mode becomes channel binding: the other end of this TLS connection
// must prove, by SCRAM, that it knows the password's verifier. A mode without verification
// still refuses to send the password by another method, as far as the version's libpq can
// (require_auth exists from 16 on).
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

// walsenderOptions override time limits of a database or role, which would cut the initial
// copy short. Recent minor versions of subscribers add to these options, older ones replace
// them by the first three: so those are repeated here, and preflight checks time limits.
const walsenderOptions = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3" +
	" -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"

// conninfoValue quotes by the rules of libpq's section "Connection Strings".
func conninfoValue(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
