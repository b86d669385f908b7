// Package randomddl makes random statements of DDL: tables of many types, constraints, defaults, indexes, partitions, views,
// functions, triggers, policies, grants. All are of the oldest supported version. The same seed gives the same statements. Some are refused
// by the server, since they contradict earlier ones; whoever runs them goes on.
package randomddl

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Roles that statements grant to; whoever runs them makes them first.
var Roles = []string{"reader", "writer"}

// Maker makes statements for one database.
type Maker struct {
	random *rand.Rand
	made   int
	tables []*table
	types  []kind
	// downgrade leaves out what only newer versions have in full.
	downgrade bool
}

// table that was made, or was to be.
type table struct {
	name    string
	columns []column
	key     string
	// constraints, indexes by name
	constraints, indexes, policies []string
}

type column struct {
	name string
	kind kind
}

// kind of a column: its type, and what can be said of it.
type kind struct {
	name     string
	defaults []string
	// checks are of %s, the column.
	checks []string
}

var kinds = []kind{
	{"int", []string{"1", "2 + 3", "-7"}, []string{"%s > 0", "%s BETWEEN 1 AND 10", "%s IN (1, 2, 3)", "NOT (%s < 5 AND %s > 2)", "abs(%s) <> 3", "%s % 2 = 0 OR %s IS NULL"}},
	{"bigint", []string{"9000000000", "(1 << 3)"}, []string{"%s >= 0", "%s <> ALL (ARRAY[1, 2])", "CASE WHEN %s > 1 THEN true ELSE %s < 0 END"}},
	{"numeric(10,2)", []string{"0.5", "round(1.234, 1)"}, []string{"%s > 0.01", "%s IN (1, 2.5)", "%s < 10 ^ 3"}},
	{"text", []string{"'none'", "upper('a''b')", "'x' || 'y'"}, []string{"%s IN ('new', 'paid')", "%s ~ '^[a-z]+$'", "length(%s) BETWEEN 1 AND 9", "%s LIKE 'a%%' OR %s IS NULL", "%s = ANY (ARRAY['a', 'b'])", "%s <> ''", "lower(%s) = %s"}},
	{"varchar(20)", []string{"'new'", "'a'::varchar"}, []string{"%s IN ('new', 'paid')", "%s NOT IN ('x')", "%s::text <> 'a'", "%s = 'a' OR %s = 'b'", "upper(%s) = 'A'"}},
	{"char(5)", []string{"'abc'"}, []string{"%s IN ('a', 'b')", "%s > 'a'"}},
	{"boolean", []string{"true", "NOT true"}, []string{"%s", "%s IS NOT FALSE"}},
	{"date", []string{"CURRENT_DATE", "'2026-01-31'"}, []string{"%s > '2020-01-01'", "extract(year FROM %s) > 2000", "%s BETWEEN DATE '2026-01-01' AND DATE '2026-12-31'"}},
	{"timestamptz", []string{"now()", "CURRENT_TIMESTAMP", "'2026-01-01 00:00:00+00'"}, []string{"%s < now() + interval '1 day'", "%s AT TIME ZONE 'UTC' > '2020-01-01'"}},
	{"interval", []string{"'1 day'", "interval '2 hours'"}, []string{"%s > interval '1 second'"}},
	{"uuid", []string{"gen_random_uuid()"}, []string{"%s <> '00000000-0000-0000-0000-000000000000'"}},
	{"jsonb", []string{"'{}'", "'[1, \"a\"]'::jsonb", "jsonb_build_object('a', 1)"}, []string{"%s ? 'a'", "%s @> '{\"a\": 1}'", "jsonb_typeof(%s) = 'object'", "(%s ->> 'n')::int > 0"}},
	{"int[]", []string{"'{}'", "ARRAY[1, 2]"}, []string{"cardinality(%s) < 5", "%s && ARRAY[1, 2]", "1 = ANY (%s)", "%s[1] > 0"}},
	{"text[]", []string{"ARRAY['a', 'b']", "'{}'::text[]"}, []string{"'a' = ANY (%s)", "array_length(%s, 1) > 0"}},
	{"bytea", []string{"'\\x00'"}, []string{"length(%s) > 1"}},
	{"inet", []string{"'127.0.0.1'"}, []string{"family(%s) = 4", "%s << '10.0.0.0/8'"}},
	{"int4range", []string{"'[1,5)'", "int4range(1, 3)"}, []string{"NOT isempty(%s)", "%s @> 3"}},
	{"tsvector", []string{"to_tsvector('simple', 'a b')"}, []string{"%s @@ to_tsquery('simple', 'a')"}},
	{"double precision", []string{"1e10", "pi()"}, []string{"%s > 0", "%s <> 'NaN'"}},
	{"time", []string{"'12:00'", "LOCALTIME"}, []string{"%s > '08:00'"}},
}

