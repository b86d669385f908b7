package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// barWidth of a bar beside words.
const barWidth = 20

// copying is the bar of the copy, with its rate and when it ends; once it is over, what it came to.
func (p pen) copying(r *Report) []string {
	c := r.Copy
	if c == nil || r.Workflow != steps.Upgrade {
		return nil
	}
	tables := fmt.Sprintf("%d of %d tables", c.TablesCopied, c.TablesTotal)
	if c.TablesTotal == 0 {
		tables = "of the data directory"
	}
	if !copies(r.Step) {
		return []string{fmt.Sprintf("%s, %s at %s/s", postgres.HumanBytes(c.BytesCopied), tables, postgres.HumanBytes(c.BytesPerSecond))}
	}
	part := 0.0
	if c.BytesTotal > 0 {
		part = float64(c.BytesCopied) / float64(c.BytesTotal)
	}
	line := fmt.Sprintf("%s %3.0f%%  %s/s%s", p.bar(part, barWidth), 100*part, postgres.HumanBytes(c.BytesPerSecond), p.eta(c.ETA))
	more := fmt.Sprintf("%s of %s, %s", postgres.HumanBytes(c.BytesCopied), postgres.HumanBytes(c.BytesTotal), tables)
	if c.Failures > 0 {
		more += fmt.Sprintf("; failed %d times and was repeated", c.Failures)
	}
	return []string{line, more}
}

// eta in words; nothing if it isn't known.
func (p pen) eta(at *metav1.Time) string {
	if at == nil {
		return ""
	}
	left := at.Sub(p.Now)
	if left <= 0 {
		return ", about done"
	}
	return fmt.Sprintf(", %s left, done about %s", took(left), p.clock(at.Time))
}

func (p pen) comparing(r *Report) []string {
	c := r.Comparing
	if c == nil {
		return nil
	}
	rows := fmt.Sprintf("%d rows in %d tables", c.Found.Rows, c.Found.Tables)
	if c.RowsExpected <= 0 {
		return []string{rows}
	}
	part := float64(c.Found.Rows) / float64(c.RowsExpected)
	return []string{fmt.Sprintf("%s %3.0f%%  %s%s", p.bar(part, barWidth), 100*min(1, part), rows, p.eta(c.ETA))}
}

func (p pen) lag(r *Report) []string {
	l := r.Lag
	if l == nil || r.Workflow == "" {
		return nil
	}
	i, limit := good, ""
	if r.LagLimit > 0 {
		limit = ", limit " + postgres.HumanBytes(r.LagLimit)
		if l.Bytes > r.LagLimit {
			i = warn
		}
	}
	line := p.in(i, postgres.HumanBytes(l.Bytes)) + limit + " at " + p.clock(l.At.Time)
	if since := l.UnderLimitSince; since != nil && l.Bytes <= r.LagLimit {
		line += ", below it for " + took(p.Now.Sub(since.Time))
	}
	if len(p.Lags) > 1 {
		line = p.sparkline(p.Lags, barWidth) + "  " + line
	}
	return []string{line}
}

// analysis of the soak: what the condition says, and a line for each check.
func (p pen) analysis(r *Report) []string {
	c := r.AnalysisPassed
	if c == nil {
		return nil
	}
	mark, i := "?", warn
	switch c.Status {
	case metav1.ConditionTrue:
		mark, i = p.done, good
	case metav1.ConditionFalse:
		mark, i = p.bad, bad
	case metav1.ConditionUnknown:
	}
	if r.Analysis == nil || len(r.Analysis.Checks) == 0 {
		return p.headed(i, mark+" "+c.Reason, c.Message)
	}
	lines := []string{p.in(i, mark+" "+c.Reason)} // the checks say the rest
	if r.Analysis.Failure != nil || c.Status == metav1.ConditionTrue {
		lines = p.headed(i, mark+" "+c.Reason, c.Message)
	}
	for _, check := range r.Analysis.Checks {
		mark, i := p.done, good
		switch check.Verdict {
		case v1alpha1.CheckFailed:
			mark, i = p.bad, bad
		case v1alpha1.CheckUnknown:
			mark, i = "?", warn
		}
		text := fmt.Sprintf("%s: %s, wanted is %s", check.Name, check.Value, check.Wanted)
		switch {
		case check.Verdict == v1alpha1.CheckUnknown:
			text = fmt.Sprintf("%s: %s", check.Name, check.Message)
		case check.Failures > 0:
			text += fmt.Sprintf("; failed %d times in a row of %d", check.Failures, check.Threshold)
		}
		lines = append(lines, p.item(p.in(i, mark)+" "+p.clean(text))...)
	}
	return lines
}

// parts of a switch in their order, by what is done while traffic is held.
var (
	heldParts  = []string{"hold", "fence", "drain", "sequences", "copy", "flip", "decide", "open", "resume"}
	otherParts = []string{"prepare", "finish"}
)

// switching is a switch in progress.
func (p pen) switching(r *Report) []string {
	s := r.Switch
	if s == nil {
		return nil
	}
	line := fmt.Sprintf("%s %s %s: %s, for %s", s.From, p.arrow, s.To, s.Phase, took(p.Now.Sub(s.StartedAt.Time)))
	if s.HeldSince != nil {
		line += fmt.Sprintf(", held since %s", s.HeldSince.UTC().Format("15:04:05.000"))
	}
	return []string{p.in(busy, p.clean(line))}
}

