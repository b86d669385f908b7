package analysis

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/pooler"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func between(minimum, maximum string) *v1alpha1.ThresholdRange {
	r := &v1alpha1.ThresholdRange{}
	if minimum != "" {
		r.Min = ptr.To(resource.MustParse(minimum))
	}
	if maximum != "" {
		r.Max = ptr.To(resource.MustParse(maximum))
	}
	return r
}

// TestFailuresCountInARow: one that passes starts again, and one without a result changes nothing.
func TestFailuresCountInARow(t *testing.T) {
	for name, c := range map[string]struct {
		results string // of one check, round by round
		fails   bool
		count   int32
	}{
		"as often as the threshold says": {"FFF", true, 3},
		"not often enough":               {"PFF", false, 2},
		"with one between that passes":   {"FFPFF", false, 2},
		"with one between without":       {"FFUUF", true, 3},
		"the last one without":           {"FFFU", false, 3},
		"it fails on after that":         {"FFFUF", true, 4},
		"never a result":                 {"UUUUUUUUUU", false, 0},
		"it recovers after it failed":    {"FFFFP", false, 0},
	} {
		spec := &v1alpha1.AnalysisSpec{Threshold: 3, Checks: []v1alpha1.AnalysisCheck{{Name: "a"}}}
		status := &v1alpha1.AnalysisStatus{}
		for i, r := range c.results {
			result := map[rune]Result{'P': judged(1, between("", "2")), 'F': judged(3, between("", "2")), 'U': unknown("no answer")}[r]
			Judge(spec, status, []Result{result}, noon.Add(time.Duration(i)*time.Minute))
		}
		if got := status.Failure != nil; got != c.fails || status.Checks[0].Failures != c.count {
			t.Errorf("%s: failed %t after %d failures: %+v", name, got, status.Checks[0].Failures, status.Failure)
		}
	}
}

func TestWhatIsDecidedOrRefusedStands(t *testing.T) {
	spec := &v1alpha1.AnalysisSpec{Threshold: 1, Checks: []v1alpha1.AnalysisCheck{{Name: "a"}, {Name: "b", Threshold: 2}}}
	status := &v1alpha1.AnalysisStatus{}
	bad, good := judged(3, between("", "2")), judged(1, between("", "2"))
	Judge(spec, status, []Result{good, bad}, noon)
	if status.Failure != nil || status.Passed != 0 {
		t.Fatalf("%+v", status)
	}
	Judge(spec, status, []Result{good, bad}, noon.Add(time.Minute))
	Judge(spec, status, []Result{bad, bad}, noon.Add(2*time.Minute))
	f := status.Failure
	if f == nil || f.Check != "a" || !Reverts(spec, status, noon.Add(2*time.Minute)) {
		t.Fatalf("the first check in the spec: %+v", f)
	}
	f.DecidedAt = &metav1.Time{Time: noon}
	Judge(spec, status, []Result{good, good}, noon.Add(3*time.Minute))
	if status.Failure != f || status.Passed != 1 {
		t.Errorf("%+v", status)
	}
	f.DecidedAt, f.Refused = nil, "Ada reverted it"
	Judge(spec, status, []Result{bad, good}, noon.Add(4*time.Minute))
	if status.Failure != f || Reverts(spec, status, noon.Add(4*time.Minute)) {
		t.Errorf("%+v", status.Failure)
	}
	if reason, words := Unsettled(spec, status); reason != v1alpha1.ReasonAnalysisFailed || !strings.Contains(words, "check a failed") {
		t.Errorf("%s: %s", reason, words)
	}
	spec.Checks = spec.Checks[1:] // a check that is gone from the spec is gone from the status
	Judge(spec, status, []Result{good}, noon.Add(5*time.Minute))
	if len(status.Checks) != 1 || status.Checks[0].Name != "b" {
		t.Errorf("%+v", status.Checks)
	}
}

