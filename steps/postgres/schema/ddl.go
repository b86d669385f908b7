package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// DDL makes the schema of the side that follows equal to the one that serves.
type DDL struct {
	// Statements in the order in which they work, without semicolons.
	Statements []string
	// Unknown differences: no statement is known for these.
	Unknown []string
	// Renames replace statements that drop and create something if it was in fact renamed, which the catalogs don't tell.
	Renames []string
}

// Text of the first few statements, to be run by hand.
func (d DDL) Text() string {
	const few = 5
	text := strings.Join(d.Statements[:min(few, len(d.Statements))], "; ")
	if more := len(d.Statements) - few; more > 0 {
		text += fmt.Sprintf("; and %d more statements", more)
	}
	return text
}

// EqualizingDDL makes the statements for the side that follows that remove a drift of a database. Reads only.
func EqualizingDDL(ctx context.Context, serving, following postgres.Server, database string, drift Drift) (ddl DDL, err error) {
	e := equalizer{drift: drift}
	for _, side := range []struct {
		server postgres.Server
		names  []string
		read   *objects
	}{
		{serving, slices.Concat(drift.Missing, drift.Changed), &e.want},
		{following, slices.Concat(drift.Extra, drift.Changed), &e.have},
	} {
		if err := postgres.WithSession(ctx, side.server, database, func(conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, lockPatience); err != nil {
				return err
			}
			return side.read.read(ctx, conn, side.names)
		}); err != nil {
			return ddl, fmt.Errorf("statements for the schema of database %q on %s: %w", database, following.Instance, err)
		}
	}
	return e.all(), nil
}

