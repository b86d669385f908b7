// Package security tells what Gitover may do in a cluster, what one team can't do to
// another, and that no secret shows anywhere. It runs with GITOVER_E2E=1, on the stage that
// `make cluster` starts.
package security

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/onstage"
	"github.com/gitover/gitover/test/e2e/world"
)

var stage *cluster.Stage

func TestMain(m *testing.M) {
	if !onstage.Asked() {
		fmt.Println("the security tests need GITOVER_E2E=1 and the stage: `make cluster`")
		os.Exit(0)
	}
	os.Exit(onstage.Run(m, prepare))
}

func prepare(ctx context.Context) error {
	var err error
	if stage, err = cluster.Open("."); err != nil {
		return err
	}
	if !cluster.Existing() {
		if _, err := stage.LoadGitover(ctx); err != nil {
			return err
		}
	}
	w, err := world.Enter(world.StageOf(stage, "../../.."), onstage.Print)
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
	app, err := w.Found(t.Context(), world.Founding{Namespace: namespace, Clone: t.TempDir(), Controller: namespace, Change: change})
	if err != nil {
		t.Fatal(err)
	}
	onstage.Leave(t, app.Abandon)
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
