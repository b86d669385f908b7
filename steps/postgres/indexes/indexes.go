package indexes

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// SmallTable is the size in bytes below which an index isn't worth a statement apart from its constraint's.
const SmallTable = 1 << 20

// Index of a table or a partitioned table on the source (sql/indexes.sql). Names and definitions are quoted.
type Index struct {
	OID, TableOID              uint32
	Table, Name, Qualified     string
	Partitioned                bool
	Definition                 string
	ConstraintOID              uint32
	Constraint, Kind           string
	ConstraintDefinition       string
	Deferrable                 string
	Parent                     string
	Clustered, ReplicaIdentity bool
	Statistics                 []string
	// Bytes on the source. Collated: it compares texts, which takes longer.
	Bytes    int64
	Collated bool
}

// Read the indexes of a session's database. Reads only.
func Read(ctx context.Context, conn *pgx.Conn) ([]Index, error) {
	found, err := postgres.Collect[Index](ctx, conn, query("indexes"), postgres.Schema, SmallTable)
	if err != nil {
		return nil, fmt.Errorf("indexes: %w", err)
	}
	return found, nil
}

// separate: the index is made first, and its constraint takes it over.
func (i Index) separate() bool { return i.Constraint != "" && i.Definition != "" }

// There says whether an index is made, with its constraint, and is the replica identity if it is to be.
func (i Index) There(there Existing) bool {
	return there.index(i.Qualified) && (i.Constraint == "" || there.constraint(i.Qualified)) && (!i.ReplicaIdentity || there["="+i.Qualified])
}

// Create is the statement that takes long; empty if it isn't needed any more.
func (i Index) Create(there Existing) string {
	switch {
	case there.index(i.Qualified):
		return ""
	case i.Definition != "":
		return i.Definition
	}
	return fmt.Sprintf("ALTER TABLE ONLY %s ADD CONSTRAINT %s %s", i.Table, i.Constraint, i.ConstraintDefinition)
}

// Finish are the statements after Create, which take no time.
func (i Index) Finish(there Existing) (statements []string) {
	if i.separate() && !there.constraint(i.Qualified) {
		kind := "UNIQUE"
		if i.Kind == "p" {
			kind = "PRIMARY KEY"
		}
		statements = append(statements, fmt.Sprintf("ALTER TABLE ONLY %s ADD CONSTRAINT %s %s USING INDEX %s%s", i.Table, i.Constraint, kind, i.Name, i.Deferrable))
	}
	if i.ReplicaIdentity {
		statements = append(statements, fmt.Sprintf("ALTER TABLE ONLY %s REPLICA IDENTITY USING INDEX %s", i.Table, i.Name))
	}
	if i.Clustered {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s CLUSTER ON %s", i.Table, i.Name))
	}
	return append(statements, i.Statistics...)
}

// Parents are the statements that make the indexes of partitioned tables, once those of the partitions are there, which become parts of them.
func Parents(all []Index, there Existing) (statements []string) {
	for _, i := range all {
		if i.Partitioned && !there.index(i.Qualified) && !there["*"+i.Qualified] && !there["*+"+i.Qualified] {
			statements = append(append(statements, i.Create(there)), i.Finish(there)...)
		}
	}
	// children before parents, which are valid once all theirs are
	for n := len(all) - 1; n >= 0; n-- {
		if i := all[n]; i.Parent != "" && !there.index(i.Parent) {
			statements = append(statements, fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s", i.Parent, i.Qualified))
		}
	}
	return statements
}

// ForeignKey of a table on the source (sql/foreign_keys.sql).
type ForeignKey struct {
	OID                     uint32
	Table, Name, Definition string
	Validated, Later        bool
}

// ReadForeignKeys of a session's database. Reads only.
func ReadForeignKeys(ctx context.Context, conn *pgx.Conn) ([]ForeignKey, error) {
	found, err := postgres.Collect[ForeignKey](ctx, conn, query("foreign_keys"), postgres.Schema)
	if err != nil {
		return nil, fmt.Errorf("foreign keys: %w", err)
	}
	return found, nil
}

// Add is the statement that makes it, without a look at the rows where that can be done later; empty if it is there.
func (k ForeignKey) Add(there Existing) string {
	if there.foreignKey(k) {
		return ""
	}
	later := ""
	if k.Later && k.Validated {
		later = " NOT VALID"
	}
	return fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s%s", k.Table, k.Name, k.Definition, later)
}

// Validate is the statement that looks at the rows, beside which those of other tables may run; empty if there's nothing to do.
func (k ForeignKey) Validate(there Existing) string {
	if !k.Later || !k.Validated || there["+"+k.Table+" "+k.Name] {
		return ""
	}
	return fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", k.Table, k.Name)
}

// Existing are the names of what a target has (sql/existing.sql).
type Existing map[string]bool

// ReadExisting of a session's database. Reads only.
func ReadExisting(ctx context.Context, conn *pgx.Conn) (Existing, error) {
	names, err := postgres.Column[string](ctx, conn, query("existing"))
	if err != nil {
		return nil, fmt.Errorf("indexes that exist: %w", err)
	}
	there := Existing{}
	for _, name := range names {
		there[name] = true
	}
	return there, nil
}

func (e Existing) index(name string) bool      { return e[name] || e["+"+name] }
func (e Existing) constraint(name string) bool { return e["+"+name] }
func (e Existing) foreignKey(k ForeignKey) bool {
	return e[k.Table+" "+k.Name] || e["+"+k.Table+" "+k.Name]
}