// ApplyDDL runs statements in one transaction, on a side that follows. It changes nothing if the database isn't fenced
// once they hold their locks. A second call fails, or does nothing, for what the first one did: compare first.
func ApplyDDL(ctx context.Context, s postgres.Server, database string, ddl DDL) error {
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		if err := postgres.WithoutTimeout(ctx, conn); err != nil { // an index of a large table
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			// the serving side has checked the bodies; objects that they name may be created later
			for _, statement := range append([]string{"SET LOCAL check_function_bodies = off"}, ddl.Statements...) {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}
			fenced, err := postgres.FencedHere(ctx, tx)
			if err == nil && !fenced {
				err = errors.New("it isn't fenced, so it may be serving")
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("apply DDL in database %q of %s: %w", database, s.Instance, err)
	}
	return nil
}

// equalizer puts statements together.
type equalizer struct {
	drift      Drift
	want, have objects
	drops      []rankedDDL
	makes      []rankedDDL
	unknown    []string
}

type rankedDDL struct {
	rank      int
	statement string
}

// rankOfRights: the objects that they are on exist by then.
const rankOfRights = 95

func (e *equalizer) all() DDL {
	for _, name := range e.drift.Missing {
		e.missing(name)
	}
	for _, name := range e.drift.Changed {
		e.changed(name)
	}
	for _, name := range e.drift.Extra {
		e.extra(name)
	}
	slices.SortStableFunc(e.drops, func(a, b rankedDDL) int { return cmp.Compare(b.rank, a.rank) })
	slices.SortStableFunc(e.makes, func(a, b rankedDDL) int { return cmp.Compare(a.rank, b.rank) })
	var ddl DDL
	for _, s := range append(e.drops, e.makes...) {
		if !slices.Contains(ddl.Statements, s.statement) {
			ddl.Statements = append(ddl.Statements, s.statement)
		}
	}
	ddl.Unknown = e.unknown
	ddl.Renames = e.renames()
	return ddl
}

func (e *equalizer) missing(name string) {
	if strings.HasPrefix(name, "rights on ") {
		e.grant(name)
		return
	}
	if partOf(name, e.drift.Missing) {
		return
	}
	things := e.want.things[name]
	for _, t := range things {
		e.make(t.Rank, t.Make)
	}
	if len(things) == 0 {
		e.unknown = append(e.unknown, name)
	}
}

func (e *equalizer) changed(name string) {
	if strings.HasPrefix(name, "rights on ") {
		e.grant(name)
		return
	}
	if want, there := e.want.columns[name]; there {
		e.column(name, want, e.have.columns[name])
		return
	}
	things := e.want.things[name]
	for _, t := range things {
		if t.Alter != nil {
			e.make(t.Rank, t.Alter)
			continue
		}
		for _, old := range e.have.things[name] {
			e.drop(old)
		}
		e.make(t.Rank, t.Make)
	}
	if len(things) == 0 {
		e.unknown = append(e.unknown, name)
	}
}

func (e *equalizer) extra(name string) {
	things := e.have.things[name]
	if partOf(name, e.drift.Extra) || goesWith(name, e.drift.Extra) {
		return
	}
	for _, t := range things {
		e.drop(t)
	}
	if len(things) == 0 && !strings.HasPrefix(name, "rights on ") {
		e.unknown = append(e.unknown, name)
	}
}

func (e *equalizer) make(rank int, statements []*string) {
	for _, s := range statements {
		if s != nil {
			e.makes = append(e.makes, rankedDDL{rank, *s})
		}
	}
}

func (e *equalizer) drop(t ddlThing) {
	if t.Drop != nil {
		e.drops = append(e.drops, rankedDDL{t.Rank, *t.Drop})
	}
}

// column changes what differs in a column that both sides have.
func (e *equalizer) column(name string, want, have ddlColumn) {
	rank := 55
	if want.Inherited { // after the parent's, which may do it
		rank = 56
	}
	alter := func(what string) {
		e.makes = append(e.makes, rankedDDL{rank, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s %s", want.Table, want.Column, what)})
	}
	before := len(e.makes)
	if want.Made != have.Made { // identities and generated columns: not while rows are there
		e.unknown = append(e.unknown, name)
		return
	}
	if want.Type != have.Type && !want.Inherited {
		alter("TYPE " + want.Type)
	}
	switch {
	case want.Default == have.Default || want.Made != "":
	case want.Default == "":
		alter("DROP DEFAULT")
	default:
		alter("SET DEFAULT " + want.Default)
	}
	switch {
	case want.NotNull && !have.NotNull:
		alter("SET NOT NULL")
	case !want.NotNull && have.NotNull:
		alter("DROP NOT NULL")
	}
	if want.Storage != have.Storage {
		alter("SET STORAGE " + want.Storage)
	}
	if want.Statistics != have.Statistics {
		alter(fmt.Sprintf("SET STATISTICS %d", want.Statistics))
	}
	moved := func(other string) bool { return strings.HasPrefix(other, "column "+want.Table+".") }
	if len(e.makes) == before && !want.Inherited && !slices.ContainsFunc(slices.Concat(e.drift.Missing, e.drift.Extra), moved) { // only its number may differ
		e.unknown = append(e.unknown, name)
	}
}

// grant what is missing on the side that follows, and revoke the rest. A new object has the default rights of its owner and
// of PUBLIC.
func (e *equalizer) grant(name string) {
	say := func(format string, args ...any) {
		e.makes = append(e.makes, rankedDDL{rankOfRights, fmt.Sprintf(format, args...)})
	}
	want, have := e.want.rights[name], e.have.rights[name]
	if len(want) == 0 {
		e.unknown = append(e.unknown, name)
		return
	}
	if len(have) == 0 {
		say("REVOKE ALL ON %s FROM PUBLIC", want[0].Target)
	}
	for _, r := range have {
		if !slices.Contains(want, r) {
			say("REVOKE %s ON %s FROM %s", r.Privilege, r.Target, r.Grantee)
		}
	}
	for _, r := range want {
		if slices.Contains(have, r) || len(have) == 0 && r.Own {
			continue
		}
		option := ""
		if r.Grantable {
			option = " WITH GRANT OPTION"
		}
		say("GRANT %s ON %s TO %s%s", r.Privilege, r.Target, r.Grantee, option)
	}
}

// goesWith says that a name belongs to something on a table that is dropped.
func goesWith(name string, all []string) bool {
	on := strings.LastIndex(name, " on ")
	return on > 0 && !strings.HasPrefix(name, "rights ") && slices.Contains(all, "table "+name[on+len(" on "):])
}

// partOf says that a name belongs to an object that is among all, whose statement creates or drops this, too.
func partOf(name string, all []string) bool {
	for _, prefix := range []string{"partition key of ", "query of ", "body of "} {
		if whole, found := strings.CutPrefix(name, prefix); found {
			return slices.Contains(all, whole)
		}
	}
	if partition, found := strings.CutPrefix(name, "bound of partition "); found {
		return slices.Contains(all, "table "+partition)
	}
	column, found := strings.CutPrefix(name, "column ")
	for dot := strings.LastIndex(column, "."); found && dot > 0; dot = strings.LastIndex(column[:dot], ".") { // names may have dots
		for _, kind := range []string{"table ", "foreign table ", "view ", "materialized view ", "type "} {
			if slices.Contains(all, kind+column[:dot]) {
				return true
			}
		}
	}
	return false
}