// TestOnlyAFreshFailureOfTheCheckAsItIsReverts: what failed before a person fixed it, or was another check, does not.
func TestOnlyAFreshFailureOfTheCheckAsItIsReverts(t *testing.T) {
	bad, good := judged(3, between("", "2")), judged(1, between("", "2"))
	failed := func() (*v1alpha1.AnalysisSpec, *v1alpha1.AnalysisStatus) {
		spec := &v1alpha1.AnalysisSpec{Threshold: 3, Checks: []v1alpha1.AnalysisCheck{get("https://a"), {Name: "b"}}}
		status := &v1alpha1.AnalysisStatus{}
		for range 3 {
			Judge(spec, status, []Result{bad, good}, noon)
		}
		return spec, status
	}
	spec, status := failed()
	for age, want := range map[time.Duration]bool{0: true, time.Minute: true, 61 * time.Second: false, time.Hour: false, -time.Second: false} {
		if got := Reverts(spec, status, noon.Add(age)); got != want {
			t.Errorf("%s after the last round: reverts %t", age, got)
		}
	}
	status.Failure.DecidedAt = &metav1.Time{Time: noon}
	if !Reverts(spec, status, noon.Add(time.Hour)) {
		t.Error("what is decided is forgotten")
	}
	for name, change := range map[string]func(*v1alpha1.AnalysisSpec){
		"another address": func(s *v1alpha1.AnalysisSpec) { s.Checks[0].HTTP = &v1alpha1.HTTPCheck{URL: "https://other"} },
		"other values":    func(s *v1alpha1.AnalysisSpec) { s.Checks[0].ThresholdRange = between("", "5") },
		"removed":         func(s *v1alpha1.AnalysisSpec) { s.Checks = s.Checks[1:] },
	} {
		spec, status := failed()
		change(spec)
		if Reverts(spec, status, noon) {
			t.Errorf("%s: the old failure reverts", name)
		}
		if reason, _ := Unsettled(spec, status); name != "removed" && reason != v1alpha1.ReasonAnalysisPending {
			t.Errorf("%s: %s", name, reason)
		}
		spec.Threshold = 2
		results := []Result{bad, good}[2-len(spec.Checks):]
		if Judge(spec, status, results, noon); status.Failure != nil {
			t.Errorf("%s: failures of another check count: %+v", name, status.Failure)
		}
	}
	spec, status = failed()
	spec.Threshold, status.Failure = 1, nil
	if Judge(spec, status, []Result{bad, good}, noon); status.Failure == nil || status.Checks[0].Failures != 4 {
		t.Errorf("another threshold is the same check: %+v", status)
	}
}

// TestTheWayBackAlertsAndNeverReverts: neither rows nor replication, nor do they hide a check that does.
func TestTheWayBackAlertsAndNeverReverts(t *testing.T) {
	rows, replication := v1alpha1.AnalysisCheck{Name: "rows", Rows: &v1alpha1.RowsCheck{}}, v1alpha1.AnalysisCheck{Name: "replication", Replication: &v1alpha1.ReplicationCheck{}}
	spec := &v1alpha1.AnalysisSpec{Threshold: 1, Checks: []v1alpha1.AnalysisCheck{rows, replication, get("https://a")}}
	status := &v1alpha1.AnalysisStatus{}
	bad, good := judged(3, between("", "2")), judged(1, between("", "2"))
	Judge(spec, status, []Result{bad, bad, good}, noon)
	if f := status.Failure; f == nil || f.Check != "rows" || Reverts(spec, status, noon) {
		t.Errorf("%+v", f)
	}
	Judge(spec, status, []Result{bad, bad, bad}, noon)
	if f := status.Failure; f == nil || f.Check != "c" || !Reverts(spec, status, noon) {
		t.Errorf("%+v", f)
	}
}

// TestAnErrorOfReplicationCountsOnce: PostgreSQL's counter never shrinks by itself, and a restart of the other side counts as one.
func TestAnErrorOfReplicationCountsOnce(t *testing.T) {
	spec := &v1alpha1.AnalysisSpec{Threshold: 3, Checks: []v1alpha1.AnalysisCheck{{Name: "way-back", Replication: &v1alpha1.ReplicationCheck{}}}}
	status := &v1alpha1.AnalysisStatus{}
	for i, c := range []struct {
		counted int64
		verdict string
		value   string
	}{{0, v1alpha1.CheckPassed, "0"}, {1, v1alpha1.CheckFailed, "1"}, {1, v1alpha1.CheckPassed, "0"}, {1, v1alpha1.CheckPassed, "0"}, {4, v1alpha1.CheckFailed, "3"}, {2, v1alpha1.CheckFailed, "2"}, {2, v1alpha1.CheckPassed, "0"}} {
		from := Sources{Before: status.Checks, ApplyErrors: func(context.Context) (int64, error) { return c.counted, nil }}
		Judge(spec, status, Round(t.Context(), spec, from), noon.Add(time.Duration(i)*time.Minute))
		if got := status.Checks[0]; got.Verdict != c.verdict || got.Value != c.value {
			t.Errorf("round %d: %+v, want %s with %s", i, got, c.verdict, c.value)
		}
	}
	if reason, words := Unsettled(spec, status); reason != "" {
		t.Errorf("the soak doesn't end: %s", words)
	}
}

