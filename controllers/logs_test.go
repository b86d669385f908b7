package controllers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/notify"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
)

// logged are the lines of a logger, each as it is found by its keys.
type logged struct {
	mu    sync.Mutex
	lines []map[string]any
}

func (l *logged) add(line string) {
	var keys map[string]any
	if json.Unmarshal([]byte(line), &keys) == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, keys)
	}
}

// TestAStepIsFoundInTheLogByItsUpgradeRunAndName whether it is done, fails, or its run ends.
func TestAStepIsFoundInTheLogByItsUpgradeRunAndName(t *testing.T) {
	var lines logged
	logger := funcr.NewJSON(lines.add, funcr.Options{})
	ctx := log.IntoContext(t.Context(), logger)
	recorder, err := notify.New(&record.FakeRecorder{}, nil, nil, logger, "")
	if err != nil {
		t.Fatal(err)
	}
	u := &v1alpha1.PgUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}}
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Run: "run-1", Step: steps.CopyData, Steps: []v1alpha1.StepStatus{{Name: steps.CopyData}}}
	r := &UpgradeReconciler{Recorder: recorder, Now: time.Now}
	r.failed(ctx, u, os.ErrDeadlineExceeded)
	r.completeStep(u, steps.Verdict{Message: "28 tables"})
	r.close(u, "Finalized", metav1.Now())
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}}
	p.Spec.UpgradeRef.Name = "orders"
	p.Status.Switch = &v1alpha1.SwitchStatus{ID: "switch-1", Phase: "Holding"}
	outcome.EmitEvents(recorder, p, "", outcome.Outcome{Reason: v1alpha1.ReasonSwitching, Message: "on its way"})

	want := []map[string]any{
		{"msg": "step failed, will be tried again", "upgrade": "orders", "run": "run-1", "workflow": steps.Upgrade, "step": steps.CopyData},
		{"msg": "28 tables", "event": steps.CopyData, "namespace": "shop", "upgrade": "orders", "run": "run-1", "workflow": steps.Upgrade, "step": steps.CopyData},
		{"event": "Finalized", "upgrade": "orders", "run": "run-1"},
		{"msg": "on its way", "event": v1alpha1.ReasonSwitching, "namespace": "shop", "proxy": "orders", "upgrade": "orders", "switch": "switch-1", "phase": "Holding"},
	}
	if len(lines.lines) != len(want) {
		t.Fatalf("%d lines: %v", len(lines.lines), lines.lines)
	}
	for i, keys := range want {
		for key, value := range keys {
			if lines.lines[i][key] != value {
				t.Errorf("line %d has %s=%v, want %v: %v", i, key, lines.lines[i][key], value, lines.lines[i])
			}
		}
	}
}

// TestOnePlaceMakesLoggers so that no line comes without its keys.
func TestOnePlaceMakesLoggers(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "logs") {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), ".FromContext(ctx)") {
			t.Errorf("%s makes a logger; use logs.For", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
