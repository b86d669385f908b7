package matrix

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/e2eutil"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// running is the stage: each story has a namespace of its own on it.
var running *cluster.Stage

func TestMain(m *testing.M) {
	flag.Parse()
	// a story keeps two cores busy: with more of them controllers lose their leases
	_ = flag.Set("test.parallel", strconv.Itoa(max(1, runtime.NumCPU()/2)))
	if e2eutil.Asked() && !cluster.Existing() {
		os.Exit(e2eutil.Run(m, prepare))
	}
	os.Exit(m.Run())
}

func prepare(ctx context.Context) error {
	var err error
	if running, err = cluster.Open("."); err != nil {
		return err
	}
	// the agents are the released ones
	if _, err := running.LoadGitover(ctx); err != nil {
		return err
	}
	if err := running.LoadCrashpoints(ctx); err != nil {
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
	return testenv.New(testenv.StageOf(running, "../../.."), log)
}

// needsStage skips a story where there is none.
func needsStage(t *testing.T) {
	t.Helper()
	if running == nil {
		t.Skip("needs GITOVER_E2E=1 and the stage: `make cluster`")
	}
}

func TestTheReleasedProgramHoldsNoCrashPoint(t *testing.T) {
	needsStage(t)
	for program, want := range map[string]bool{"gitover": false, "gitover-agent": false, "gitover-crashpoints": true} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(running.Kubectl), program))
		if err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(content, []byte("GITOVER_CRASH_REFEREE")); has != want {
			t.Errorf("%s has crash points: %t, want %t", program, has, want)
		}
	}
}
