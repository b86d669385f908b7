package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// CreateDatabases makes the databases dbs of "from" on "to": same owner, encoding, locale,
// settings, rights and comment. They are fenced from birth (CONNECTION LIMIT 0), and a
// database that the image already made is fenced, too; the limit that they have on "from" is
// remembered until the fence is lifted, which needs the register on "to" (EnsureRegister).
// Never call it for a server that serves. A second run fixes what differs.
func CreateDatabases(ctx context.Context, from, to postgres.Server, dbs []postgres.Database) error {
	version, err := postgres.Version(ctx, to)
	if err != nil {
		return err
	}
	fromVersion, err := postgres.Version(ctx, from)
	if err != nil {
		return err
	}
	limits, err := rememberedLimits(ctx, from)
	if err != nil {
		return fmt.Errorf("connection limits of %s: %w", from.Instance, err)
	}
	for _, d := range dbs {
		if limit, fenced := limits[d.Name]; fenced {
			d.Limit = limit
		}
		if err := createOneDatabase(ctx, to, d, version); err != nil {
			return fmt.Errorf("create database %q on %s: %w", d.Name, to.Instance, err)
		}
		if err := copyProperties(ctx, from, to, d.Name); err != nil {
			return fmt.Errorf("settings and rights of database %q on %s: %w", d.Name, to.Instance, err)
		}
		if fromVersion >= postgres.WithClosedPublicSchema && version < postgres.WithClosedPublicSchema {
			if err := modernPublicSchema(ctx, to, d); err != nil {
				return fmt.Errorf("schema public of database %q on %s: %w", d.Name, to.Instance, err)
			}
		}
	}
	return nil
}

// rememberedLimits are the owners' limits of databases that are fenced on s: the limit in force
// is the fence.
func rememberedLimits(ctx context.Context, s postgres.Server) (map[string]int, error) {
	limits := map[string]int{}
	err := postgres.WithSession(ctx, s, postgres.MaintenanceDatabase, func(conn *pgx.Conn) error {
		type row struct {
			Database string
			Limit    int
		}
		rows, err := postgres.Collect[row](ctx, conn, query("remembered_limits"))
		for _, r := range rows {
			limits[r.Database] = r.Limit
		}
		return err
	})
	if postgres.DatabaseMissing(err) || postgres.NotFound(err) {
		err = nil
	}
	return limits, err
}

// createOneDatabase creates or alters the database and remembers its limit first, so that
// there is never a fence without the limit to restore.
func createOneDatabase(ctx context.Context, to postgres.Server, d postgres.Database, version int) error {
	err := postgres.WithSession(ctx, to, postgres.MaintenanceDatabase, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT gitover.close_new($1, $2)", d.Name, d.Limit)
		return err
	})
	if err != nil {
		return err
	}
	return postgres.WithSession(ctx, to, "", func(conn *pgx.Conn) error {
		have, there, err := postgres.DatabaseNamed(ctx, conn, d.Name)
		if err != nil {
			return err
		}
		if !there {
			_, err = conn.Exec(ctx, createDatabase(d, version))
			return err
		}
		if err := sameLocale(d, have); err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "ALTER DATABASE "+postgres.Ident(d.Name)+" OWNER TO "+postgres.Ident(d.Owner))
		return err
	})
}

// createDatabase uses only options that the version has; CanHold tells before whether that is enough.
func createDatabase(d postgres.Database, version int) string {
	sql := fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 OWNER %s ENCODING %s LC_COLLATE %s LC_CTYPE %s CONNECTION LIMIT 0",
		postgres.Ident(d.Name), postgres.Ident(d.Owner), postgres.Literal(d.Encoding), postgres.Literal(d.Collate), postgres.Literal(d.CType))
	switch {
	case d.Provider == "i" && version >= postgres.WithLocaleProviders:
		sql += " LOCALE_PROVIDER icu ICU_LOCALE " + postgres.Literal(d.Locale)
		if d.Rules != "" && version >= postgres.WithICURules {
			sql += " ICU_RULES " + postgres.Literal(d.Rules)
		}
	case d.Provider == "b" && version >= postgres.WithBuiltinLocales:
		sql += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + postgres.Literal(d.Locale)
	case version >= postgres.WithLocaleProviders:
		sql += " LOCALE_PROVIDER libc"
	}
	return sql
}

