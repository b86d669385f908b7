package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gitover/gitover/steps/postgres"
)

// scratch is a text of a definition, with what a server needs to read it.
type scratch struct {
	// kind names a row of scratchKinds.
	kind  string
	scope []string
	text  string
}

// scratchKinds make a temporary object called name of a text, and read the text that the server prints for it. None
// of it runs: tables are empty, and views and functions aren't called. A text is never more than one statement,
// since each goes through the extended protocol.
var scratchKinds = map[string]func(name string, s scratch) (statements []string, query string){
	// scope: a FROM clause. Several expressions, parted by commas, are one text as well.
	"expression": func(name string, s scratch) ([]string, string) {
		query, _ := s.subquery()
		return scratchView(name, query)
	},
	// A view's query.
	"query": func(name string, s scratch) ([]string, string) { return scratchView(name, s.text) },
	// scope: a table. Text: PARTITION BY.
	"key": func(name string, s scratch) ([]string, string) {
		return []string{scratchTable(name, s.scope[0]) + " PARTITION BY " + s.text}, "SELECT pg_get_partkeydef(" + scratchClass(name) + ")"
	},
	// scope: the partitioned table, its key. Text: FOR VALUES.
	"bound": func(name string, s scratch) ([]string, string) {
		return []string{scratchTable(name, s.scope[0]) + " PARTITION BY " + s.scope[1], "CREATE TEMP TABLE " + name + "p PARTITION OF pg_temp." + name + " " + s.text},
			"SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = " + scratchClass(name+"p")
	},
	// scope: the event, a table. Text: WHERE and DO of a rule.
	"rule": func(name string, s scratch) ([]string, string) {
		return []string{scratchTable(name, s.scope[1]), "CREATE RULE " + name + " AS ON " + s.scope[0] + " TO pg_temp." + name + " " + s.text},
			`SELECT regexp_replace(pg_get_ruledef(oid), '^CREATE RULE \S+ AS\s+ON [A-Z]+ TO \S+', '') FROM pg_rewrite WHERE ev_class = ` + scratchClass(name)
	},
	// scope: FUNCTION or PROCEDURE, its quoted name, its parameters and result. The body may name the routine.
	"body": func(_ string, s scratch) ([]string, string) {
		routine := s.scope[0] + " pg_temp." + s.scope[1]
		return []string{"DROP " + s.scope[0] + " IF EXISTS pg_temp." + s.scope[1], "CREATE " + routine + s.scope[2] + " LANGUAGE sql " + s.text},
			"SELECT pg_get_function_sqlbody(oid) FROM pg_proc WHERE pronamespace = pg_my_temp_schema() AND quote_ident(proname) = " + postgres.Literal(s.scope[1])
	},
}

// subquery is the text as one; false if it can't be.
func (s scratch) subquery() (string, bool) {
	switch s.kind {
	case "expression":
		return "SELECT ROW(" + s.text + "\n) IS NULL AS gitover_e " + s.scope[0], true
	case "query":
		return strings.TrimSuffix(strings.TrimSpace(s.text), ";"), true
	}
	return "", false
}

// joinedScratch holds texts that are subqueries. It is never run, so it doesn't matter how many rows it would
// have.
func joinedScratch(texts []scratch) scratch {
	from := make([]string, len(texts))
	for i, t := range texts {
		query, _ := t.subquery()
		from[i] = fmt.Sprintf("(%s\n) AS gitover_%d", query, i)
	}
	return scratch{kind: "query", text: "SELECT 1 AS gitover_e FROM " + strings.Join(from, ", ")}
}

func scratchView(name, query string) ([]string, string) {
	return []string{"CREATE TEMP VIEW " + name + " AS " + query}, "SELECT pg_get_viewdef(" + scratchClass(name) + ")"
}

func scratchTable(name, like string) string {
	return "CREATE TEMP TABLE " + name + " (LIKE " + like + ")"
}

func scratchClass(name string) string { return "'pg_temp." + name + "'::regclass" }

