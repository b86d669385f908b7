// Package e2e tells the stories of Gitover's users on a real cluster with real Flux, Git,
// PostgreSQL and PgBouncer. They run with GITOVER_E2E=1, on the stage that `make cluster`
// starts; `make test` does both.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/e2eutil"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// running is the stage itself, for what only it can do.
var running *cluster.Stage

// stage that all stories share; each has a namespace of its own.
var stage testenv.Stage

func TestMain(m *testing.M) {
	if !e2eutil.Asked() {
		fmt.Println("end-to-end tests need GITOVER_E2E=1 and the stage: `make cluster`")
		os.Exit(0)
	}
	os.Exit(e2eutil.Run(m, prepare))
}

func prepare(ctx context.Context) error {
	var err error
	if running, err = cluster.Open("."); err != nil {
		return err
	}
	if !cluster.Existing() {
		if err := running.LoadImages(ctx, []string{"postgres-19", "haproxy", "nginx"}); err != nil {
			return err
		}
		if _, err := running.LoadGitover(ctx); err != nil {
			return err
		}
	}
	stage = testenv.StageOf(running, "../..")
	w, err := testenv.New(stage, e2eutil.Print)
	if err != nil {
		return err
	}
	return w.Install(ctx)
}

// found an app of this test's own; it goes with the test unless that failed and KEEP=1.
func found(t *testing.T, options testenv.AppOptions) *testenv.App {
	t.Helper()
	w, err := testenv.New(stage, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	options.Clone, options.KeepWAL = t.TempDir(), true
	app, err := w.CreateApp(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	e2eutil.Leave(t, app.Abandon)
	return app
}

// ownRepository is one that a test may protect without hindering the others.
func ownRepository(t *testing.T, name string) *testenv.OwnGit {
	t.Helper()
	if cluster.Existing() {
		t.Skip(cluster.ErrNoStage)
	}
	if err := running.Git.CreateRepository(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return stage.OwnGit(name)
}

// protect the main branch of a repository of one's own; without rules, no more.
func protect(name string, rules ...string) error {
	return running.Git.ProtectRepository(name, rules...)
}
