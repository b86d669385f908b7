// Package faults tells what happens when something fails while a database is upgraded: what
// users see, how long clients are held, and how it goes on without hands. Each table can be
// read aloud. It runs with GITOVER_E2E=1, on the stage that `make cluster` starts.
package faults

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/e2eutil"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// stage that all databases share; each has a namespace and a controller of its own.
var stage *cluster.Stage

func TestMain(m *testing.M) {
	if !e2eutil.Asked() {
		fmt.Println("the faults need GITOVER_E2E=1 and the stage: `make cluster`")
		os.Exit(0)
	}
	if cluster.Existing() {
		fmt.Println("the faults need the stage: faults can't be injected into another cluster")
		os.Exit(0)
	}
	code := e2eutil.Run(m, prepare)
	worst.print()
	os.Exit(code)
}

func prepare(ctx context.Context) error {
	var err error
	if stage, err = cluster.Open("."); err != nil {
		return err
	}
	if _, err := stage.LoadGitover(ctx); err != nil {
		return err
	}
	w, err := enter(e2eutil.Print)
	if err != nil {
		return err
	}
	// a controller of the whole cluster, if there is one, leaves these databases alone
	return w.InstallKinds(ctx)
}

func enter(log func(string, ...any)) (*testenv.Environment, error) {
	return testenv.New(testenv.StageOf(stage, "../../.."), log)
}
