package catalogue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	pgschema "github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/catalogue/fill"
	"github.com/gitover/gitover/test/pg"
	"github.com/gitover/gitover/test/pgpooler"
)

const (
	app         = "app"
	appPassword = "app secret"
	database    = "shop"
	rowsEach    = 24
)

// journey is one schema's way from version to version.
type journey struct {
	t      *testing.T
	schema schema
	record *record

	names     postgres.Names
	authority *protocol.Authority
	source    *pgpooler.Source
	pooler    *pgpooler.Pooler
	client    *protocol.Client

	// active serves, other follows it or is followed; nil between moves.
	active, other *pg.Server
	servers       int
	switches      int
	writers       int
	// move is the one under way, in words.
	move string
	// seeds are rows of the application's own.
	seeds map[string]int
	// before is what the application's statements did before the first move.
	before fill.Report
}

// begin has a first server with the application's schema, rows and a pooler before it.
func begin(t *testing.T, s schema, major int, r *record) *journey {
	t.Helper()
	begun := time.Now()
	j := &journey{t: t, schema: s, record: r, source: pgpooler.NewSource(), names: postgres.Names{UID: pg.UpgradeUID}, move: "before any move"}
	j.active = j.server(major)
	pg.Prepare(t, j.active)
	j.active.Exec("", "CREATE ROLE "+app+" LOGIN PASSWORD '"+appPassword+"'")
	j.active.Exec("", "CREATE DATABASE "+database+" OWNER "+app)
	if s.superuser != "" {
		j.active.Exec(database, s.superuser)
	}
	j.install()
	j.startPooler()
	j.before = j.fill()
	// twice: the more is known of what the application meets before, the better
	for range 2 {
		j.before.Add(j.write(nil))
	}
	j.t.Logf("%s: installed and filled in %v", s.name, time.Since(begun))
	return j
}

func (j *journey) server(major int) *pg.Server {
	j.t.Helper()
	s := pg.Start(j.t, major, pg.Settings{
		"wal_level": "logical", "max_worker_processes": "16", "max_logical_replication_workers": "8", "max_locks_per_transaction": "512",
	})
	j.servers++
	s.Instance = fmt.Sprintf("%s-%d-%d", database, major, j.servers)
	return s
}

// install runs the application's script by psql, as the application's role.
func (j *journey) install() {
	j.t.Helper()
	dir, version := j.schema.source.unpack(j.t)
	j.record.found(version)
	script, err := j.schema.read(dir)
	must(j.t, err)
	as := j.active.Server
	as.User, as.Password = app, appPassword
	pg.Output(j.t, j.active.Major, strings.NewReader(script), pg.Environ(as, database), "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", "-")
}

// writing has a writer at work in one session of the application's.
func (j *journey) writing(do func(*fill.Writer) error) {
	j.t.Helper()
	conn := j.connect()
	defer conn.Close(context.WithoutCancel(j.t.Context()))
	j.writers++
	w, err := fill.New(j.t.Context(), conn, 100_000*j.writers, j.schema.known)
	must(j.t, err)
	if j.seeds != nil {
		w.Spare(j.seeds)
	}
	must(j.t, do(w))
}

// fill writes the first rows, and names the tables that took none.
func (j *journey) fill() (report fill.Report) {
	j.t.Helper()
	j.writing(func(w *fill.Writer) (err error) {
		if report, err = w.Fill(j.t.Context(), rowsEach); err != nil {
			return err
		}
		j.seeds = w.Seeds()
		j.record.filled(len(w.Tables()), report.Count())
		empty := report.Failed(fill.Insert)
		for _, table := range slices.Sorted(maps.Keys(empty)) {
			if why, known := j.schema.unfilled[table]; known {
				j.record.unfilled(table, why)
				continue
			}
			j.failed("the generator fills no row into %s: %s", table, empty[table])
		}
		for table := range j.schema.unfilled {
			if _, still := empty[table]; !still {
				j.failed("%s takes rows after all: take it off the list", table)
			}
		}
		return nil
	})
	return report
}

// write does what applications do, to every table, and compares how that went with how it went before.
func (j *journey) write(before fill.Report) (report fill.Report) {
	j.t.Helper()
	j.writing(func(w *fill.Writer) (err error) {
		if report, err = w.Exercise(j.t.Context(), before); err != nil {
			return err
		}
		return w.Insist(j.t.Context(), report, before)
	})
	var control fill.Report
	if j.other != nil && report.Doubtful(before) {
		control = j.rehearse(report, before)
	}
	worse, exhausted := report.Worse(before, control)
	for _, sentence := range worse {
		j.failed("on version %d, %s", j.active.Major, sentence)
	}
	j.record.exhausted(j.move, exhausted)
	j.record.wrote(report.Count())
	return report
}

