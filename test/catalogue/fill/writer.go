package fill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Writer writes to one database, over one session. Not for concurrent use.
type Writer struct {
	conn    *pgx.Conn
	catalog *catalog
	random  *rand.Rand
	known   Known
	made    int
	// suggested are values that constraints speak of, by column.
	suggested map[string][]string
	// there are keys that others can refer to, by foreign key.
	there map[string][][]string
	// undone: all is part of one transaction, which a refused statement doesn't end.
	undone bool
	// seeds are tables that had rows before Fill, each with the number: what the application itself looks up.
	seeds map[string]int
}

// Known is what no catalog gives away, by schema.table.column.
type Known struct {
	// Values that the server or the application takes.
	Values map[string][]string
	// Fixed columns are never updated.
	Fixed []string
}

// New reads the catalog. First numbers what is made up, so that writers of the same database with
// numbers far apart don't meet.
func New(ctx context.Context, conn *pgx.Conn, first int, known Known) (*Writer, error) {
	c, err := readCatalog(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return &Writer{conn: conn, catalog: c, random: rand.New(rand.NewPCG(uint64(first), 10)), known: known, made: first, suggested: map[string][]string{}, there: map[string][][]string{}, seeds: map[string]int{}}, nil
}

// Tables in the order in which they are filled.
func (w *Writer) Tables() (names []string) {
	for _, t := range w.catalog.tables {
		names = append(names, t.Name)
	}
	return names
}

const (
	// insertTries for each row, updateTries and deleteTries for each table.
	insertTries = 60
	updateTries = 40
	deleteTries = 15
)

// Seeds are the tables that had rows before Fill. Exercise changes and deletes rows there only that it inserted itself.
func (w *Writer) Seeds() map[string]int { return w.seeds }

// Spare has a later writer spare the same rows.
func (w *Writer) Spare(seeds map[string]int) { w.seeds = seeds }

// Fill inserts so many rows into every table. Tables that need rows of later ones get their turn again.
func (w *Writer) Fill(ctx context.Context, rowsEach int) (Report, error) {
	report := Report{}
	for _, t := range w.catalog.tables {
		var there int
		if err := w.conn.QueryRow(ctx, "SELECT count(*) FROM "+t.Name, pgx.QueryExecModeExec).Scan(&there); err != nil {
			return nil, err
		}
		if there > 0 {
			w.seeds[t.Name] = there
		}
	}
	for range 3 {
		for _, t := range w.catalog.tables {
			o := report.of(t, Insert)
			for o.Done < rowsEach {
				before := o.Done
				if _, err := w.insert(ctx, t, o); err != nil {
					return nil, err
				}
				if o.Done == before {
					break
				}
			}
		}
	}
	for _, t := range w.catalog.tables {
		if o := report.of(t, Insert); o.Done == 0 {
			if err := w.byTriggers(ctx, t, o); err != nil {
				return nil, err
			}
		}
	}
	return report, nil
}

// Exercise writes as an application does, to every table: rows come, change and go. What did nothing in before, if
// there is such a report, is tried only a little.
func (w *Writer) Exercise(ctx context.Context, before Report) (Report, error) {
	report := Report{}
	hopeless := func(t *table, op Operation) bool {
		then := before[t.Name][op]
		return then != nil && then.Done == 0
	}
	for _, t := range w.catalog.tables {
		for range 2 {
			if _, err := w.insert(ctx, t, report.of(t, Insert)); err != nil {
				return nil, err
			}
			if hopeless(t, Insert) {
				break
			}
		}
		tries := updateTries
		if hopeless(t, Update) {
			tries = 2
		}
		if err := w.update(ctx, t, report.of(t, Update), 4, tries); err != nil {
			return nil, err
		}
	}
	for _, t := range slices.Backward(w.catalog.tables) {
		if err := w.delete(ctx, t, report.of(t, Delete), hopeless(t, Delete)); err != nil {
			return nil, err
		}
		// a key of which every value was taken has room now
		if o := report.of(t, Insert); o.Done == 0 && !hopeless(t, Insert) {
			if _, err := w.insert(ctx, t, o); err != nil {
				return nil, err
			}
		}
	}
	return report, nil
}

// insert tries until a row is in, and returns where it is: a table and a place in it, as SQL; "" if there is none.
func (w *Writer) insert(ctx context.Context, t *table, o *Outcome) (place string, err error) {
	for attempt := range insertTries {
		row, err := w.row(ctx, t, moodOf(attempt))
		if err != nil {
			return "", err
		}
		var names, values []string
		for _, s := range row {
			names, values = append(names, ident(s.column)), append(values, s.value)
		}
		what := "DEFAULT VALUES"
		if len(names) > 0 {
			what = fmt.Sprintf("(%s) VALUES (%s)", strings.Join(names, ", "), strings.Join(values, ", "))
		}
		returning := " RETURNING tableoid || ', ' || quote_literal(ctid)"
		if _, ruled := o.Refused["0A000"]; ruled {
			returning = "" // a rule stands in for INSERT, without it
		}
		found, n, err := w.run(ctx, o, fmt.Sprintf("INSERT INTO %s %s%s", t.Name, what, returning))
		if err != nil {
			return "", err
		}
		if n > 0 {
			return found, nil
		}
	}
	return "", nil
}

// update changes some columns of some rows, until so many statements did.
func (w *Writer) update(ctx context.Context, t *table, o *Outcome, often, tries int) error {
	for attempt := 0; attempt < tries && o.Done < often; attempt++ {
		row, err := w.row(ctx, t, moodOf(attempt))
		if err != nil {
			return err
		}
		row = w.some(t, row)
		if len(row) == 0 {
			continue
		}
		var set []string
		for _, s := range row {
			set = append(set, ident(s.column)+" = "+s.value)
		}
		which := fmt.Sprintf("SELECT tableoid, ctid FROM %s OFFSET %d LIMIT 1", t.Name, w.random.IntN(4)*(attempt%3))
		if w.seeds[t.Name] > 0 {
			if which, err = w.fresh(ctx, t); err != nil {
				return err
			}
		}
		if which == "" {
			continue
		}
		_, _, err = w.run(ctx, o, fmt.Sprintf("UPDATE %s SET %s WHERE (tableoid, ctid) IN (%s)", t.Name, strings.Join(set, ", "), which))
		if err != nil {
			return err
		}
	}
	return nil
}

// some columns of a row: one, several, or all; keys rarely.
func (w *Writer) some(t *table, row []setting) []setting {
	var chosen []setting
	share := []int{20, 50, 100}[w.random.IntN(3)]
	for _, s := range row {
		if slices.Contains(w.known.Fixed, t.Name+"."+s.column) {
			continue
		}
		if c := t.column(s.column); (!c.Key || w.random.IntN(6) == 0) && w.random.IntN(100) < share {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 && len(row) > 0 {
		if one := row[w.random.IntN(len(row))]; !slices.Contains(w.known.Fixed, t.Name+"."+one.column) {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

// delete takes a row away; one that it inserts for that where others are referred to.
func (w *Writer) delete(ctx context.Context, t *table, o *Outcome, hopeless bool) error {
	tries := deleteTries
	if hopeless {
		tries = 2
	}
	for attempt := range tries {
		which := fmt.Sprintf("SELECT tableoid, ctid FROM %s OFFSET %d LIMIT 1", t.Name, attempt)
		if attempt%3 == 2 || w.seeds[t.Name] > 0 {
			var err error
			if which, err = w.fresh(ctx, t); err != nil {
				return err
			}
		}
		if which == "" {
			continue
		}
		if _, n, err := w.run(ctx, o, fmt.Sprintf("DELETE FROM %s WHERE (tableoid, ctid) IN (%s)", t.Name, which)); err != nil || n > 0 {
			return err
		}
	}
	return nil
}

// fresh is a query for the place of a row that it inserts; "" where it can't.
func (w *Writer) fresh(ctx context.Context, t *table) (string, error) {
	place, err := w.insert(ctx, t, &Outcome{Refused: map[string]string{}})
	if err != nil || place == "" {
		return "", err
	}
	table, ctid, _ := strings.Cut(place, ", ")
	return fmt.Sprintf("SELECT %s::oid, %s::tid", table, ctid), nil
}

// run notes what a statement did. Only a lost session is an error.
func (w *Writer) run(ctx context.Context, o *Outcome, statement string) (first string, n int64, err error) {
	whole := statement
	if w.undone {
		whole = "SAVEPOINT " + savepoint + "; " + statement + "; RELEASE " + savepoint
	}
	results, err := w.conn.PgConn().Exec(ctx, whole).ReadAll()
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Severity != "FATAL":
		if w.undone {
			if _, err := w.conn.Exec(ctx, "ROLLBACK TO "+savepoint, pgx.QueryExecModeSimpleProtocol); err != nil {
				return "", 0, err
			}
		}
		said := refused.Message
		if refused.ConstraintName != "" {
			said += " (" + refused.ConstraintName + ")"
		}
		o.Refused[refused.Code] = said
		return "", 0, nil
	case err != nil:
		return "", 0, fmt.Errorf("%s: %w", statement, err)
	}
	for _, result := range results {
		n += result.CommandTag.RowsAffected()
		if len(result.Rows) > 0 {
			first = string(result.Rows[0][0])
		}
	}
	if n > 0 {
		o.Done++
	}
	return first, n, nil
}
