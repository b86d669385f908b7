// Command bench measures switches: one database with pgbench's clients, an upgrade up to its
// soak, and then the cutover commit reverted and re-reverted, again and again. It prints
// minimum, median and maximum of what clients felt and of each part of the switch.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

type options struct {
	switches, clients, scale int
	rate                     float64
	pause                    time.Duration
	keep                     bool
}

func main() {
	var o options
	flag.IntVar(&o.switches, "switches", 20, "switches to make, half of them backwards")
	flag.IntVar(&o.clients, "clients", 16, "pgbench clients")
	flag.IntVar(&o.scale, "scale", 10, "pgbench's scale: 15 MiB each")
	flag.Float64Var(&o.rate, "rate", 300, "pgbench transactions per second")
	flag.DurationVar(&o.pause, "pause", 5*time.Second, "undisturbed time between two switches")
	flag.BoolVar(&o.keep, "keep", os.Getenv("KEEP") == "1", "leave the database up afterwards (KEEP=1)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
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
	clone, err := os.MkdirTemp("", "gitover-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(clone)
	app, err := w.CreateApp(ctx, testenv.AppOptions{Namespace: namespace, Clone: clone})
	if err != nil {
		return err
	}
	b := &bench{options: o, app: app}
	err = b.run(ctx)
	if o.keep {
		return err
	}
	return errors.Join(err, app.Abandon(context.WithoutCancel(ctx)))
}

type bench struct {
	options options
	app     *testenv.App
	pgbench *testenv.Bench
	samples map[string][]float64
}

func (b *bench) run(ctx context.Context) error {
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
	if err := b.app.AwaitEndpoint(ctx, 5*time.Minute); err != nil {
		return err
	}
	var err error
	if b.pgbench, err = b.app.StartBench(ctx, b.options.clients, b.options.rate); err != nil {
		return err
	}
	traffic, err := b.app.StartTraffic(ctx, ledger.Config{Clients: 4, Rate: 20})
	if err != nil {
		return err
	}
	defer func() { _ = traffic.Stop() }() // its books are opened below, if all goes well
	fmt.Println("upgrading")
	_, err = b.app.Merge(ctx, "postgres-17", "Upgrade to PostgreSQL 17", fleet.Replace(b.app.Dir+"/upgrade.yaml", "\n  version: \"15\"", "\n  version: \"17\""))
	if err != nil {
		return err
	}
	if err := b.app.AwaitUpgrade(ctx, 20*time.Minute, "the soak", testenv.At("Soak")); err != nil {
		return err
	}
	if err := b.back(ctx); err != nil {
		return err
	}
	return b.report(ctx, traffic)
}

// back and forth by reverting the last revert.
func (b *bench) back(ctx context.Context) error {
	b.samples = map[string][]float64{}
	log, err := b.app.Repository.Log(ctx, b.app.Dir+"/proxy.yaml")
	if err != nil {
		return err
	}
	last := log[0].SHA
	for i := range b.options.switches {
		target := []string{"orders-15", "orders-17"}[i%2]
		if err := b.app.AwaitRollbackPath(ctx, 2*time.Minute); err != nil {
			return err
		}
		if err := sleep(ctx, b.options.pause); err != nil {
			return err
		}
		if last, err = b.app.Revert(ctx, last); err != nil {
			return err
		}
		if err := b.app.AwaitActive(ctx, 2*time.Minute, target); err != nil {
			return err
		}
		if err := sleep(ctx, 3*time.Second); err != nil { // pgbench's log comes in blocks
			return err
		}
		if err := b.note(ctx, i+1); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note the newest switch.
func (b *bench) note(ctx context.Context, number int) error {
	proxy, err := b.app.Proxy(ctx)
	if err != nil {
		return err
	}
	spans, err := b.pgbench.Spans(ctx)
	if err != nil {
		return err
	}
	record := proxy.Status.Switches[0]
	stall, err := testenv.Stall(spans, record)
	if err != nil {
		return err
	}
	add := func(name string, milliseconds float64) { b.samples[name] = append(b.samples[name], milliseconds) }
	add("client's worst transaction", stall.Worst.Seconds()*1000)
	add("stall", stall.Length().Seconds()*1000)
	add("held", float64(record.HeldMicroseconds)/1000)
	for name, microseconds := range record.Parts {
		add("  "+name, float64(microseconds)/1000)
	}
	fmt.Printf("%3d  %s → %s  worst %4.0f ms  stall %4.0f ms  held %4.0f ms\n", number, record.From, record.To,
		stall.Worst.Seconds()*1000, stall.Length().Seconds()*1000, float64(record.HeldMicroseconds)/1000)
	return nil
}

func (b *bench) report(ctx context.Context, traffic *testenv.Traffic) error {
	summary, err := b.pgbench.Stop(ctx)
	if err != nil {
		return err
	}
	serving := []string{"orders-17", "orders-15"}[b.options.switches%2]
	books, err := traffic.Check(ctx, serving, b.options.switches+1)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-28s %8s %8s %8s  ms\n", "", "min", "median", "max")
	names := []string{}
	for name := range b.samples {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Sorted(slices.Values(b.samples[name]))
		fmt.Printf("%-28s %8.1f %8.1f %8.1f\n", name, values[0], values[len(values)/2], values[len(values)-1])
	}
	_, failed, cut := traffic.Count()
	fmt.Printf("\npgbench: %d transactions, %d failed, %d clients aborted; ledger: %d acknowledged, %d missing, %d doubled, %d errors\n",
		summary.Transactions, summary.Failed, summary.Aborted, books.Acknowledged, books.Missing, books.Doubled, failed+cut)
	if summary.Failed+summary.Aborted+failed+cut > 0 || !books.OK() {
		return fmt.Errorf("clients saw errors or rows are wrong: %v %v", summary.Complaints, books.Problems)
	}
	return nil
}