// rehearse the doubtful statements on the side that was left, which has the same rows, as the application; nothing of it stays.
func (j *journey) rehearse(doubtful, before fill.Report) (report fill.Report) {
	j.t.Helper()
	j.awaitSame()
	conn, err := j.other.Connect(j.t.Context(), database)
	must(j.t, err)
	defer conn.Close(context.WithoutCancel(j.t.Context()))
	_, err = conn.Exec(j.t.Context(), "SET default_transaction_read_only = off; SET SESSION AUTHORIZATION "+app, pgx.QueryExecModeSimpleProtocol)
	must(j.t, err)
	j.writers++
	w, err := fill.New(j.t.Context(), conn, 100_000*j.writers, j.schema.known)
	must(j.t, err)
	w.Spare(j.seeds)
	report, err = w.Rehearse(j.t.Context(), doubtful, before)
	must(j.t, err)
	return report
}

// failed notes a failure and goes on.
func (j *journey) failed(format string, args ...any) {
	j.t.Helper()
	what := fmt.Sprintf(format, args...)
	j.record.failed(j.move, what)
	j.t.Errorf("%s, %s: %s", j.schema.name, j.move, what)
}

// moveTo takes the database to another version: there, back, and there for good.
func (j *journey) moveTo(major int) {
	j.t.Helper()
	begun := time.Now()
	j.move = fmt.Sprintf("%d to %d", j.active.Major, major)
	j.other = j.server(major)
	if !j.preflight() {
		return
	}
	j.replicate()
	j.compare()
	j.sameDump()
	for range 3 {
		j.switchOver()
		j.write(j.before)
		j.compare()
	}
	j.sameDump()
	for _, s := range []*pg.Server{j.active, j.other} {
		left, err := replication.RemoveAll(j.t.Context(), s.Server, j.names)
		must(j.t, err)
		if len(left) > 0 {
			j.failed("left on %s: %q", s.Instance, left)
		}
	}
	j.other.Stop()
	j.other = nil
	j.record.moved(j.move, time.Since(begun))
	j.t.Logf("%s: %s in %v", j.schema.name, j.move, time.Since(begun))
}

// preflight does what findings ask for, where that is a statement, as the team would; false where something blocks.
func (j *journey) preflight() bool {
	j.t.Helper()
	request := preflight.Request{Target: j.other.Major, Databases: []string{database}, Names: j.names, RollbackPath: true}
	look := func() (blocking []preflight.Finding) {
		findings, err := preflight.Check(j.t.Context(), j.active.Server, request)
		must(j.t, err)
		pair, err := preflight.CheckPair(j.t.Context(), j.active.Server, j.other.Server, request)
		must(j.t, err)
		for _, f := range append(findings, pair...) {
			if f.Blocks() {
				blocking = append(blocking, f)
			}
		}
		return blocking
	}
	for _, f := range look() {
		if f.Name == "replica_identity" && strings.HasPrefix(f.Fix, "ALTER TABLE ") {
			j.active.Exec(database, f.Fix)
		}
	}
	left := look()
	for _, f := range left {
		j.failed("preflight blocks: %s %s: %s Fix: %s", f.Name, f.Object, f.Why, f.Fix)
	}
	return len(left) == 0
}

// replicate does the workflow's steps up to the switch.
func (j *journey) replicate() {
	j.t.Helper()
	ctx := j.t.Context()
	pg.Replicate(j.t, j.active, j.other, j.names, func(string) { j.sameToGitover(pgschema.PreData) })
	pg.BuildRest(j.t, j.active, j.other, j.names, database)
	j.sameToGitover(pgschema.Whole)
	must(j.t, transfer.RefreshMaterializedViews(ctx, j.active.Server, j.other.Server, database, transfer.EmptyViews, 0))
	must(j.t, transfer.Analyze(ctx, j.other.Server, database))
	must(j.t, fence.FenceStandby(ctx, j.other.Server, []string{database}))
}

// sameToGitover says what the product itself takes for a difference.
func (j *journey) sameToGitover(part pgschema.Part) {
	j.t.Helper()
	drift, err := pgschema.Compare(j.t.Context(), j.active.Server, j.other.Server, database, part)
	must(j.t, err)
	for _, d := range drift.Differences {
		j.failed("Gitover takes the schemas for different: %s", d)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
