package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/gitover/gitover/test/bench/report"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// shape is what a database has beside pgbench's tables, and what leads to it.
type shape struct {
	name string
	// databases beside the stage's two, with a table and a sequence each.
	databases int
	// sequences and tables, without rows, in the first database.
	sequences, tables int
	poolers           int
}

// shapes to compare: each but the first has more of one thing.
func shapes() []shape {
	return []shape{
		{name: "2 databases, 10 sequences, 100 tables, 2 poolers", sequences: 10, tables: 100, poolers: 2},
		{name: "1,000 sequences and 1,000 tables", sequences: 1000, tables: 1000, poolers: 2},
		{name: "10,000 sequences", sequences: 10_000, tables: 100, poolers: 2},
		{name: "5,000 tables", sequences: 10, tables: 5000, poolers: 2},
		{name: "10 databases", databases: 8, sequences: 10, tables: 100, poolers: 2},
		{name: "50 databases", databases: 48, sequences: 10, tables: 100, poolers: 2},
		{name: "8 poolers", sequences: 10, tables: 100, poolers: 8},
	}
}

// change the example's files: servers with room for all of the shape.
func (s shape) change(file, content string) string {
	switch path.Base(file) {
	case "postgresql.conf":
		return content + fmt.Sprintf(`max_connections = %d
max_locks_per_transaction = 256
max_replication_slots = %d
max_wal_senders = %[2]d
max_logical_replication_workers = %[2]d
max_worker_processes = %d
`, 200+20*(s.poolers+s.databases), 20+3*s.databases, 30+3*s.databases)
	case "deployment.yaml":
		return strings.Replace(content, "replicas: 2", fmt.Sprintf("replicas: %d", s.poolers), 1)
	}
	return content
}

// chunk of objects in one transaction.
const chunk = 500

// grow an instance to the shape.
func (b *bench) grow(ctx context.Context, s shape, instance string) error {
	statements := []string{"SET ROLE " + testenv.AppRole, "CREATE SCHEMA grown"}
	for from := 0; from < max(s.sequences, s.tables); from += chunk {
		statements = append(statements, fmt.Sprintf(`DO $$ BEGIN
			FOR i IN %d..%d LOOP EXECUTE format('CREATE SEQUENCE grown.s%%s', i); PERFORM nextval(format('grown.s%%s', i)); END LOOP;
			FOR i IN %[1]d..%d LOOP EXECUTE format('CREATE TABLE grown.t%%s (id int PRIMARY KEY)', i); END LOOP; END $$`,
			from, min(from+chunk, s.sequences)-1, min(from+chunk, s.tables)-1))
	}
	if err := b.app.Run(ctx, instance, testenv.Databases[0], statements...); err != nil {
		return err
	}
	for i := range s.databases {
		name := fmt.Sprintf("more_%d", i)
		if err := b.app.Run(ctx, instance, "postgres", fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, testenv.AppRole)); err != nil {
			return err
		}
		if err := b.app.Run(ctx, instance, name, "SET ROLE "+testenv.AppRole, "CREATE TABLE one (id serial PRIMARY KEY)", "INSERT INTO one DEFAULT VALUES"); err != nil {
			return err
		}
	}
	return nil
}

// growth measures how the parts of a switch grow with what a database has: a database of its own for each shape, and the same clients.
// It writes .cache/bench/switch-growth.json.
func growth(ctx context.Context, o options, w *testenv.Environment) error {
	var results []result
	var names []string
	var troubles []error
	for i, s := range shapes() {
		if o.shapes != "" && !slices.Contains(strings.Split(o.shapes, ","), fmt.Sprint(i)) {
			continue
		}
		fmt.Printf("\nshape %d: %s\n", i, s.name)
		r, err := measureShape(ctx, o, w, s)
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
			fmt.Println(err)
			troubles = append(troubles, err) // the others say something, too
			continue
		}
		results, names = append(results, r), append(names, s.name)
	}
	if len(results) == 0 {
		return errors.Join(troubles...)
	}
	return errors.Join(append(troubles, writeGrowth(names, results))...)
}

func measureShape(ctx context.Context, o options, w *testenv.Environment, s shape) (_ result, err error) {
	clone, err := os.MkdirTemp("", "gitover-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(clone)
	app, err := w.CreateApp(ctx, testenv.AppOptions{Namespace: namespace, Clone: clone, Change: s.change})
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, app.Abandon(context.WithoutCancel(ctx))) }()
	b := &bench{options: o, app: app}
	if err := b.found(ctx); err != nil {
		return result{}, err
	}
	if err := b.grow(ctx, s, "orders-15"); err != nil {
		return result{}, err
	}
	if err := b.upgrade(ctx); err != nil {
		return result{}, err
	}
	r, err := b.measure(ctx, scenario{clients: 16, rate: 300, protocol: "prepared", switches: o.switches})
	if err == nil {
		summarize([]result{r})
	}
	return r, err
}

// writeGrowth of all shapes beside the first.
func writeGrowth(names []string, results []result) error {
	r := report.New("switch-growth", ".")
	first := results[0]
	for i, c := range results {
		what := fmt.Sprintf("%s: %d switches", names[i], c.switches)
		for _, name := range append([]string{stall, worst, held, ready}, allParts...) {
			r.Against(what, name+", median", "ms", median(c.samples[name]), names[0], median(first.samples[name]))
		}
		r.Against(what, stall+", most", "ms", slices.Max(c.samples[stall]), names[0], slices.Max(first.samples[stall]))
		r.Add(what, "transactions that failed", "", float64(c.summary.Failed))
	}
	return r.Write(".", os.Stdout)
}
