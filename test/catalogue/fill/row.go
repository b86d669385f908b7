package fill

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// mood is how bold values are: as attempts fail, they get tamer.
type mood int

const (
	awkward mood = iota
	distinct
	tame
)

func moodOf(attempt int) mood { return min(mood(attempt/12), tame) }

// setting is one column and the SQL of its value.
type setting struct{ column, value string }

// row makes up a whole row; what isn't in it takes its default.
func (w *Writer) row(ctx context.Context, t *table, m mood) ([]setting, error) {
	referring, err := w.keys(ctx, t)
	if err != nil {
		return nil, err
	}
	var all []setting
	for _, c := range t.columns {
		if c.Always {
			continue
		}
		if value, refers := referring[c.Name]; refers {
			all = append(all, setting{c.Name, value})
			continue
		}
		if value, given := w.value(t, c, m); given {
			all = append(all, setting{c.Name, value})
		}
	}
	return all, nil
}

// value is the SQL of a column's value; false for its default.
func (w *Writer) value(t *table, c column, m mood) (string, bool) {
	odds := func(percent int) bool { return w.random.IntN(100) < percent }
	if hints := w.known.Values[t.Name+"."+c.Name]; len(hints) > 0 {
		return quote(hints[w.random.IntN(len(hints))]), true
	}
	if c.Counted && odds(90) || c.Default && odds(40+20*int(m)) {
		return "", false
	}
	if !c.NotNull && !c.Partition && odds(15+15*int(m)) {
		return "NULL", true
	}
	if named := w.named(t, c); len(named) > 0 && odds(90) {
		return quote(named[w.random.IntN(len(named))]), true
	}
	if c.Key && (m > awkward || odds(30)) || m == distinct && odds(70) || m == tame && odds(30) {
		w.made++
		if made, can := w.catalog.made(c.Type, c.Modifier, w.made); can {
			return quote(made), true
		}
	}
	pool := w.catalog.pool(c.Type, c.Modifier, w.random)
	if len(pool) == 0 {
		if c.Default {
			return "", false
		}
		return "NULL", true
	}
	if m == tame {
		pool = pool[:min(3, len(pool))]
	}
	return quote(pool[w.random.IntN(len(pool))]), true
}

// named are the values that constraints suggest for a column. They are found again now and then, since some are random.
func (w *Writer) named(t *table, c column) []string {
	key := t.Name + "." + c.Name
	known, found := w.suggested[key]
	if found && (len(known) == 0 || w.random.IntN(4) > 0) {
		return known
	}
	definitions := c.Checks
	if c.Partition {
		definitions = append(slices.Clone(definitions), t.Bounds...)
	}
	w.suggested[key] = w.catalog.named(c.Type, definitions, w.random)
	return w.suggested[key]
}

// keys are values for the columns of foreign keys: of rows that are there, or NULL; of this very row where the table
// refers to itself and is empty.
func (w *Writer) keys(ctx context.Context, t *table) (map[string]string, error) {
	values := map[string]string{}
	for _, r := range t.references {
		there, err := w.referred(ctx, r)
		if err != nil {
			return nil, err
		}
		nullable := true
		for _, name := range r.Columns {
			nullable = nullable && !t.column(name).NotNull
		}
		first := t.column(r.Columns[0])
		switch {
		case len(r.Columns) == 1 && first.Default && !first.Always && w.random.IntN(3) == 0:
			values[first.Name] = "DEFAULT" // a trigger may make the row that it refers to
		case nullable && (len(there) == 0 || w.random.IntN(4) == 0):
			for _, name := range r.Columns {
				if _, has := values[name]; !has {
					values[name] = "NULL"
				}
			}
		case len(there) > 0:
			chosen := there[w.random.IntN(len(there))]
			for i, name := range r.Columns {
				values[name] = quote(chosen[i])
			}
		case r.OID == t.OID:
			for i, name := range r.Columns {
				w.made++
				if made, can := w.catalog.made(t.column(name).Type, t.column(name).Modifier, w.made); can {
					values[name], values[r.Keys[i]] = quote(made), quote(made)
				}
			}
		}
	}
	return values, nil
}

// referred are some of the keys that a foreign key can name. They are read again now and then, and as long as there are none.
func (w *Writer) referred(ctx context.Context, r reference) ([][]string, error) {
	id := fmt.Sprint(r.From, r.OID, r.Columns)
	if known := w.there[id]; len(known) > 0 && w.random.IntN(10) > 0 {
		return known, nil
	}
	keys, err := w.readReferred(ctx, r)
	w.there[id] = keys
	return keys, err
}

func (w *Writer) readReferred(ctx context.Context, r reference) ([][]string, error) {
	var list, some []string
	for _, key := range r.Keys {
		list = append(list, ident(key)+"::text")
		some = append(some, ident(key)+" IS NOT NULL")
	}
	found, err := w.conn.Query(ctx, fmt.Sprintf("SELECT ARRAY[%s] FROM %s WHERE %s LIMIT 60", strings.Join(list, ", "), r.Table, strings.Join(some, " AND ")),
		pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[[]string])
}

func (t *table) column(name string) column {
	for _, c := range t.columns {
		if c.Name == name {
			return c
		}
	}
	return column{Name: name}
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }
