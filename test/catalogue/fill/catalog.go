package fill

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed types.sql
	typesSQL string
	//go:embed tables.sql
	tablesSQL string
	//go:embed columns.sql
	columnsSQL string
	//go:embed references.sql
	referencesSQL string
)

// dataType is what a value can be.
type dataType struct {
	OID uint32
	// Name of pg_type; Kind is its typtype.
	Name, Kind string
	// Element of an array, Base of a domain with Modifier, Bound of a range.
	Element, Base uint32
	Modifier      int32
	Bound         uint32
	Labels        []string
	// Fields of a composite type.
	Fields    []uint32
	Modifiers []int32
	Checks    []string
}

// table is what rows are written into.
type table struct {
	OID    uint32
	Name   string
	Bounds []string

	columns    []column
	references []reference
}

// column can be set by a statement.
type column struct {
	Table    uint32
	Name     string
	Type     uint32
	Modifier int32
	NotNull  bool
	// Default is there; Always: nothing else may be given. Counted by a sequence.
	Default, Always, Counted bool
	// Key and Partition: part of the primary key, or of what partitions are told by.
	Key, Partition bool
	Checks         []string
}

// reference is a foreign key.
type reference struct {
	From          uint32
	OID           uint32
	Table         string
	Columns, Keys []string
}

// catalog is all that is known of a database.
type catalog struct {
	types  map[uint32]dataType
	tables []*table
}

// readCatalog over a pooler: nothing is prepared.
func readCatalog(ctx context.Context, conn *pgx.Conn) (*catalog, error) {
	types, err := rows[dataType](ctx, conn, typesSQL)
	if err != nil {
		return nil, err
	}
	c := &catalog{types: map[uint32]dataType{}}
	for _, t := range types {
		c.types[t.OID] = t
	}
	type found struct {
		OID    uint32
		Name   string
		Bounds []string
	}
	tables, err := rows[found](ctx, conn, tablesSQL)
	if err != nil {
		return nil, err
	}
	byOID := map[uint32]*table{}
	var oids []uint32
	for _, f := range tables {
		t := &table{OID: f.OID, Name: f.Name, Bounds: f.Bounds}
		c.tables, oids, byOID[f.OID] = append(c.tables, t), append(oids, f.OID), t
	}
	columns, err := rows[column](ctx, conn, columnsSQL, oids)
	if err != nil {
		return nil, err
	}
	for _, col := range columns {
		byOID[col.Table].columns = append(byOID[col.Table].columns, col)
	}
	references, err := rows[reference](ctx, conn, referencesSQL, oids)
	if err != nil {
		return nil, err
	}
	for _, r := range references {
		byOID[r.From].references = append(byOID[r.From].references, r)
	}
	c.sort(byOID)
	return c, nil
}

func rows[T any](ctx context.Context, conn *pgx.Conn, query string, args ...any) ([]T, error) {
	found, err := conn.Query(ctx, query, append([]any{pgx.QueryExecModeExec}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[T])
}

// sort puts tables after those that they refer to, as far as that goes.
func (c *catalog) sort(byOID map[uint32]*table) {
	var sorted []*table
	seen := map[uint32]bool{}
	var visit func(t *table)
	visit = func(t *table) {
		if t == nil || seen[t.OID] {
			return
		}
		seen[t.OID] = true
		for _, r := range t.references {
			visit(byOID[r.OID])
		}
		sorted = append(sorted, t)
	}
	for _, t := range c.tables {
		visit(t)
	}
	c.tables = sorted
}

// byTriggers counts the rows of a table that others' triggers filled, or a rule.
func (w *Writer) byTriggers(ctx context.Context, t *table, o *Outcome) error {
	return w.conn.QueryRow(ctx, "SELECT count(*) FROM "+t.Name, pgx.QueryExecModeExec).Scan(&o.Done)
}
