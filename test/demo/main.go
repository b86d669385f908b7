// Command demo shows the whole story on real parts, in one command: a cluster with Flux, a
// PostgreSQL server with clients that never rest, a pull request that changes one line,
// the upgrade, the cutover by a commit, the rollback by a revert, the cutover again, and
// the end of the old server. It exits non-zero if anything isn't as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/testenv"
)

type options struct {
	scale   int
	clients int
	rate    float64
	keep    bool
	plain   bool
	report  string
}

func main() {
	var o options
	flag.IntVar(&o.scale, "scale", 60, "pgbench's scale: 15 MiB each")
	flag.IntVar(&o.clients, "clients", 16, "pgbench clients")
	flag.Float64Var(&o.rate, "rate", 300, "pgbench transactions per second")
	flag.BoolVar(&o.keep, "keep", os.Getenv("KEEP") == "1", "leave the stage up afterwards (KEEP=1)")
	flag.BoolVar(&o.plain, "plain", !term.IsTerminal(int(os.Stdout.Fd())), "plain lines instead of a live view")
	flag.StringVar(&o.report, "report", filepath.Join(".cache", "demo", "report.json"), "where the report goes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	stage, err := cluster.At(".")
	if err != nil {
		return err
	}
	before := stage.Running()
	if err := stage.Up(ctx, nil); err != nil {
		return err
	}
	running, err := cluster.Open(".")
	if err != nil {
		return err
	}
	story := &story{options: o, view: newView(o.plain)}
	err = tell(ctx, story, running)
	if o.keep || cluster.Existing() {
		fmt.Printf("\nThe stage stays up: kubectl --kubeconfig %s get pgupgrades,pgproxies -A\n", running.Kubeconfig)
		return err
	}
	cleanup := context.WithoutCancel(ctx)
	if before {
		fmt.Println("\nThe stage was up before and stays up; only the demo's namespace goes.")
		if story.app != nil {
			err = errors.Join(err, story.app.Abandon(cleanup))
		}
		return err
	}
	return errors.Join(err, running.Down(cleanup))
}

func tell(ctx context.Context, s *story, stage *cluster.Stage) error {
	w, err := testenv.New(testenv.StageOf(stage, "."), s.view.detail)
	if err != nil {
		return err
	}
	clone, err := os.MkdirTemp("", "gitover-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(clone)
	s.env, s.clone = w, clone
	defer s.view.close()
	return s.tell(ctx)
}