// plain is the text for messages, without what was put around an expression.
func (s scratch) plain() string {
	text, wrapped := strings.CutPrefix(s.text, "SELECT (ROW(")
	if end := strings.LastIndex(text, ") IS NULL) AS gitover_e"); wrapped && end >= 0 {
		return text[:end]
	}
	return s.text
}

// printed is a text as a server prints it after reading it; refused if the server can't read it.
type printed struct {
	scratch
	refused *pgconn.PgError
}

// scratchpad is a session that reads texts.
type scratchpad struct {
	conn *pgx.Conn
	// begin a transaction for it.
	begin []string
}

// Scratch objects lock the objects that they use (ACCESS SHARE), and need rows of catalogs and locks themselves:
// few exist at a time, and never for long.
const scratchAtATime = 40

var scratchBegin = []string{"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
	`SELECT set_config('search_path', 'pg_catalog, pg_temp', true), set_config('lock_timeout', '1s', true), set_config('statement_timeout', '10s', true),
		set_config('default_table_access_method', 'heap', true)`}

// newScratchpad on a session. It disables event triggers that fire even in a session with
// session_replication_role = replica, so that they don't see scratch objects.
func newScratchpad(ctx context.Context, conn *pgx.Conn, version int) (*scratchpad, error) {
	triggers, err := postgres.Column[string](ctx, conn, "SELECT evtname FROM pg_event_trigger WHERE evtenabled IN ('A', 'R') ORDER BY 1")
	if err != nil {
		return nil, err
	}
	p := &scratchpad{conn: conn, begin: scratchBegin}
	switch {
	case len(triggers) > 0 && version >= postgres.WithEventTriggersOff:
		p.begin = append(slices.Clip(p.begin), "SET LOCAL event_triggers = off")
	case len(triggers) > 0:
		for _, name := range triggers {
			p.begin = append(slices.Clip(p.begin), "ALTER EVENT TRIGGER "+postgres.Ident(name)+" DISABLE")
		}
	}
	return p, nil
}

// print makes the server read texts and print them, each in a transaction that is rolled back.
func (p *scratchpad) print(ctx context.Context, texts []scratch) ([]printed, error) {
	var all []printed
	for some := range slices.Chunk(texts, scratchAtATime) {
		found, err := p.together(ctx, some)
		if refusal(err) != nil {
			found, err = p.oneByOne(ctx, some)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (p *scratchpad) oneByOne(ctx context.Context, texts []scratch) (all []printed, err error) {
	for i, text := range texts {
		found, err := p.together(ctx, texts[i:i+1])
		if why := refusal(err); why != nil {
			found, err = []printed{{text, why}}, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// together needs one round trip for all.
func (p *scratchpad) together(ctx context.Context, texts []scratch) (all []printed, err error) {
	batch := &pgconn.Batch{}
	count := 0
	add := func(statements ...string) {
		for _, s := range statements {
			batch.ExecParams(s, nil, nil, nil, nil)
		}
		count += len(statements)
	}
	add(p.begin...)
	answers := make([]int, len(texts))
	for i, t := range texts {
		statements, query := scratchKinds[t.kind](fmt.Sprintf("gitover_scratch_%d", i), t)
		add(statements...)
		answers[i] = count
		add(query)
	}
	add("ROLLBACK")
	results, err := p.conn.PgConn().ExecBatch(ctx, batch).ReadAll()
	if err != nil {
		_, _ = p.conn.Exec(context.WithoutCancel(ctx), "ROLLBACK")
		return nil, err
	}
	for i, t := range texts {
		if rows := results[answers[i]].Rows; len(rows) != 1 || rows[0][0] == nil {
			return nil, fmt.Errorf("%s prints nothing for %q", t.kind, postgres.Excerpt(t.text))
		} else if t.text = strings.TrimSpace(string(rows[0][0])); t.kind == "expression" {
			t.kind, t.scope = "query", nil
		}
		all = append(all, printed{scratch: t})
	}
	return all, nil
}

// refusal of a text by a server that can't read it; nil if something else went wrong.
func refusal(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && postgres.Unreadable(err) {
		return pg
	}
	return nil
}