func TestRoundsComeInTime(t *testing.T) {
	spec := &v1alpha1.AnalysisSpec{InitialDelay: &metav1.Duration{Duration: 5 * time.Minute}, Interval: &metav1.Duration{Duration: time.Minute}}
	at := func(d time.Duration) *v1alpha1.AnalysisStatus {
		return &v1alpha1.AnalysisStatus{LastRound: &metav1.Time{Time: noon.Add(d)}}
	}
	for name, c := range map[string]struct {
		status *v1alpha1.AnalysisStatus
		now    time.Duration
		want   time.Duration
	}{
		"before the first":        {nil, 2 * time.Minute, 3 * time.Minute},
		"the first is due":        {nil, 6 * time.Minute, -time.Minute},
		"the next":                {at(6 * time.Minute), 6*time.Minute + 20*time.Second, 40 * time.Second},
		"a clock was set back":    {at(60 * time.Minute), 7 * time.Minute, 0},
		"traffic has moved again": {at(-time.Minute), time.Minute, 4 * time.Minute},
	} {
		if got := Next(spec, c.status, noon, noon.Add(c.now)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestValuesAreReadAsPeopleWriteThem(t *testing.T) {
	for _, c := range []struct {
		value         float64
		wanted        *v1alpha1.ThresholdRange
		verdict, text string
	}{
		{0.01, between("", "0.01"), v1alpha1.CheckPassed, "0.01, at most 0.01"},
		{0.0100001, between("", "0.01"), v1alpha1.CheckFailed, "0.0100001, at most 0.01"},
		{99, between("99", ""), v1alpha1.CheckPassed, "99, at least 99"},
		{-1, between("0", "500"), v1alpha1.CheckFailed, "-1, from 0 to 500"},
		{2 << 30, between("", "1Gi"), v1alpha1.CheckFailed, "2147483648, at most 1073741824"},
	} {
		r := judged(c.value, c.wanted)
		if r.Verdict != c.verdict || r.Value+", "+r.Wanted != c.text {
			t.Errorf("%v: %+v, want %s: %s", c.value, r, c.verdict, c.text)
		}
	}
	long := unknown("%s", strings.Repeat("ä", 400)).Message
	if len(long) > mostWords+len("…") || !strings.HasSuffix(long, "ä…") {
		t.Errorf("%d bytes: %s", len(long), long)
	}
}

// TestPoolersAreJudgedByTheirOwnNumbers, weighted by how much passed each.
func TestPoolersAreJudgedByTheirOwnNumbers(t *testing.T) {
	busy := pooler.Averages{QueriesPerSecond: 90, TransactionsPerSecond: 30, QueryMilliseconds: 10, TransactionMilliseconds: 40, WaitMilliseconds: 5}
	slow := pooler.Averages{QueriesPerSecond: 10, TransactionsPerSecond: 10, QueryMilliseconds: 110, TransactionMilliseconds: 120, WaitMilliseconds: 7}
	sum := pooler.Averages{}.Add(busy).Add(slow)
	from := Sources{Poolers: func(context.Context) (pooler.Averages, error) { return sum, nil }}
	ask := func(metric string) Result {
		return from.one(t, v1alpha1.AnalysisCheck{Pooler: &v1alpha1.PoolerCheck{Metric: metric}, ThresholdRange: between("", "19.9")})
	}
	ask("QueryTime").is(t, v1alpha1.CheckFailed, "20 at most 19.9")
	ask("TransactionTime").is(t, v1alpha1.CheckFailed, "60 at most")
	ask("WaitTime").is(t, v1alpha1.CheckPassed, "12 at most")
	ask("QueryRate").is(t, v1alpha1.CheckFailed, "100 at most")
	ask("TransactionRate").is(t, v1alpha1.CheckFailed, "40 at most")
	sum = pooler.Averages{}
	ask("QueryTime").is(t, v1alpha1.CheckUnknown, "no query passed")
	ask("QueryRate").is(t, v1alpha1.CheckPassed, "0 at most")
	from.Poolers = func(context.Context) (pooler.Averages, error) {
		return sum, errors.New("agent of pooler x: 404 Not Found")
	}
	ask("WaitTime").is(t, v1alpha1.CheckUnknown, "404 Not Found")
}
