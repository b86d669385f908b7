// Package e2e tells the stories of Gitover's users on a real cluster with real Flux, Git,
// PostgreSQL and PgBouncer. They run with GITOVER_E2E=1, on the stage that `make cluster`
// starts; `make test` does both.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/world"
)

// running is the stage itself, for what only it can do.
var running *cluster.Stage

// stage that all stories share; each has a namespace of its own.
var stage world.Stage

func TestMain(m *testing.M) {
	if os.Getenv("GITOVER_E2E") != "1" {
		fmt.Println("end-to-end tests need GITOVER_E2E=1 and the stage: `make cluster`")
		os.Exit(0)
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prepare() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if running, err = cluster.Open("."); err != nil {
		return err
	}
	if !cluster.Existing() {
		if err := running.LoadImages(ctx, []string{"postgres-18"}); err != nil {
			return err
		}
		if _, err := running.LoadGitover(ctx); err != nil {
			return err
		}
	}
	stage = world.StageOf(running, "../..")
	w, err := world.Enter(stage, printLine)
	if err != nil {
		return err
	}
	return w.Install(ctx)
}

func printLine(format string, args ...any) {
	fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// found an app of this test's own; it goes with the test unless that failed and KEEP=1.
func found(t *testing.T, founding world.Founding) *world.App {
	t.Helper()
	w, err := world.Enter(stage, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	founding.Clone, founding.KeepWAL = t.TempDir(), true
	app, err := w.Found(t.Context(), founding)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("KEEP") == "1" {
			return
		}
		if err := app.Abandon(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return app
}

// ownRepository is one that a test may protect without hindering the others.
func ownRepository(t *testing.T, name string) *world.OwnGit {
	t.Helper()
	if cluster.Existing() {
		t.Skip(cluster.ErrNoStage)
	}
	if err := running.Git.CreateRepository(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	remote := stage.Git
	remote.URL = strings.Replace(remote.URL, "fleet.git", name+".git", 1)
	return &world.OwnGit{Remote: remote, ClusterURL: strings.Replace(stage.GitURL, "fleet.git", name+".git", 1)}
}

// protect the main branch of a repository of one's own; without rules, no more.
func protect(name string, rules ...string) error {
	return running.Git.ProtectRepository(name, rules...)
}
