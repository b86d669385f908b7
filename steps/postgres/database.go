package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Database is one database of a server.
type Database struct {
	Name, Owner string
	// Encoding, Collate, CType, Provider ("c" libc, "i" ICU, "b" builtin), Locale and Rules
	// are the options of CREATE DATABASE; Locale and Rules belong to ICU and builtin.
	Encoding, Collate, CType, Provider, Locale, Rules string
	// Limit is the connection limit, -1 for none.
	Limit int
	// Skipped says why the upgrade leaves this database out; empty for those it moves.
	Skipped string
}

// Version is the server's major version.
func Version(ctx context.Context, s Server) (int, error) {
	number, err := Scalar[int](ctx, s, "", "SELECT current_setting('server_version_num')::int")
	if err != nil {
		return 0, fmt.Errorf("version of %s: %w", s.Instance, err)
	}
	return number / 10000, nil
}

// ApplicationDatabases lists every database of s but the templates and Gitover's own. Those
// with an empty Skipped are the upgrade's: all that allow connections ("postgres" only when
// users have something in it, see hasUserData), narrowed by include (all if empty) and exclude. A name in include that
// doesn't exist is listed with the reason, too. Reads only.
func ApplicationDatabases(ctx context.Context, s Server, include, exclude []string) ([]Database, error) {
	var all []Database
	err := WithSession(ctx, s, "", func(conn *pgx.Conn) (err error) {
		all, err = databases(ctx, conn)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the databases of %s: %w", s.Instance, err)
	}
	for i := range all {
		d := &all[i]
		switch {
		case d.Skipped != "":
		case slices.Contains(exclude, d.Name):
			d.Skipped = "excluded by the spec"
		case len(include) > 0 && !slices.Contains(include, d.Name):
			d.Skipped = "not among the spec's databases"
		case d.Name == "postgres" && len(include) == 0:
			if d.Skipped, err = withoutUserData(ctx, s, d.Name); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range include {
		if !slices.ContainsFunc(all, func(d Database) bool { return d.Name == name }) {
			all = append(all, Database{Name: name, Skipped: "does not exist"})
		}
	}
	return all, nil
}

func databases(ctx context.Context, conn *pgx.Conn) ([]Database, error) {
	return Collect[Database](ctx, conn, query("application_databases"), MaintenanceDatabase)
}

// DatabaseNamed reads a database of the session's server; false if it has none of that name. Reads only.
func DatabaseNamed(ctx context.Context, conn *pgx.Conn, name string) (Database, bool, error) {
	all, err := databases(ctx, conn)
	if err != nil {
		return Database{}, false, err
	}
	i := slices.IndexFunc(all, func(d Database) bool { return d.Name == name })
	if i < 0 {
		return Database{}, false, nil
	}
	return all[i], true, nil
}

// Moved are the databases that the upgrade moves.
func Moved(all []Database) []Database {
	return slices.DeleteFunc(slices.Clone(all), func(d Database) bool { return d.Skipped != "" })
}
