package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// Severities of findings.
const (
	// Block stops the upgrade until it is fixed or acknowledged.
	Block = "block"
	// Info is what Gitover does by itself; no action is needed.
	Info = "info"
	// Warn does not stop the upgrade.
	Warn = "warn"
)

// Request says what is planned.
type Request struct {
	// Target is the major version to move to.
	Target    int
	Databases []string
	// Acknowledged are findings that a human accepts: by name, or by "name/database/object"
	// for one of them.
	Acknowledged []string
	Names        postgres.Names
	// RollbackPath: blue must be able to follow green after the cutover.
	RollbackPath bool
	// GiveIdentities: Gitover gives a replica identity to tables that have none.
	GiveIdentities bool
	// MoveSubscriptions: each switch moves the enabled subscriptions of others.
	MoveSubscriptions bool
	// Carry says what each switch copies that isn't replicated.
	Carry transfer.Carry
	// Tablespaces, and those that replace them on green.
	Tablespaces map[string]string
	// PhysicalCopy: say whether the data can be copied physically, and what keeps it from that.
	PhysicalCopy bool
}

// Check looks at blue for everything that would break the upgrade and names every finding
// in one pass. Reads only. An error means that blue couldn't be queried.
func Check(ctx context.Context, blue postgres.Server, req Request) ([]Finding, error) {
	ctx, end := postgres.ShareSessions(ctx)
	defer end()
	source, err := postgres.Version(ctx, blue)
	if err != nil {
		return nil, err
	}
	p := pass{request: req, source: source}
	if err := p.run(ctx, blue, "", atFirst); err != nil {
		return nil, fmt.Errorf("preflight of %s: %w", blue.Instance, err)
	}
	if slices.ContainsFunc(p.findings, Finding.Blocks) {
		// Without rights or on a standby the other questions have no answer.
		return p.findings, nil
	}
	if p.facts, err = schemaLocks(ctx, blue, req.Databases); err != nil {
		return nil, err
	}
	maps.Copy(p.facts, builtinFacts(source, req.Target))
	if err := p.run(ctx, blue, "", onBlue); err != nil {
		return nil, fmt.Errorf("preflight of %s: %w", blue.Instance, err)
	}
	for _, database := range req.Databases {
		if err := p.run(ctx, blue, database, inDatabase); err != nil {
			return nil, fmt.Errorf("preflight of database %q on %s: %w", database, blue.Instance, err)
		}
	}
	if err := p.runLeftOut(ctx, blue); err != nil {
		return nil, fmt.Errorf("preflight of what stays behind on %s: %w", blue.Instance, err)
	}
	return p.findings, p.copyMethod(ctx, blue)
}

// runLeftOut checks the database "postgres", which is left out by default: people might not notice that.
func (p *pass) runLeftOut(ctx context.Context, blue postgres.Server) error {
	if slices.Contains(p.request.Databases, "postgres") {
		return nil
	}
	open, err := postgres.Scalar[bool](ctx, blue, "", "SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'postgres' AND datallowconn)")
	if err != nil || !open {
		return err
	}
	return p.run(ctx, blue, "postgres", inLeftOut)
}

// CheckPair checks what needs both sides: whether green has what blue needs, and each can reach the other.
// Changes nothing.
func CheckPair(ctx context.Context, blue, green postgres.Server, req Request) ([]Finding, error) {
	ctx, end := postgres.ShareSessions(ctx)
	defer end()
	source, err := postgres.Version(ctx, blue)
	if err != nil {
		return nil, err
	}
	facts, err := greenFacts(ctx, green)
	if err != nil {
		return nil, fmt.Errorf("preflight of %s: %w", green.Instance, err)
	}
	locks, err := schemaLocks(ctx, blue, req.Databases)
	if err != nil {
		return nil, err
	}
	maps.Copy(facts, locks)
	p := pass{request: req, source: source, facts: facts}
	if err := p.run(ctx, green, "", onGreen); err != nil {
		return nil, fmt.Errorf("preflight of %s: %w", green.Instance, err)
	}
	if err := p.run(ctx, blue, "", onPair); err != nil {
		return nil, fmt.Errorf("preflight of %s with %s: %w", blue.Instance, green.Instance, err)
	}
	for _, database := range req.Databases {
		if err := p.run(ctx, blue, database, inPair); err != nil {
			return nil, fmt.Errorf("preflight of database %q on %s with %s: %w", database, blue.Instance, green.Instance, err)
		}
	}
	if err := p.eachReachesTheOther(ctx, blue, green); err != nil {
		return nil, err
	}
	return p.findings, nil
}

