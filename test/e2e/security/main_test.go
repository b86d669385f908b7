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
	"github.com/gitover/gitover/test/e2e/e2eutil"
	"github.com/gitover/gitover/test/e2e/testenv"
)

var stage *cluster.Stage

func TestMain(m *testing.M) {
	if !e2eutil.Asked() {
		fmt.Println("the security tests need GITOVER_E2E=1 and the stage: `make cluster`")
		os.Exit(0)
	}
	os.Exit(e2eutil.Run(m, prepare))
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
	w, err := testenv.New(testenv.StageOf(stage, "../../.."), e2eutil.Print)
	if err != nil {
		return err
	}
	return w.InstallKinds(ctx)
}

func enter(t *testing.T) *testenv.Environment {
	t.Helper()
	w, err := testenv.New(testenv.StageOf(stage, "../../.."), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// found a database in a namespace of its own, left to that namespace's own controller.
func found(t *testing.T, w *testenv.Environment, namespace string, change func(file, content string) string) *testenv.App {
	t.Helper()
	app, err := w.CreateApp(t.Context(), testenv.AppOptions{Namespace: namespace, Clone: t.TempDir(), Controller: namespace, Change: change})
	if err != nil {
		t.Fatal(err)
	}
	e2eutil.Leave(t, app.Abandon)
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
