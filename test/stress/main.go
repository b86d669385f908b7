// Command stress does to fleets of databases what it can think of, for as long as it is
// told: random upgrades, downgrades, aborts, cutovers, reverts, re-reverts and finalizations,
// while faults are injected, under clients that keep a ledger. Every few actions all is checked:
// no write lost, none doubled, never two servers that accept writes, nothing left behind.
//
// Its plan follows from the seed, which it prints. A failure prints the shortest history
// that shows it: what was done since everything was last found in order.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gitover/gitover/test/cluster"
)

// options of a run.
type options struct {
	duration   time.Duration
	seed       uint64
	fleets     int
	rate       float64
	checkEvery int
	// faults: all, own (only what is the fleets' own) or none.
	faults        string
	install, keep bool
	dir           string
}

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 20*time.Minute, "how long, from the moment that all databases serve")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of the plan; 0 takes one by chance")
	flag.IntVar(&o.fleets, "fleets", 2, "databases side by side")
	flag.Float64Var(&o.rate, "rate", 60, "transactions per second of each database's clients")
	flag.IntVar(&o.checkEvery, "check-every", 4, "actions of a fleet between two checks of everything")
	flag.StringVar(&o.faults, "faults", "all", "all; own: only on what is the fleets' own, nothing on the controller, Git, Flux and the API server; none")
	flag.BoolVar(&o.install, "install", true, "install Gitover from the checkout")
	flag.BoolVar(&o.keep, "keep", os.Getenv("KEEP") == "1", "leave stage and databases up afterwards (KEEP=1)")
	flag.StringVar(&o.dir, "dir", filepath.Join(".cache", "stress"), "where report.json and history.txt go")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(rand.Uint32())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := onStage(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nstress:", err)
		os.Exit(1)
	}
}

// onStage brings the stage up if none runs, and takes down what it brought up.
func onStage(ctx context.Context, o options) error {
	stage, err := cluster.At(".")
	if err != nil {
		return err
	}
	if cluster.Existing() {
		return cluster.ErrNoStage
	}
	before := stage.Running()
	if !before || o.install {
		if err := stage.Up(ctx, images); err != nil {
			return err
		}
	}
	running, err := cluster.Open(".")
	if err != nil {
		return err
	}
	err = stress(ctx, running, ".", o, func(line string) { fmt.Println(line) })
	if before || o.keep {
		return err
	}
	return errors.Join(err, running.Down(context.WithoutCancel(ctx)))
}
