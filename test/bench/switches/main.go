// Command switches measures switches: one database with pgbench's clients, an upgrade up to its soak, and then the cutover
// commit reverted and reverted again, in several cases; and beside them, with the same data and clients, the way of a pooler that
// is paused while Git and Flux do their part, and a dump that is restored. It writes .cache/bench/switch.json and switch.svg.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/gitover/gitover/test/bench/report"
	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

type options struct {
	switches, first, scale int
	pause                  time.Duration
	keep, growth           bool
	// shapes are the numbers of those to measure; all if empty.
	shapes string
}

func main() {
	var o options
	flag.IntVar(&o.switches, "switches", 20, "switches of the first case, half of them backwards; a third of it, but at least 4, of the others")
	flag.IntVar(&o.first, "first", 0, "measure only so many cases, and no other ways; 0 is all")
	flag.IntVar(&o.scale, "scale", 10, "pgbench's scale: 15 MiB each")
	flag.DurationVar(&o.pause, "pause", 11*time.Second, "undisturbed time before each switch")
	flag.BoolVar(&o.keep, "keep", os.Getenv("KEEP") == "1", "leave the database up afterwards (KEEP=1)")
	flag.BoolVar(&o.growth, "growth", false, "measure how a switch grows with databases, sequences, tables and poolers instead")
	flag.StringVar(&o.shapes, "shapes", "", "with -growth: the numbers of the shapes to measure, by commas; all if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "switches:", err)
		os.Exit(1)
	}
}

const namespace = "bench"

func measure(ctx context.Context, o options) error {
	stage, err := cluster.Open(".")
	if err != nil {
		return err
	}
	w, err := testenv.New(testenv.StageOf(stage, "."), func(string, ...any) {})
	if err != nil {
		return err
	}
	if err := w.Install(ctx); err != nil {
		return err
	}
	if o.growth {
		return growth(ctx, o, w)
	}
	begun := report.New("switch", ".") // of this commit, whatever is checked out in the end
	return withDatabase(ctx, o, w, nil, func(b *bench) error {
		b.report = begun
		return b.run(ctx)
	})
}

// withDatabase of its own, whose files are changed on their way into the repository, something is done. It is removed unless it is to be kept.
func withDatabase(ctx context.Context, o options, w *testenv.Environment, change func(file, content string) string, do func(*bench) error) error {
	clone, err := os.MkdirTemp("", "gitover-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(clone)
	app, err := w.CreateApp(ctx, testenv.AppOptions{Namespace: namespace, Clone: clone, Change: change})
	if err != nil {
		return err
	}
	err = do(&bench{options: o, app: app})
	if o.keep {
		return err
	}
	return errors.Join(err, app.Abandon(context.WithoutCancel(ctx)))
}

// wrong is what clients saw, and what the ledger lacks or has too often; nil if nothing is.
func wrong(traffic *testenv.Traffic, books ledger.Report) error {
	if _, failed, cut := traffic.Count(); failed+cut > 0 || !books.OK() {
		return fmt.Errorf("clients saw errors or rows are wrong: %v %v", traffic.Errors(3), books.Problems)
	}
	return nil
}

type bench struct {
	options options
	app     *testenv.App
	report  *report.Report
	// last commit that moved traffic; reverting it moves it back.
	last string
	// serving now.
	serving string
	moves   int
}

func (b *bench) run(ctx context.Context) error {
	if err := b.found(ctx); err != nil {
		return err
	}
	traffic, err := b.app.StartTraffic(ctx, ledger.Config{Clients: 4, Rate: 20})
	if err != nil {
		return err
	}
	defer func() { _ = traffic.Stop() }() // its books are opened below, if all goes well
	if err := b.upgrade(ctx); err != nil {
		return err
	}
	var results []result
	var troubles []error
	cases := b.cases()
	if first := b.options.first; first > 0 {
		cases = cases[:min(first, len(cases))]
	}
	for _, c := range cases {
		r, err := b.measure(ctx, c)
		if err != nil {
			troubles = append(troubles, fmt.Errorf("%s: %w", c, err)) // the others say something, too
			fmt.Println(err)
			continue
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return errors.Join(troubles...)
	}
	if b.options.first > 0 {
		summarize(results)
		return nil
	}
	naive, err := b.pausedForGit(ctx)
	if err != nil {
		return err
	}
	books, err := traffic.Check(ctx, b.serving, b.moves)
	if err != nil {
		return err
	}
	_, failed, cut := traffic.Count()
	fmt.Printf("\nledger: %d acknowledged, %d missing, %d doubled, %d errors\n", books.Acknowledged, books.Missing, books.Doubled, failed+cut)
	dump, err := b.dumpAndRestore(ctx)
	if err != nil {
		return err
	}
	if err := writeReport(b.report, results, naive, dump); err != nil {
		return err
	}
	return errors.Join(append(troubles, wrong(traffic, books))...)
}

// found the database on 15.
func (b *bench) found(ctx context.Context) error {
	fmt.Println("creating the database")
	if err := b.app.AwaitStatefulSet(ctx, "orders-15", 5*time.Minute); err != nil {
		return err
	}
	if err := b.app.FoundDatabases(ctx, "orders-15"); err != nil {
		return err
	}
	if err := b.app.SeedBench(ctx, "orders-15", b.options.scale); err != nil {
		return err
	}
	return b.app.AwaitEndpoint(ctx, 5*time.Minute)
}

// upgrade to 17, up to the soak.
func (b *bench) upgrade(ctx context.Context) error {
	fmt.Println("upgrading")
	_, err := b.app.Merge(ctx, "postgres-17", "Upgrade to PostgreSQL 17", fleet.Replace(b.app.Dir+"/upgrade.yaml", "\n  version: \"15\"", "\n  version: \"17\""))
	if err != nil {
		return err
	}
	if err := b.app.AwaitUpgrade(ctx, 20*time.Minute, "the soak", testenv.At("Soak")); err != nil {
		return err
	}
	b.serving, b.moves = "orders-17", 1
	log, err := b.app.Repository.Log(ctx, b.app.Dir+"/proxy.yaml")
	if err != nil {
		return err
	}
	b.last = log[0].SHA
	return nil
}
