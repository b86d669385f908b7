// Package postgres is everything that Gitover does on a PostgreSQL server.
//
// Authority: a function does what its name says on the given server and nothing else; package
// steps decides which server, when and whether. Every function may be called again after a
// crash: it looks before it acts, and finding its own work done is success. Queries are in
// sql/, one file each, runnable in psql. SQLSTATE is read only in errors.go.
package postgres

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/internal/crash"
)

// ApplicationName is what pg_stat_activity shows for Gitover's own sessions.
const ApplicationName = "gitover"

// Password is a secret that no formatting verb, JSON encoder or logger prints.
type Password string

// String hides the secret from fmt.
func (Password) String() string { return "(hidden)" }

// GoString hides the secret from %#v.
func (Password) GoString() string { return "(hidden)" }

// MarshalText hides the secret from encoders.
func (Password) MarshalText() ([]byte, error) { return []byte("(hidden)"), nil }

// LogValue hides the secret from slog.
func (Password) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// Server says how to reach one PostgreSQL server with administrative rights.
type Server struct {
	// Instance is Gitover's name of the server, e.g. "orders-15".
	Instance string
	// Host is a DNS name or address that the controller *and* the other server can reach.
	Host string
	Port int
	User string
	// Password of User; empty where pg_hba asks for none.
	Password Password
	// Secret is where user and password come from, for messages; may be empty.
	Secret string
	// MaintenanceDatabase is used for work that concerns no application database; usually
	// "postgres".
	MaintenanceDatabase string
	// SSLMode as libpq names it; empty means "prefer".
	SSLMode string
	// CA holds PEM certificates that sslmode verify-ca and verify-full check against.
	CA []byte
	// RootCert is where the *other server* finds such certificates: a path in its file
	// system, "system" from 16 on, or empty for none.
	RootCert string
	// ManagedPasswords are roles whose passwords something else sets on this server, such as an operator.
	ManagedPasswords []string
}

// Address is host:port, for messages.
func (s Server) Address() string {
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// Connect opens one session in database (the maintenance database if empty, or Gitover's own
// while a switch disables connections to that). The caller closes it. Errors name server and
// database, never the password; Unreachable, AuthenticationFailed and DatabaseMissing
// distinguish them.
func (s Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	if database == "" {
		conn, err := s.Connect(ctx, cmp.Or(s.MaintenanceDatabase, "postgres"))
		if ConnectionsDisabled(err) && s.MaintenanceDatabase != MaintenanceDatabase {
			return s.Connect(ctx, MaintenanceDatabase)
		}
		return conn, err
	}
	config, err := s.config(database)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		err = fmt.Errorf("connect to %s (%s), database %q as %q: %w", s.Instance, s.Address(), database, s.User, &connectionError{cause: err, demandsTLS: s.demandsTLS()})
		if s.Secret != "" && AuthenticationFailed(err) {
			err = fmt.Errorf("%w; user and password are those of Secret %s", err, s.Secret)
		}
		return nil, err
	}
	return conn, nil
}

// config builds the driver's settings and never writes the password into a string.
func (s Server) config(database string) (*pgx.ConnConfig, error) {
	mode := s.SSLMode
	if mode == "" {
		mode = "prefer"
	}
	// Without a host the driver uses a Unix socket and no TLS, whatever the mode.
	config, err := pgx.ParseConfig("host=localhost sslmode=" + mode + " connect_timeout=10")
	if err != nil {
		return nil, fmt.Errorf("sslmode %q of %s: %w", mode, s.Instance, err)
	}
	config.Host, config.Port = s.Host, uint16(s.Port)
	config.User, config.Password, config.Database = s.User, string(s.Password), database
	config.ConnectTimeout, config.DialFunc = 10*time.Second, dialer.DialContext
	config.RuntimeParams["application_name"] = ApplicationName
	// Timeouts that are set for a role or a database don't apply to Gitover: contexts bound
	// its work. Work that is reported as done is durable.
	config.RuntimeParams["default_transaction_read_only"], config.RuntimeParams["synchronous_commit"] = "off", "on"
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		config.RuntimeParams[limit] = "0"
	}
	if err := s.trust(config); err != nil {
		return nil, err
	}
	s.keepPassword(config)
	for _, f := range config.Fallbacks {
		f.Host, f.Port = s.Host, uint16(s.Port)
	}
	if mode == "prefer" {
		preferTLS(config)
	}
	crash.SQL(config)
	return config, nil
}
