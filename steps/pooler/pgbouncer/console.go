package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gitover/gitover/steps/pooler"
)

// Admin says how to reach the admin console.
type Admin struct {
	// Host is an address, or the directory of a Unix socket.
	Host string
	Port int
	// User is one of admin_users; "pgbouncer" needs no password over a Unix socket from
	// the user that PgBouncer runs as.
	User     string
	Password string
}

// Console is a session on the admin console. Not for concurrent use.
type Console struct{ conn *pgconn.PgConn }

// Database is an entry of the pooler's databases, as it reports it.
type Database struct {
	Name, Host string
	Port       int
	// Database on the server.
	Database string
}

// refused: the user or password is wrong, the user is no admin, or the command isn't allowed.
func refused(pg *pgconn.PgError, err error) error {
	return &pooler.RefusedError{Message: "PgBouncer's admin console refused: " + pg.Message + "; the agent's user must be among admin_users", Cause: err}
}

// Connect opens a session.
func (a Admin) Connect(ctx context.Context) (*Console, error) {
	config, err := pgconn.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port = a.Host, uint16(a.Port)
	config.User, config.Password, config.Database = a.User, a.Password, "pgbouncer"
	config.Fallbacks, config.RuntimeParams = nil, map[string]string{}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			return nil, refused(pg, err)
		}
		return nil, fmt.Errorf("connect to PgBouncer's admin console at %s:%d: no answer", a.Host, a.Port)
	}
	return &Console{conn: conn}, nil
}

// Close ends the session. A pause that it began stays.
func (c *Console) Close(ctx context.Context) { _ = c.conn.Close(ctx) }

// Alive says whether the session can be used.
func (c *Console) Alive() bool { return !c.conn.IsClosed() && !c.conn.IsBusy() }

// Pause holds all clients and returns when no server connection is in use. If they are held
// already, that is an error that AlreadyPaused recognizes. After an error the session can't be
// used any more.
func (c *Console) Pause(ctx context.Context) error { return c.do(ctx, "PAUSE") }

// Resume lets clients continue; it succeeds also if the pooler is not paused.
func (c *Console) Resume(ctx context.Context) error {
	err := c.do(ctx, "RESUME")
	if refusedWith(err, "not paused") {
		return nil
	}
	return err
}

// Reconnect closes every server connection once it is idle.
func (c *Console) Reconnect(ctx context.Context) error { return c.do(ctx, "RECONNECT") }

// AlreadyPaused recognizes the error of a second Pause.
func AlreadyPaused(err error) bool { return refusedWith(err, "already suspended/paused") }

// Reload makes the pooler read its configuration. Success does not mean that the file is
// valid: check Databases.
func (c *Console) Reload(ctx context.Context) error { return c.do(ctx, "RELOAD") }

// Paused says whether clients are held.
func (c *Console) Paused(ctx context.Context) (bool, error) {
	rows, err := c.query(ctx, "SHOW STATE")
	for _, row := range rows {
		if row["key"] == "paused" {
			return row["value"] == "yes", nil
		}
	}
	if err == nil {
		err = errors.New("SHOW STATE does not report a pause: PgBouncer 1.24 or later is needed")
	}
	return false, err
}

// Databases lists the pooler's databases, except for its own console.
func (c *Console) Databases(ctx context.Context) ([]Database, error) {
	rows, err := c.query(ctx, "SHOW DATABASES")
	return databasesOf(rows), err
}

func databasesOf(rows []map[string]string) (list []Database) {
	for _, row := range rows {
		if row["name"] == "pgbouncer" {
			continue
		}
		port, _ := strconv.Atoi(row["port"])
		list = append(list, Database{Name: row["name"], Host: row["host"], Port: port, Database: row["database"]})
	}
	return list
}

// Load sums up the pools.
func (c *Console) Load(ctx context.Context) (pooler.Load, error) {
	rows, err := c.query(ctx, "SHOW POOLS")
	return loadOf(rows), err
}