// New maker of a seed. For a downgrade it leaves out what means something else on older versions: identities of partitioned
// tables (17), GiST on network addresses (19).
func New(seed uint64, downgrade bool) *Maker {
	return &Maker{random: rand.New(rand.NewPCG(seed, 13)), types: kinds, downgrade: downgrade}
}

// name that nobody has; some need quotes.
func (m *Maker) name(prefix string) string {
	m.made++
	switch m.random.IntN(8) {
	case 0:
		return fmt.Sprintf(`"%s Nr %d"`, prefix, m.made)
	case 1:
		return fmt.Sprintf(`"%s""%d"`, prefix, m.made)
	}
	return fmt.Sprintf("%s_%d", prefix, m.made)
}

func pick[T any](m *Maker, list []T) T { return list[m.random.IntN(len(list))] }

func (m *Maker) often(percent int) bool { return m.random.IntN(100) < percent }

// check is an expression about a column.
func (m *Maker) check(c column) string {
	if len(c.kind.checks) == 0 {
		return c.name + " IS NOT NULL"
	}
	return strings.ReplaceAll(strings.ReplaceAll(pick(m, c.kind.checks), "%%", "%"), "%s", c.name)
}

// anyTable is nil if there is none.
func (m *Maker) anyTable() *table {
	if len(m.tables) == 0 {
		return nil
	}
	return pick(m, m.tables)
}

// Schema is n statements that make a schema.
func (m *Maker) Schema(n int) []string {
	statements := []string{"CREATE SCHEMA shop"}
	for len(statements) < n {
		if len(m.tables) < 3 || m.often(35) {
			statements = append(statements, m.createTable()...)
		} else {
			statements = append(statements, m.create())
		}
	}
	return statements
}

// Change is one statement that changes what there is.
func (m *Maker) Change() string {
	if m.often(35) {
		return m.create()
	}
	t := m.anyTable()
	c := pick(m, t.columns)
	options := []func() string{
		func() string {
			added := column{m.name("added"), pick(m, m.types)}
			t.columns = append(t.columns, added)
			return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s%s", t.name, added.name, added.kind.name, m.defaulted(added))
		},
		func() string { return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", t.name, c.name) },
		func() string { return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET%s", t.name, c.name, m.always(c)) },
		func() string { return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", t.name, c.name) },
		func() string { return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", t.name, c.name) },
		func() string {
			return fmt.Sprintf("ALTER TABLE %s SET (fillfactor = %d)", t.name, 50+m.random.IntN(50))
		},
		func() string { return fmt.Sprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", t.name) },
		func() string { return fmt.Sprintf("REVOKE ALL ON %s FROM %s", t.name, pick(m, Roles)) },
		func() string { return fmt.Sprintf("ALTER TABLE %s OWNER TO %s", t.name, pick(m, Roles)) },
		func() string { return "DROP INDEX IF EXISTS " + m.gone(&t.indexes, "shop.") },
		func() string { return fmt.Sprintf("DROP POLICY IF EXISTS %s ON %s", m.gone(&t.policies, ""), t.name) },
		func() string {
			return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", t.name, m.gone(&t.constraints, ""))
		},
	}
	return pick(m, options)()
}

// gone takes one from a list.
func (m *Maker) gone(list *[]string, prefix string) string {
	if len(*list) == 0 {
		return prefix + "nothing"
	}
	i := m.random.IntN(len(*list))
	name := (*list)[i]
	*list = append((*list)[:i], (*list)[i+1:]...)
	return prefix + name
}

func (m *Maker) always(c column) string {
	if len(c.kind.defaults) == 0 {
		return " DEFAULT NULL"
	}
	return " DEFAULT " + pick(m, c.kind.defaults)
}

func (m *Maker) defaulted(c column) string {
	if len(c.kind.defaults) == 0 || m.often(50) {
		return ""
	}
	return m.always(c)
}
