package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// schemaItem is one object; Late ones come after the data.
type schemaItem struct {
	Name       string
	Definition *string
	Late       bool
}

// schemaQueries list every object of a database.
var schemaQueries = []string{
	"fingerprint_types", "fingerprint_relations", "fingerprint_constraints", "fingerprint_code", "fingerprint_rights",
}

// SchemaFingerprint is the structure of a database: tables, columns, constraints, indexes,
// sequences' definitions, functions, triggers, policies, types, owners and rights. Gitover's own
// schema, members of extensions and the bodies of views (each version prints them its own
// way) are left out. Reads only.
func SchemaFingerprint(ctx context.Context, s Server, database string) (Fingerprint, error) {
	return schemaFingerprint(ctx, s, database, true)
}

// SchemaFingerprintPreData is the part that is there once the pre-data half is copied.
func SchemaFingerprintPreData(ctx context.Context, s Server, database string) (Fingerprint, error) {
	return schemaFingerprint(ctx, s, database, false)
}

func schemaFingerprint(ctx context.Context, s Server, database string, late bool) (Fingerprint, error) {
	items, version := map[string]string{}, 0
	err := withSession(ctx, s, database, func(conn *pgx.Conn) (err error) {
		if version, err = versionOf(ctx, conn); err != nil {
			return err
		}
		// One snapshot, so that DDL in between isn't seen half.
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		for _, file := range schemaQueries {
			found, err := collect[schemaItem](ctx, conn, query(file), Schema)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			for _, item := range found {
				if late || !item.Late {
					items[item.Name] = orEmpty(item.Definition)
				}
			}
		}
		return nil
	})
	if err != nil {
		return Fingerprint{}, fmt.Errorf("schema of database %q on %s: %w", database, s.Instance, err)
	}
	f := newFingerprint(items)
	f.version = version
	return f, nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
