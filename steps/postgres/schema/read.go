package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Part is how much of a schema is compared.
type Part string

const (
	// Tables is what is there before a copy that builds all keys and indexes itself: PreData without these.
	Tables Part = "tables"
	// PreData is what is there once the pre-data half is copied.
	PreData Part = "pre-data"
	// Whole adds indexes, constraints, triggers and the like.
	Whole Part = "whole"
)

// schemaItem is one object, or one part of it that changes by itself.
type schemaItem struct {
	Name       string
	Definition *string
	// Late: created after the data is copied.
	Late bool
	// Kind and Scope are how a parser reads Texts (scratch); nil for an item without expressions.
	Kind  *string
	Scope []string
	// Texts are the expressions in Definition, in its order.
	Texts []string
}

// schemaQueries list every object of a database, by name.
var schemaQueries = []string{
	"fingerprint_types", "fingerprint_relations", "fingerprint_constraints", "fingerprint_indexes", "fingerprint_code", "fingerprint_rights",
}

// lockingQueries list those whose text PostgreSQL prints under locks on other tables, a few at a time.
var lockingQueries = []struct {
	name  string
	since int
}{{"fingerprint_rewrites", 0}, {"fingerprint_policies", 0}, {"fingerprint_bodies", 14}}

// lockPatience bounds how long a query waits for a migration; it holds locks of its own meanwhile.
const lockPatience = "SET lock_timeout = '2s'"

// readSchema is the structure of a database: tables, columns, constraints, indexes, views, sequences' definitions,
// functions, triggers, policies, types, owners and rights. Gitover's own schema and members of extensions
// are left out. add gets each as it is read. Reads only.
func readSchema(ctx context.Context, conn *pgx.Conn, version int, part Part, add func(schemaItem)) error {
	err := readByName(ctx, conn, func(item schemaItem) {
		if part == Tables {
			item = item.withoutKey()
		}
		if part == Whole || !item.Late && !(part == Tables && item.key()) {
			add(item)
		}
	})
	if err != nil || part != Whole { // all others are created after the data
		return err
	}
	if _, err := conn.Exec(ctx, lockPatience); err != nil {
		return err
	}
	for _, q := range lockingQueries {
		if version < q.since {
			continue
		}
		if err := readByOID(ctx, conn, q.name, add); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return nil
}

// key says whether an item is a key or an index, or a replica identity that is one.
func (i schemaItem) key() bool {
	for _, word := range []string{"PRIMARY KEY", "UNIQUE", "EXCLUDE"} {
		if strings.HasPrefix(i.Name, "constraint ") && strings.HasPrefix(i.definition(), word) {
			return true
		}
	}
	return strings.HasPrefix(i.Name, "index ") || strings.HasPrefix(i.Name, "replica identity ")
}

// withoutKey: a table whose replica identity is an index that isn't there yet has the default one.
func (i schemaItem) withoutKey() schemaItem {
	if i.Definition != nil && strings.HasPrefix(i.Name, "table ") {
		plain := strings.ReplaceAll(*i.Definition, ", identity d", "")
		i.Definition = &plain
	}
	return i
}

// oneSnapshot, and room for sorting thousands of columns without the disk.
const oneSnapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL work_mem = '32MB'"

// readByName reads in one snapshot, so that it never sees a part of concurrent DDL.
func readByName(ctx context.Context, conn *pgx.Conn, add func(schemaItem)) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: oneSnapshot})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, file := range schemaQueries {
		rows, err := tx.Query(ctx, query(file), postgres.Schema)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		var item schemaItem
		_, err = pgx.ForEachRow(rows, []any{&item.Name, &item.Definition, &item.Late, &item.Kind, &item.Scope, &item.Texts}, func() error {
			add(item)
			item = schemaItem{}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// readByOID reads in several statements: each holds few locks, for milliseconds.
func readByOID(ctx context.Context, conn *pgx.Conn, file string, add func(schemaItem)) error {
	for last := int64(0); ; {
		found, err := postgres.Collect[struct {
			schemaItem
			OID int64
		}](ctx, conn, query(file), postgres.Schema, last)
		if err != nil || len(found) == 0 {
			return err
		}
		for _, item := range found {
			if item.Definition != nil { // else it was dropped meanwhile
				add(item.schemaItem)
			}
			last = item.OID
		}
	}
}

// definition in full, for messages.
func (i schemaItem) definition() string { return orEmpty(i.Definition) }

// equal: no parser needs to be asked.
func (i schemaItem) equal(other schemaItem) bool { return i.definition() == other.definition() }

// frame is the definition without its expressions: the text before, between and after them.
// False if they aren't found in it.
func (i schemaItem) frame() (frame []string, ok bool) {
	rest := i.definition()
	for _, text := range i.Texts {
		before, after, found := strings.Cut(rest, text)
		if !found {
			return nil, false
		}
		frame, rest = append(frame, before), after
	}
	return append(frame, rest), true
}

// questions for a parser if definitions differ. None: they differ in more than expressions, or
// have none.
func (i schemaItem) questions(other schemaItem) (open []*question) {
	if i.Kind == nil || other.Kind == nil || *i.Kind != *other.Kind || len(i.Texts) != len(other.Texts) {
		return nil
	}
	mine, found := i.frame()
	theirs, foundThere := other.frame()
	if !found || !foundThere || !slices.Equal(mine, theirs) {
		return nil
	}
	for n := range i.Texts {
		if i.Texts[n] != other.Texts[n] {
			open = append(open, &question{item: i.Name, kind: *i.Kind, scopes: [2][]string{i.Scope, other.Scope}, texts: [2]string{i.Texts[n], other.Texts[n]}})
		}
	}
	return open
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