// switches that ended, newest first, with their anatomy.
func (p pen) switches(all []v1alpha1.SwitchRecord) []string {
	var lines []string
	for i, s := range all {
		if i == 1 && p.Height > 0 {
			lines[0] += fmt.Sprintf("%s%d more", moreMark, len(all)-1)
			break
		}
		lines = append(lines, p.switched(s)...)
	}
	return lines
}

// switched is one switch: what it did, and the milliseconds of its parts.
func (p pen) switched(s v1alpha1.SwitchRecord) []string {
	mark, i, what := p.done, good, fmt.Sprintf("held %s ms", milliseconds(s.HeldMicroseconds))
	if s.Outcome != "Switched" {
		mark, i, what = p.bad, warn, strings.ToLower(s.Outcome)+": "+p.clean(s.Reason)
	}
	head := p.clean(fmt.Sprintf("%s %s %s  %s", s.From, p.arrow, s.To, p.clock(s.FinishedAt.Time)))
	lines := p.item(p.in(i, mark) + " " + head + "  " + what)
	if anatomy := anatomy(s.Parts); anatomy != "" {
		for _, line := range p.told(anatomy, 2) {
			lines = append(lines, p.in(dim, line))
		}
	}
	return lines
}

func anatomy(parts map[string]int64) string {
	say := func(names []string) (said []string) {
		for _, name := range names {
			if us := parts[name]; us >= 50 {
				said = append(said, name+" "+milliseconds(us))
			}
		}
		return said
	}
	held, others := say(heldParts), say(otherParts)
	return strings.Join(slices.Concat(held, bracket(others)), " ")
}

// bracket what was done while no client waited.
func bracket(said []string) []string {
	if len(said) == 0 {
		return nil
	}
	return []string{"(" + strings.Join(said, " ") + ")"}
}

// plan that a person is to approve, by its digest's beginning as `gitover approve --plan` takes it, and its items where there's room.
func (p pen) plan(r *Report) []string {
	if r.Plan == nil {
		return nil
	}
	head := fmt.Sprintf("%.12s, %d items", r.Plan.Digest, len(r.Plan.Items))
	if p.Height > 0 {
		return p.told(head+": "+strings.Join(r.Plan.Items, "; "), 2)
	}
	lines := []string{head}
	for _, item := range r.Plan.Items {
		lines = append(lines, p.item(p.clean(item))...)
	}
	return lines
}

// findings in full where they block or there is room, in a word otherwise.
func (p pen) findings(all []v1alpha1.Finding, block bool) []string {
	if !block && p.Height > 0 && len(all) > 0 {
		var said []string
		for _, severity := range []string{"Block", "Warn", "Info"} {
			n := 0
			for _, f := range all {
				if f.Severity == severity {
					n += int(max(1, f.Count))
				}
			}
			if n > 0 {
				said = append(said, fmt.Sprintf("%d %s", n, strings.ToLower(severity)))
			}
		}
		return []string{strings.Join(said, ", ") + "; -o wide lists them"}
	}
	var lines []string
	for _, f := range all {
		mark, i := p.todo, dim
		switch {
		case f.Acknowledged:
			mark = p.done
		case f.Severity == "Block":
			mark, i = p.bad, bad
		case f.Severity == "Warn":
			mark, i = p.warning, warn
		}
		text := f.Name
		if where := strings.Trim(f.Database+" "+f.Object, " "); where != "" {
			text += "  " + where
		}
		if f.Count > 1 {
			text += fmt.Sprintf(" and %d more", f.Count-1)
		}
		if fix := f.Fix; fix != "" {
			text += ": " + fix
		}
		lines = append(lines, p.item(p.in(i, mark)+" "+p.clean(text))...)
	}
	return lines
}

var fluxInks = map[string]ink{"applied": good, "applying": busy, "fetched": busy, "committed": dim, "unknown": dim}

// commits of the run, newest first.
func (p pen) commits(all []Commit) []string {
	var lines []string
	for _, c := range slices.Backward(all) {
		state := c.Flux
		if c.AppliedAt != nil {
			state += " " + p.clock(c.AppliedAt.Time)
		}
		text := fmt.Sprintf("%s %s  ", p.short(c.SHA), p.pad(p.clean(c.Step), 17)) + p.in(fluxInks[c.Flux], state)
		if detail := p.clean(c.Detail); detail != "" {
			text += ": " + detail
		}
		lines = append(lines, p.item(text+"  "+p.in(dim, p.clean(c.Subject)))...)
	}
	return lines
}

// history of runs that ended, newest first.
func (p pen) history(all []v1alpha1.HistoryEntry) []string {
	var lines []string
	for _, h := range all {
		line := fmt.Sprintf("%s %s %s  %s %s", h.From, p.arrow, h.To, h.Outcome, p.clock(h.FinishedAt.Time))
		if d := lasted(h); d > 0 {
			line += ", took " + took(d)
		}
		lines = append(lines, p.clean(line))
	}
	return lines
}

func lasted(h v1alpha1.HistoryEntry) time.Duration {
	if h.StartedAt == nil {
		return 0
	}
	return h.FinishedAt.Sub(h.StartedAt.Time)
}
