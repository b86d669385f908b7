package controllers

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/tracing"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/otlp"
)

// An upgrade is begun by one controller and ended by another: its steps come in one trace, in the upgrade's own span.
func TestTheStepsOfAnUpgradeAreOneTraceWhoeverRunsThem(t *testing.T) {
	collector := otlp.Serve(t)
	now := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	begun := metav1.NewTime(now)
	u := &v1alpha1.PgUpgrade{}
	u.UID = "0b1e"
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Abort, Step: steps.StopReplication, Run: "r1", From: "orders-15", To: "orders-17",
		Steps: []v1alpha1.StepStatus{{Name: steps.StopReplication, StartedAt: &begun}}}
	for _, wanted := range []string{steps.CommitRemoveGreen, steps.AwaitGreenGone, ""} {
		tracer, err := tracing.New(t.Context(), collector.URL)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		r := &UpgradeReconciler{Recorder: record.NewFakeRecorder(10), Tracer: tracer, Now: func() time.Time { return now }}
		r.completeStep(u, steps.Verdict{Done: true, Message: "done"})
		if u.Status.Step != wanted {
			t.Fatalf("the next step is %q, want %q", u.Status.Step, wanted)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := tracer.Start(ended); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	spans := collector.Spans()
	parents := map[string]int{}
	for _, s := range spans {
		names = append(names, s.Name)
		parents[string(s.ParentSpanId)]++
		if string(s.TraceId) != string(spans[0].TraceId) {
			t.Errorf("%s is in another trace", s.Name)
		}
	}
	slices.Sort(names)
	want := []string{steps.AwaitGreenGone, steps.CommitRemoveGreen, steps.StopReplication, "Upgrade orders-15 to orders-17"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if len(parents) != 2 || parents[""] != 1 {
		t.Errorf("the steps aren't all parts of the upgrade: %v", parents)
	}
}
