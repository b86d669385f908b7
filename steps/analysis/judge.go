package analysis

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	// Counted is the value of the counter of which Value is the growth; nil if the check reads none.
	Counted *int64
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
	interval := intervalOf(spec)
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
		known, definition := find(before, spec.Checks[i].Name), definitionOf(&spec.Checks[i])
		if known.Definition != definition { // what failed was another check
			known.Failures = 0
		}
		check := after(known, result, at)
		check.Definition = definition
		check.Name, check.Threshold = spec.Checks[i].Name, thresholdOf(spec, i)
		status.Checks = append(status.Checks, check)
		passed = passed && result.Verdict == v1alpha1.CheckPassed
	}
	if passed {
		status.Passed++
	}
	status.Failure = failureAfter(spec, status, at)
}

// after a result, the status of a check.
func after(check v1alpha1.AnalysisCheckStatus, result Result, at metav1.Time) v1alpha1.AnalysisCheckStatus {
	if check.Verdict != result.Verdict {
		check.Verdict, check.Since = result.Verdict, at
	}
	check.Message = result.Message
	if result.Counted != nil {
		check.Counted = result.Counted
	}
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

// failureAfter a round: of the first check whose last result is one failure too many, if possible of one that may revert. Once a
// revert was decided, or people refused one, the failure stays as it is.
func failureAfter(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus, at metav1.Time) *v1alpha1.AnalysisFailure {
	known := status.Failure
	if known != nil && (known.DecidedAt != nil || known.Refused != "") {
		return known
	}
	var failed *v1alpha1.AnalysisCheckStatus
	for i := range status.Checks {
		c := &status.Checks[i]
		if c.Verdict != v1alpha1.CheckFailed || c.Failures < c.Threshold {
			continue
		}
		if failed == nil || Alerts(spec, failed.Name) && !Alerts(spec, c.Name) {
			failed = c
		}
	}
	if failed == nil {
		return nil
	}
	since := at
	if known != nil && known.Check == failed.Name {
		since = known.At
	}
	return &v1alpha1.AnalysisFailure{Check: failed.Name, Value: failed.Value, Wanted: failed.Wanted, Failures: failed.Failures, At: since,
		Message: fmt.Sprintf("check %s failed %d times in a row: it was %s last, wanted is %s", failed.Name, failed.Failures, failed.Value, failed.Wanted)}
}

// Alerts says whether a check never leads to a revert: it tells of the way back, not of the instance that serves.
func Alerts(spec *v1alpha1.AnalysisSpec, name string) bool {
	c := checkOf(spec, name)
	return c != nil && (c.Rows != nil || c.Replication != nil)
}

// checkOf the spec with that name; nil if there's none.
func checkOf(spec *v1alpha1.AnalysisSpec, name string) *v1alpha1.AnalysisCheck {
	for i := range spec.Checks {
		if spec.Checks[i].Name == name {
			return &spec.Checks[i]
		}
	}
	return nil
}

// definitionOf a check is a digest of what it measures and wants. How often it may fail is no part of it.
func definitionOf(check *v1alpha1.AnalysisCheck) string {
	c := *check
	c.Threshold = 0
	text, err := json.Marshal(c)
	if err != nil { // it came as JSON
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// stillMeant says whether the last result of a check of that name is one of the check as the spec has it now.
func stillMeant(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus, name string) bool {
	c := checkOf(spec, name)
	return c != nil && find(status.Checks, name).Definition == definitionOf(c)
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

// Reverts says whether the analysis failed, and the spec wants the cutover reverted for that. Before that is decided the failure has to
// be a fresh one: while the controller was away, its cause may have been fixed.
func Reverts(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus, now time.Time) bool {
	if spec == nil || spec.OnFailure == v1alpha1.AnalysisAlert || status == nil || status.Failure == nil {
		return false
	}
	f := status.Failure
	if f.Refused != "" || Alerts(spec, f.Check) || !stillMeant(spec, status, f.Check) {
		return false
	}
	return f.DecidedAt != nil || fresh(spec, status, now)
}

// soonest is how old the last round may be in any case: it takes a moment until what it found is decided on.
const soonest = 10 * time.Second

// fresh says whether the last round is no older than one may be.
func fresh(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus, now time.Time) bool {
	if status.LastRound == nil {
		return false
	}
	age := now.Sub(status.LastRound.Time)
	return age >= 0 && age <= max(intervalOf(spec), soonest)
}

func intervalOf(spec *v1alpha1.AnalysisSpec) time.Duration {
	return ptr.Deref(spec.Interval, metav1.Duration{Duration: time.Minute}).Duration
}

// Unsettled says why the soak must not end by itself: a check failed, or has no result. Empty: every check passed last.
func Unsettled(spec *v1alpha1.AnalysisSpec, status *v1alpha1.AnalysisStatus) (reason, message string) {
	if spec == nil {
		return "", ""
	}
	if status == nil || status.LastRound == nil {
		return v1alpha1.ReasonAnalysisPending, "nothing was checked yet"
	}
	for i := range spec.Checks {
		if name := spec.Checks[i].Name; !stillMeant(spec, status, name) {
			return v1alpha1.ReasonAnalysisPending, fmt.Sprintf("check %s was not made yet as the spec has it now", name)
		}
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