// pass is one run of the rules.
type pass struct {
	request  Request
	source   int
	facts    map[string]string
	findings []Finding
	// only is the one rule to ask; all if empty.
	only string
}

// ofRule runs a single rule of databases, in each database of the request.
func ofRule(ctx context.Context, s postgres.Server, name string, req Request) ([]Finding, error) {
	p := pass{request: req, only: name}
	for _, database := range req.Databases {
		if err := p.run(ctx, s, database, inDatabase); err != nil {
			return nil, fmt.Errorf("%s in database %q on %s: %w", name, database, s.Instance, err)
		}
	}
	return p.findings, nil
}

// evidence is a row of a rule's query.
type evidence struct{ Object, Detail, Fix string }

// run asks every rule of a place in one session of s.
func (p *pass) run(ctx context.Context, s postgres.Server, database string, at place) error {
	return postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		asked := p.rulesOf(at)
		found, err := p.ask(ctx, conn, asked)
		if err != nil {
			return err
		}
		for i, r := range asked {
			for _, e := range found[i] {
				p.findings = append(p.findings, r.finding(e, database, p.request))
			}
		}
		return nil
	})
}

// rulesOf a place that apply to this pair of versions.
func (p *pass) rulesOf(at place) (asked []rule) {
	for _, r := range rules {
		if r.At != at || p.only != "" && p.only != r.Name || r.When != nil && !r.When(p.source, p.request.Target) || r.RollbackPath && !p.request.RollbackPath {
			continue
		}
		asked = append(asked, r)
	}
	return asked
}

// ask runs rules in one round trip. Those of replica identities share one query of the tables.
func (p *pass) ask(ctx context.Context, conn *pgx.Conn, asked []rule) ([][]evidence, error) {
	if err := p.tell(ctx, conn); err != nil {
		return nil, err
	}
	found := make([][]evidence, len(asked))
	var queries []string
	var places []int
	judgesTables := false
	for i, r := range asked {
		if r.Tables != nil {
			judgesTables = true
			continue
		}
		queries, places = append(queries, r.query()), append(places, i)
	}
	answers, err := postgres.CollectEach[evidence](ctx, conn, queries)
	if err != nil {
		if len(answers) < len(places) {
			err = fmt.Errorf("rule %s: %w", asked[places[len(answers)]].Name, err)
		}
		return nil, err
	}
	for i, rows := range answers {
		found[places[i]] = rows
	}
	if !judgesTables {
		return found, nil
	}
	tables, err := replication.PublishableTables(ctx, conn, p.request.Names)
	if err != nil {
		return nil, fmt.Errorf("replica identities: %w", err)
	}
	for i, r := range asked {
		if r.Tables == nil {
			continue
		}
		for _, t := range tables {
			found[i] = append(found[i], r.Tables(t, max(p.source, p.request.Target), p.request)...)
		}
	}
	return found, nil
}

// tell passes facts to the rules' queries, as settings that psql can set as well.
func (p *pass) tell(ctx context.Context, conn *pgx.Conn) error {
	facts := map[string]string{
		"gitover.target": strconv.Itoa(p.request.Target), "gitover.databases": strconv.Itoa(len(p.request.Databases)),
		"gitover.prefix": p.request.Names.Prefix(), "gitover.oldest": strconv.Itoa(postgres.Oldest), "gitover.latest": strconv.Itoa(postgres.Latest),
		"gitover.move_subscriptions":  strconv.FormatBool(p.request.MoveSubscriptions),
		"gitover.carry_large_objects": strconv.FormatBool(p.request.Carry.LargeObjects), "gitover.carry_unlogged": strconv.FormatBool(p.request.Carry.UnloggedTables),
	}
	names, err := json.Marshal(p.request.Databases)
	if err != nil {
		return err
	}
	facts["gitover.database_names"] = string(names)
	spaces, err := json.Marshal(p.request.Tablespaces)
	if err != nil {
		return err
	}
	facts["gitover.tablespaces"] = string(spaces)
	for name, value := range p.facts {
		facts[name] = value
	}
	text, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT count(set_config(key, value, false)) FROM json_each_text($1)", string(text))
	return err
}

func greenFacts(ctx context.Context, green postgres.Server) (map[string]string, error) {
	facts := map[string]string{}
	err := postgres.WithSession(ctx, green, "", func(conn *pgx.Conn) error {
		for _, name := range []string{"green_extensions", "green_settings", "green_locales"} {
			var value string
			if err := conn.QueryRow(ctx, query(name)).Scan(&value); err != nil {
				return err
			}
			facts["gitover."+name] = value
		}
		return nil
	})
	return facts, err
}
