package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/gitover/gitover/test/bench/report"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// shape is what a database has beside pgbench's tables, and what leads to it.
type shape struct {
	name string
	// databases beside the stage's two, with a table and a sequence each.
	databases int
	// sequences and tables, without rows, in the first database.
	sequences, tables int
	poolers           int
	// saturated: also with as many transactions as clients can.
	saturated bool
}

// shapes to compare: each but the first has more of one thing.
func shapes() []shape {
	return []shape{
		{name: "2 databases, 10 sequences, 100 tables, 2 poolers", sequences: 10, tables: 100, poolers: 2},
		{name: "1,000 sequences and 1,000 tables", sequences: 1000, tables: 1000, poolers: 2, saturated: true},
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
	begun := report.New("switch-growth", ".") // of this commit, whatever is checked out in the end
	chosen, err := chosenShapes(o.shapes)
	if err != nil {
		return err
	}
	var results []result
	var troubles []error
	for _, s := range chosen {
		fmt.Printf("\n%s\n", s.name)
		r, err := measureShape(ctx, o, w, s)
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
			fmt.Println(err)
			troubles = append(troubles, err) // the others say something, too
		}
		results = append(results, r...)
	}
	if len(results) == 0 {
		return errors.Join(troubles...)
	}
	return errors.Join(append(troubles, writeGrowth(begun, results))...)
}

// chosenShapes by their numbers, from 0: the first, to which the others are compared, and these; all if none is named.
func chosenShapes(numbers string) ([]shape, error) {
	all := shapes()
	if numbers == "" {
		return all, nil
	}
	chosen := all[:1:1]
	for number := range strings.SplitSeq(numbers, ",") {
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(all) {
			return nil, fmt.Errorf("-shapes: %q is none of 0 to %d", number, len(all)-1)
		}
		if i > 0 {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

func measureShape(ctx context.Context, o options, w *testenv.Environment, s shape) (results []result, err error) {
	o.keep = false // the next shape's database has the same name
	err = withDatabase(ctx, o, w, s.change, func(b *bench) (err error) {
		results, err = b.measureShape(ctx, s)
		return err
	})
	return results, err
}

func (b *bench) measureShape(ctx context.Context, s shape) (results []result, err error) {
	if err := b.found(ctx); err != nil {
		return nil, err
	}
	if err := b.grow(ctx, s, "orders-15"); err != nil {
		return nil, err
	}
	if err := b.upgrade(ctx); err != nil {
		return nil, err
	}
	traffic, err := b.app.StartTraffic(ctx, ledger.Config{Clients: 2, Rate: 10})
	if err != nil {
		return nil, err
	}
	defer func() { _ = traffic.Stop() }() // its books are opened below, if all goes well
	for _, rate := range s.rates() {
		r, err := b.measure(ctx, scenario{shape: s.name, clients: 16, rate: rate, protocol: "prepared", switches: b.options.switches})
		if err != nil {
			return results, err
		}
		summarize([]result{r})
		results = append(results, r)
	}
	books, err := traffic.Check(ctx, b.serving, b.moves)
	if err != nil {
		return results, err
	}
	return results, wrong(traffic, books)
}

// rates of transactions to measure with: 300 in a second, and as many as the clients can.
func (s shape) rates() []float64 {
	if s.saturated {
		return []float64{300, 0}
	}
	return []float64{300}
}

// writeGrowth of all shapes beside the first.
func writeGrowth(r *report.Report, results []result) error {
	first := results[0]
	for _, c := range results {
		what := fmt.Sprintf("%s: %d switches", c.scenario, c.switches)
		for _, name := range append([]string{stall, worst, held, back, ready}, allParts...) {
			r.Against(what, name+", median", "ms", median(c.samples[name]), first.shape, median(first.samples[name]))
		}
		r.Against(what, stall+", most", "ms", most(c.samples[stall]), first.shape, most(first.samples[stall]))
		r.Add(what, "transactions that failed", "", float64(c.summary.Failed))
	}
	return r.Write(".", os.Stdout)
}
