package testenv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Endpoint that applications connect to.
const Endpoint = "orders-db"

// Superuser opens a session on one instance, past the poolers.
func (a *App) Superuser(ctx context.Context, instance, database string) (*pgx.Conn, error) {
	return a.connect(ctx, instance, database, "postgres", a.superuser)
}

// Application opens a session as an application does: through the poolers, as AppRole.
func (a *App) Application(ctx context.Context, database string) (*pgx.Conn, error) {
	return a.connect(ctx, Endpoint, database, AppRole, a.application)
}

// poolerPort is where a pooler's own pod listens.
const poolerPort = 6432

// ApplicationAt opens a session through one pooler, by the address of its pod.
func (a *App) ApplicationAt(ctx context.Context, podAddress, database string) (*pgx.Conn, error) {
	return dial(ctx, podAddress, poolerPort, database, AppRole, a.application)
}

func (a *App) connect(ctx context.Context, service, database, user, password string) (*pgx.Conn, error) {
	if service != Endpoint {
		service += a.serviceSuffix
	}
	address, err := a.Address(ctx, service)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, address, 5432, database, user, password)
	if err == nil || service == Endpoint {
		return conn, err
	}
	a.addresses.Delete(service) // an instance that comes back has another one
	if fresh, lookup := a.Address(ctx, service); lookup != nil || fresh == address {
		return nil, err
	}
	return a.connect(ctx, strings.TrimSuffix(service, a.serviceSuffix), database, user, password)
}

func dial(ctx context.Context, address string, port uint16, database, user, password string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable connect_timeout=10")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Database, config.User, config.Password = address, port, database, user, password
	return pgx.ConnectConfig(ctx, config)
}

// Address of a Service: from this machine its name means nothing. Looked up once, so that
// a workload doesn't depend on the API server.
func (a *App) Address(ctx context.Context, service string) (string, error) {
	if known, ok := a.addresses.Load(service); ok {
		return known.(string), nil
	}
	var s corev1.Service
	if err := a.Client.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: service}, &s); err != nil {
		return "", err
	}
	a.addresses.Store(service, s.Spec.ClusterIP)
	return s.Spec.ClusterIP, nil
}

// Run statements as superuser on one instance.
func (a *App) Run(ctx context.Context, instance, database string, statements ...string) error {
	conn, err := a.Superuser(ctx, instance, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s, database %s: %w: %.200s", instance, database, err, statement)
		}
	}
	return nil
}

// Strings is the first column of a query as superuser on one instance.
func (a *App) Strings(ctx context.Context, instance, database, query string) ([]string, error) {
	conn, err := a.Superuser(ctx, instance, database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// FoundDatabases makes the applications' role and databases, as their team did long ago,
// once the server answers; what an operator made is there already.
func (a *App) FoundDatabases(ctx context.Context, instance string) error {
	statements := []string{
		fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", AppRole, a.poolerSecret), // hexadecimal digits, or their verifier
		"CREATE ROLE orders_reader NOLOGIN",
		"CREATE ROLE orders_reporting LOGIN IN ROLE orders_reader",
		"ALTER ROLE orders_reporting SET statement_timeout = '30s'",
	}
	for _, database := range Databases {
		statements = append(statements, fmt.Sprintf("CREATE DATABASE %s OWNER %s", database, AppRole),
			fmt.Sprintf("REVOKE CONNECT ON DATABASE %s FROM PUBLIC", database),
			fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO orders_reader", database))
	}
	// Ready is what the kubelet says; the Service's rules come a moment later.
	err := a.Await(ctx, time.Minute, instance+" answers", func(ctx context.Context) (bool, string, error) {
		conn, err := a.Superuser(ctx, instance, "postgres")
		if err != nil {
			return false, err.Error(), nil
		}
		return true, "yes", conn.Close(ctx)
	})
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := a.Run(ctx, instance, "postgres", statement); err != nil && !madeBefore(err) {
			return err
		}
	}
	return nil
}

// AwaitEndpoint waits until an application can work in every database.
func (a *App) AwaitEndpoint(ctx context.Context, patience time.Duration) error {
	for _, database := range Databases {
		err := a.Await(ctx, patience, "database "+database+" through the poolers", func(ctx context.Context) (bool, string, error) {
			conn, err := a.Application(ctx, database)
			if err != nil {
				return false, err.Error(), nil
			}
			defer conn.Close(ctx)
			var version string
			err = conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
			if err != nil {
				return false, err.Error(), nil
			}
			return true, "PostgreSQL " + version + " answers", nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// leftovers are Gitover's objects of replication and its fences, which must be gone when
// nothing is in progress.
const leftovers = `
SELECT 'replication slot ' || slot_name FROM pg_replication_slots WHERE slot_name LIKE 'gitover%'
UNION ALL SELECT 'subscription ' || subname FROM pg_subscription WHERE subname LIKE 'gitover%'
UNION ALL SELECT 'publication ' || pubname || ' in ' || current_database() FROM pg_publication WHERE pubname LIKE 'gitover%'
UNION ALL SELECT 'origin ' || roname FROM pg_replication_origin
UNION ALL SELECT 'fence of database ' || datname FROM pg_database WHERE datname <> 'template0' AND (datconnlimit = 0 OR NOT datallowconn)
UNION ALL SELECT 'database ' || datname || ' is read-only' FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid
	WHERE 'default_transaction_read_only=on' = ANY (s.setconfig)`

// Leftovers of Gitover on an instance, in words.
func (a *App) Leftovers(ctx context.Context, instance string) ([]string, error) {
	var all []string
	for _, database := range Databases {
		found, err := a.Strings(ctx, instance, database, leftovers)
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			if !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all, nil
}

// missingDatabase: the server answers, and has no such database (yet).
func missingDatabase(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "3D000"
}

// madeBefore: the role or the database is there.
func madeBefore(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "42710" || refused.Code == "42P04")
}
