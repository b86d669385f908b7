package analysis

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Result of one check.
type Result struct {
	Verdict string
	// Value that was measured, and what is wanted, as people read them.
	Value, Wanted string
	// Message says why the verdict is Unknown.
	Message string
}

// Begins is when the first round is due, for an instance that serves since then.
func Begins(spec *v1alpha1.AnalysisSpec, since time.Time) time.Time {
	return since.Add(ptr.Deref(spec.InitialDelay, metav1.Duration{Duration: time.Minute}).Duration)
}

// Next is how long it is until the next round; zero or less: it is due.
func Next(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus, since, now time.Time) time.Duration {
	wait := Begins(spec, since).Sub(now)
	if status == nil || status.LastRound == nil {
		return wait
	}
	interval := ptr.Deref(spec.Interval, metav1.Duration{Duration: time.Minute}).Duration
	passed := now.Sub(status.LastRound.Time)
	if passed < 0 { // a clock was set back
		passed = interval
	}
	return max(wait, interval-passed)
}

// Judge adds the results of a round to the status; results has one for each check, in the order of the spec. Failures in a row are
// counted from the last result that passed. It is pure.
func Judge(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus, results []Result, now time.Time) {
	at := metav1.NewTime(now.Truncate(time.Second))
	before := status.Checks
	status.LastRound, status.Checks = &at, make([]v1alpha1.AnalysisCheckStatus, 0, len(results))
	passed := true
	for i, result := range results {
		check := after(find(before, spec.Checks[i].Name), result, at)
		check.Name, check.Threshold = spec.Checks[i].Name, thresholdOf(spec, i)
		status.Checks = append(status.Checks, check)
		passed = passed && result.Verdict == v1alpha1.CheckPassed
	}
	if passed {
		status.Passed++
	}
	status.Failure = failureAfter(status, at)
}

// after a result, the status of a check.
func after(check v1alpha1.AnalysisCheckStatus, result Result, at metav1.Time) v1alpha1.AnalysisCheckStatus {
	if check.Verdict != result.Verdict {
		check.Verdict, check.Since = result.Verdict, at
	}
	check.Message = result.Message
	switch result.Verdict {
	case v1alpha1.CheckPassed:
		check.Failures = 0
	case v1alpha1.CheckFailed:
		check.Failures++
	default:
		return check // what was last measured stays
	}
	check.Value, check.Wanted = result.Value, result.Wanted
	return check
}

// failureAfter a round. Once a revert was decided, or people refused one, the failure stays as it is.
func failureAfter(status *v1alpha1.AnalysisStatus, at metav1.Time) *v1alpha1.AnalysisFailure {
	known := status.Failure
	if known != nil && (known.DecidedAt != nil || known.Refused != "") {
		return known
	}
	for _, c := range status.Checks {
		if c.Failures < c.Threshold {
			continue
		}
		since := at
		if known != nil && known.Check == c.Name {
			since = known.At
		}
		return &v1alpha1.AnalysisFailure{Check: c.Name, Value: c.Value, Wanted: c.Wanted, Failures: c.Failures, At: since,
			Message: fmt.Sprintf("check %s failed %d times in a row: it was %s last, wanted is %s", c.Name, c.Failures, c.Value, c.Wanted)}
	}
	return nil
}

func find(checks []v1alpha1.AnalysisCheckStatus, name string) v1alpha1.AnalysisCheckStatus {
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	return v1alpha1.AnalysisCheckStatus{}
}

func thresholdOf(spec *v1alpha1.AnalysisSpec, check int) int32 {
	return cmp.Or(spec.Checks[check].Threshold, spec.Threshold, 3)
}

// Reverts says whether the analysis failed, and the spec wants the cutover reverted for that.
func Reverts(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus) bool {
	return spec != nil && spec.OnFailure != v1alpha1.AnalysisAlert && status != nil && status.Failure != nil && status.Failure.Refused == ""
}

// Unsettled says why the soak must not end by itself: a check failed, or has no result. Empty: every check passed last.
func Unsettled(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus) (reason, message string) {
	if spec == nil {
		return "", ""
	}
	if status == nil || status.LastRound == nil {
		return v1alpha1.ReasonAnalysisPending, "nothing was checked yet"
	}
	for _, c := range status.Checks {
		switch c.Verdict {
		case v1alpha1.CheckFailed:
			return v1alpha1.ReasonAnalysisFailed, Words(c)
		case v1alpha1.CheckUnknown:
			reason, message = cmp.Or(reason, v1alpha1.ReasonAnalysisUnknown), cmp.Or(message, Words(c))
		}
	}
	return reason, message
}

// Words on the last result of a check.
func Words(c v1alpha1.AnalysisCheckStatus) string {
	switch c.Verdict {
	case v1alpha1.CheckUnknown:
		return fmt.Sprintf("check %s is unknown: %s", c.Name, c.Message)
	case v1alpha1.CheckFailed:
		return fmt.Sprintf("check %s failed %d times in a row (threshold %d): %s, wanted is %s", c.Name, c.Failures, c.Threshold, c.Value, c.Wanted)
	}
	return fmt.Sprintf("check %s passed: %s, wanted is %s", c.Name, c.Value, c.Wanted)
}

// judged compares a value with the range of good values.
func judged(value float64, wanted *v1alpha1.ThresholdRange) Result {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return unknown("the value is %v", value)
	}
	verdict := v1alpha1.CheckPassed
	if wanted.Min != nil && value < wanted.Min.AsApproximateFloat64() || wanted.Max != nil && value > wanted.Max.AsApproximateFloat64() {
		verdict = v1alpha1.CheckFailed
	}
	return Result{Verdict: verdict, Value: number(value), Wanted: rangeText(wanted)}
}

func unknown(format string, args ...any) Result {
	return Result{Verdict: v1alpha1.CheckUnknown, Message: shortened(fmt.Sprintf(format, args...))}
}

// mostWords of a message in the status, in bytes.
const mostWords = 300

func shortened(s string) string {
	if len(s) <= mostWords {
		return s
	}
	end := mostWords
	for end > 0 && s[end]&0xC0 == 0x80 { // not within a character
		end--
	}
	return s[:end] + "…"
}

func rangeText(r *v1alpha1.ThresholdRange) string {
	text := func(q *resource.Quantity) string { return number(q.AsApproximateFloat64()) }
	switch {
	case r.Min == nil:
		return "at most " + text(r.Max)
	case r.Max == nil:
		return "at least " + text(r.Min)
	}
	return "from " + text(r.Min) + " to " + text(r.Max)
}

// number as people read it.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