// sameLocale refuses a database that would sort or store text differently from the original.
func sameLocale(want, have postgres.Database) error {
	describe := func(d postgres.Database) string {
		return strings.Join([]string{"encoding " + d.Encoding, "collate " + d.Collate, "ctype " + d.CType, "provider " + d.Provider, "locale " + d.Locale}, ", ")
	}
	if normalLocale(describe(want)) != normalLocale(describe(have)) {
		return fmt.Errorf("it exists already, with %s instead of %s: make the image initialize it in the same way, or not create it", describe(have), describe(want))
	}
	return nil
}

// normalLocale: the C library takes "en_US.UTF-8" and "en_US.utf8" for the same.
func normalLocale(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "utf-8", "utf8")
}

// copyProperties copies settings, rights and comment of a database to "to".
func copyProperties(ctx context.Context, from, to postgres.Server, database string) error {
	want, err := readProperties(ctx, from, database)
	if err != nil {
		return err
	}
	have, err := readProperties(ctx, to, database)
	if err != nil {
		return err
	}
	return postgres.WithSession(ctx, to, "", func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, sql := range propertyStatements(database, want, have) {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// privilege on a database; Grantee is empty for PUBLIC.
type privilege struct {
	Grantee, Privilege string
	Grantable          bool
}

// databaseProperties are the properties of a database that aren't in its dump.
type databaseProperties struct {
	comment    *string
	privileges []privilege
	settings   []setting
	known      []string
}

func readProperties(ctx context.Context, s postgres.Server, database string) (c databaseProperties, err error) {
	all, err := readCluster(ctx, s)
	if err != nil {
		return c, err
	}
	c.known = all.known
	for _, v := range all.settings {
		if v.Database == database && v.Role != s.User {
			c.settings = append(c.settings, v)
		}
	}
	err = postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", database).Scan(&c.comment)
		if errors.Is(err, pgx.ErrNoRows) {
			err = nil
		}
		if err == nil {
			c.privileges, err = postgres.Collect[privilege](ctx, conn, query("database_privileges"), database)
		}
		return err
	})
	return c, err
}

// propertyStatements returns the statements that change have to want.
func propertyStatements(database string, want, have databaseProperties) (statements []string) {
	add := func(format string, args ...any) { statements = append(statements, fmt.Sprintf(format, args...)) }
	db := postgres.Ident(database)
	if orNull(want.comment) != orNull(have.comment) {
		add("COMMENT ON DATABASE %s IS %s", db, orNull(want.comment))
	}
	for _, p := range have.privileges {
		if !slices.Contains(want.privileges, p) {
			add("REVOKE %s ON DATABASE %s FROM %s", p.Privilege, db, grantee(p.Grantee))
		}
	}
	for _, p := range want.privileges {
		if slices.Contains(have.privileges, p) {
			continue
		}
		option := ""
		if p.Grantable {
			option = " WITH GRANT OPTION"
		}
		add("GRANT %s ON DATABASE %s TO %s%s", p.Privilege, db, grantee(p.Grantee), option)
	}
	for _, s := range want.settings {
		if !slices.Contains(have.settings, s) && s.knownTo(have.known) {
			statements = append(statements, s.statement())
		}
	}
	return statements
}

func grantee(role string) string {
	if role == "" {
		return "PUBLIC"
	}
	return postgres.Ident(role)
}

// modernPublicSchema gives a database of a version before 15 the schema "public" that pg_dump
// expects in a newer one: only its owner may create in it.
func modernPublicSchema(ctx context.Context, to postgres.Server, d postgres.Database) error {
	return postgres.WithSession(ctx, to, d.Name, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, query("modern_public_schema"))
		return err
	})
}
