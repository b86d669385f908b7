package tracing_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/tracing"
	"github.com/gitover/gitover/test/otlp"
)

// sent are the spans that a collector gets of what is done with a tracer.
func sent(t *testing.T, do func(*tracing.Tracer)) []*trace.Span {
	t.Helper()
	c := otlp.Serve(t)
	tracer, err := tracing.New(t.Context(), c.URL)
	if err != nil {
		t.Fatal(err)
	}
	do(tracer)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := tracer.Start(stopped); err != nil { // sends what waits
		t.Fatal(err)
	}
	return c.Spans()
}

var begun = time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)

// lines are spans as people read it: when each was, in milliseconds, and what it is a part of.
func lines(spans []*trace.Span) []string {
	names := map[string]string{}
	for _, s := range spans {
		names[string(s.SpanId)] = s.Name
	}
	var all []string
	for _, s := range spans {
		at := func(n uint64) float64 { return float64(int64(n)-begun.UnixNano()) / 1e6 }
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %g to %g in %s", s.Name, at(s.StartTimeUnixNano), at(s.EndTimeUnixNano), names[string(s.ParentSpanId)]), " in "))
	}
	return all
}

func TestASwitchIsATraceOfItsParts(t *testing.T) {
	held := metav1.NewMicroTime(begun)
	record := v1alpha1.SwitchRecord{
		ID: "s1", From: "orders-15", To: "orders-17", Outcome: "Switched", HeldAt: &held, HeldMicroseconds: 70_000,
		Parts: map[string]int64{"prepare": 300_000, "hold": 30_000, "fence": 35_000, "drain": 10_000, "sequences": 15_000, "flip": 3_000, "decide": 4_000,
			"open": 2_000, "resume": 9_000, "finish": 400_000},
		Commit: &v1alpha1.Commit{SHA: "0123456789abcdef0123456789abcdef01234567"},
	}
	spans := sent(t, func(tracer *tracing.Tracer) { tracer.Switch(&v1alpha1.PgProxy{}, record) })
	got := lines(spans)
	slices.Sort(got)
	want := []string{
		"Switch orders-15 to orders-17 -300 to 470", "decide 55 to 59 in held", "drain 40 to 50 in held", "fence 5 to 40 in held", "finish 70 to 470 in Switch orders-15 to orders-17",
		"flip 40 to 43 in held", "held 0 to 70 in Switch orders-15 to orders-17", "hold 0 to 30 in held", "open 59 to 61 in held",
		"prepare -300 to 0 in Switch orders-15 to orders-17", "resume 61 to 70 in held", "sequences 40 to 55 in held",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, s := range spans {
		if string(s.TraceId) != string(spans[0].TraceId) {
			t.Errorf("%s is in another trace", s.Name)
		}
	}
}

func TestASwitchThatWasAbortedSaysWhyAndInventsNoTimes(t *testing.T) {
	held := metav1.NewMicroTime(begun)
	record := v1alpha1.SwitchRecord{ID: "s1", From: "a", To: "b", Outcome: "Aborted", Reason: "a transaction did not end", HeldAt: &held, HeldMicroseconds: 2_000_000,
		Parts: map[string]int64{"prepare": 100_000, "hold": 30_000, "drain": 1_900_000}}
	spans := sent(t, func(tracer *tracing.Tracer) { tracer.Switch(&v1alpha1.PgProxy{}, record) })
	want := []string{"prepare -100 to 0 in Switch a to b", "Switch a to b -100 to 2000", "held 0 to 2000 in Switch a to b", "hold 0 to 30 in held"}
	got := lines(spans)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for _, s := range spans {
		if failed := s.Status.GetCode() == trace.Status_STATUS_CODE_ERROR; failed != (s.Name == "Switch a to b") || failed && s.Status.Message != record.Reason {
			t.Errorf("%s: %v", s.Name, s.Status)
		}
	}
}

func TestASwitchThatHeldNothingSendsNothing(t *testing.T) {
	if spans := sent(t, func(tracer *tracing.Tracer) { tracer.Switch(&v1alpha1.PgProxy{}, v1alpha1.SwitchRecord{ID: "s1"}) }); len(spans) > 0 {
		t.Errorf("%q", lines(spans))
	}
}

func TestWithoutACollectorNothingIsSent(t *testing.T) {
	tracer, err := tracing.New(t.Context(), "")
	if tracer != nil || err != nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	held := metav1.NewMicroTime(begun)
	tracer.Switch(&v1alpha1.PgProxy{}, v1alpha1.SwitchRecord{HeldAt: &held})
	tracer.Step(&v1alpha1.PgUpgrade{}, v1alpha1.StepStatus{})
	tracer.Run(&v1alpha1.PgUpgrade{}, v1alpha1.HistoryEntry{})
}

func TestAnAddressThatIsNoneIsRefused(t *testing.T) {
	for _, address := range []string{"collector:4317", "grpc://collector", "http://", "\x00"} {
		if _, err := tracing.New(t.Context(), address); err == nil || !strings.Contains(err.Error(), "--tracing-endpoint") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