// Averages sums up SHOW STATS, whose times are in microseconds.
func (c *Console) Averages(ctx context.Context) (sum pooler.Averages, err error) {
	rows, err := c.query(ctx, "SHOW STATS")
	for _, row := range rows {
		if row["database"] == "pgbouncer" {
			continue
		}
		value := func(column string) float64 { return float64(number(row[column])) }
		sum = sum.Add(pooler.Averages{
			QueriesPerSecond: value("avg_query_count"), TransactionsPerSecond: value("avg_xact_count"),
			QueryMilliseconds: value("avg_query_time") / 1000, TransactionMilliseconds: value("avg_xact_time") / 1000,
			WaitMilliseconds: value("avg_wait_time") / 1000,
		})
	}
	return sum, err
}

func loadOf(rows []map[string]string) (load pooler.Load) {
	for _, row := range rows {
		if row["database"] == "pgbouncer" {
			continue
		}
		load.Waiting += number(row["cl_waiting"])
		busy := number(row["sv_active"]) + number(row["sv_tested"])
		load.Busy += busy
		load.SessionMode = load.SessionMode || busy > 0 && row["pool_mode"] == "session"
		wait := float64(number(row["maxwait"])) + float64(number(row["maxwait_us"]))/1e6
		load.OldestSeconds = max(load.OldestSeconds, wait)
	}
	return load
}

// SessionClients lists the clients in session pooling that have a server connection: a pause
// is complete when they have left.
func (c *Console) SessionClients(ctx context.Context) ([]pooler.Client, error) {
	pools, err := c.query(ctx, "SHOW POOLS")
	if err != nil {
		return nil, err
	}
	sessions := map[[2]string]bool{}
	for _, row := range pools {
		if row["pool_mode"] == "session" && row["database"] != "pgbouncer" {
			sessions[[2]string{row["database"], row["user"]}] = true
		}
	}
	rows, err := c.query(ctx, "SHOW CLIENTS")
	var list []pooler.Client
	for _, row := range rows {
		if !sessions[[2]string{row["database"], row["user"]}] || row["link"] == "" {
			continue
		}
		// PgBouncer writes its local time; it runs beside us.
		since, _ := time.ParseInLocation("2006-01-02 15:04:05 MST", row["connect_time"], time.Local)
		list = append(list, pooler.Client{
			User: row["user"], Database: row["database"], Application: row["application_name"],
			Address: net.JoinHostPort(row["addr"], row["port"]), Since: since,
		})
	}
	return list, err
}

// Version is "PgBouncer 1.24.1" and the like.
func (c *Console) Version(ctx context.Context) (string, error) {
	rows, err := c.query(ctx, "SHOW VERSION")
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0]["version"], nil
}

// Others names other PgBouncer processes that may serve the same clients and that a command on this console does
// not reach. With so_reuseport several processes listen on one port, and each new connection, also the console's,
// reaches a random one of them; a peer on this machine is another process, too. Empty: none. Peers elsewhere have
// their own consoles and agents.
func (c *Console) Others(ctx context.Context) (string, error) {
	config, err := c.query(ctx, "SHOW CONFIG")
	if err != nil {
		return "", err
	}
	for _, row := range config {
		if row["key"] == "so_reuseport" && row["value"] != "0" {
			return "so_reuseport is on, so several processes may listen on its port", nil
		}
	}
	peers, err := c.query(ctx, "SHOW PEERS")
	for _, row := range peers {
		if nearby(row["host"]) {
			return fmt.Sprintf("its peer %s is another process in the same pod (%s)", row["peer_id"], row["host"]), nil
		}
	}
	return "", err
}

// nearby: a host of the same network namespace, by a Unix socket or the loopback address.
func nearby(host string) bool {
	address := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" || address != nil && address.IsLoopback()
}

// number reads a count; zero if it isn't a number.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

func refusedWith(err error, text string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.Contains(pg.Message, text)
}

func (c *Console) do(ctx context.Context, command string) error {
	_, err := c.query(ctx, command)
	return err
}

func (c *Console) query(ctx context.Context, command string) ([]map[string]string, error) {
	results, err := c.conn.Exec(ctx, command).ReadAll()
	if err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			return nil, fmt.Errorf("%s: %w", command, refused(pg, err))
		}
		return nil, fmt.Errorf("%s on PgBouncer's admin console: %w", command, err)
	}
	var rows []map[string]string
	for _, result := range results {
		for _, values := range result.Rows {
			row := make(map[string]string, len(values))
			for i, field := range result.FieldDescriptions {
				row[field.Name] = string(values[i])
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
