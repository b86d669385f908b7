// Package security tells what Gitover may do in a cluster, what one team can't do to
// another, and that no secret shows anywhere. It runs with GITOVER_E2E=1, on the stage that
// `make cluster` starts.
package security

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

var stage *cluster.Stage

func TestMain(m *testing.M) {
	if os.Getenv("GITOVER_E2E") != "1" {
		fmt.Println("the security tests need GITOVER_E2E=1 and the stage: `make cluster`")
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
	if stage, err = cluster.Open("."); err != nil {
		return err
	}
	if !cluster.Existing() {
		if _, err := stage.LoadGitover(ctx); err != nil {
			return err
		}
	}
	w, err := world.Enter(world.StageOf(stage, "../../.."), func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	if err != nil {
		return err
	}
	return w.InstallKinds(ctx)
}

func enter(t *testing.T) *world.World {
	t.Helper()
	w, err := world.Enter(world.StageOf(stage, "../../.."), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// found a database in a namespace of its own, left to that namespace's own controller.
func found(t *testing.T, w *world.World, namespace string, change func(file, content string) string) *world.App {
	t.Helper()
	app, err := w.Found(t.Context(), world.Founding{Namespace: namespace, Clone: t.TempDir(), Change: func(file, content string) string {
		if file == "upgrade.yaml" || file == "proxy.yaml" {
			content = strings.Replace(content, "  name: orders\n", "  name: orders\n  labels:\n    "+world.OwnController+": "+namespace+"\n", 1)
		}
		return change(file, content)
	}})
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

// patience with one stretch of a story.
const patience = 5 * time.Minute

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
