package screen

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Draw the lines of a screen, without line ends. None is longer than the width, and there are no more than the height.
func Draw(r Report, o Options) []string {
	p := penOf(o)
	running := r.Workflow != ""
	sections := []section{
		{lines: []string{p.title(&r)}, least: 1, whole: true},
		{label: "Now", lines: p.told(r.Now, 3), least: 1, rank: 60},
		{label: "Safe", lines: p.safe(r.Safe), least: 1, rank: 70},
		{label: "To do", lines: p.todoLines(r.ToDo), least: 1, rank: 75},
		{label: "Plan", lines: p.plan(&r), least: 1, rank: 57, items: true},
		{label: "Findings", lines: p.findings(r.Findings, p.blocks(&r)), least: 0, rank: rankOf(p.blocks(&r), 55, 20), items: true},
		{lines: p.grid(r.Phases), least: 7, rank: 50, gap: true, whole: true},
		{label: "Copy", lines: p.copying(&r), least: 1, rank: 80, gap: true},
		{label: "Compare", lines: p.comparing(&r), least: 1, rank: 80},
		{label: "Lag", lines: p.lag(&r), least: 1, rank: 65},
		{label: "Switching", lines: p.switching(&r), least: 1, rank: 80},
		{label: "Commits", lines: p.commits(r.Commits), least: rankOf(running, 1, 0), rank: 40, items: true, gap: !running},
		{label: "Switches", lines: p.switches(r.Switches), least: 0, rank: 30, items: true},
		{label: "Analysis", lines: p.analysis(&r), least: 1, rank: 57, items: true},
		{label: "Rollback", lines: p.rollback(&r), least: 1, rank: 58},
		{label: "History", lines: p.history(r.History), least: 0, rank: 10, items: true},
		{label: "Note", lines: p.notes(&r), least: 0, rank: 45},
	}
	return p.fit(sections)
}

func rankOf(yes bool, high, low int) int {
	if yes {
		return high
	}
	return low
}

// text is how wide text beside a label may be.
func (p pen) text() int { return max(0, p.Width-labelWidth) }

// told wraps words; lines that are bound are few, those that aren't are all of it.
func (p pen) told(text string, most int) []string {
	if p.Height <= 0 {
		most = 0
	}
	return p.wrap(text, p.text(), most)
}

func (p pen) title(r *Report) string {
	name := r.Name
	if r.Namespace != "" {
		name = r.Namespace + "/" + r.Name
	}
	what := "PostgreSQL " + cmp.Or(r.Version, "?")
	if r.Workflow != "" {
		what = fmt.Sprintf("%s %s %s %s", r.Workflow, r.From, p.arrow, r.To)
		if r.Attempt > 1 {
			what += fmt.Sprintf(", attempt %d", r.Attempt)
		}
		if r.Began != nil {
			what += ", for " + took(p.Now.Sub(r.Began.Time))
		}
	}
	right := p.Now.UTC().Format("15:04:05 UTC")
	left := p.in(bold, p.clean(name)) + "  " + p.clean(what)
	if p.Width <= 0 {
		return left + "  " + right
	}
	return p.pad(left, p.Width-len(right)-2) + "  " + p.in(dim, right)
}

var levels = map[Level]struct {
	ink  ink
	word string
}{Yes: {good, "yes"}, Careful: {warn, "careful"}, No: {bad, "NO"}, Unknown: {warn, "unknown"}}

func (p pen) safe(v Verdict) []string {
	level := levels[v.Level]
	mark := map[Level]string{Yes: p.done, Careful: p.warning, No: p.bad, Unknown: "?"}[v.Level]
	return p.headed(level.ink, mark+" "+level.word, v.Why)
}

func (p pen) todoLines(t ToDo) []string {
	if !t.Must {
		return p.told(t.What, 2)
	}
	return p.headed(warn, p.warning, t.What)
}

// headed words: a colored head, then the rest.
func (p pen) headed(i ink, head, rest string) []string {
	separator := " "
	if strings.Contains(head, " ") {
		separator = ": "
	}
	lines := p.told(head+separator+rest, 2)
	if after, found := strings.CutPrefix(lines[0], head); found {
		lines[0] = p.in(i, head) + after
	}
	return lines
}

// blocks says whether nothing matters but the findings.
func (p pen) blocks(r *Report) bool {
	return r.Ready != nil && r.Ready.Reason == v1alpha1.ReasonPreflightBlocked
}

// grid of the steps: a column for each phase.
func (p pen) grid(phases []Phase) []string {
	if len(phases) == 0 {
		return nil
	}
	rows := 0
	for _, phase := range phases {
		rows = max(rows, len(phase.Steps))
	}
	if rows > 7 && p.Height > 0 { // a column holds what has room: the last of it
		rows = 7
	}
	width := 26
	if p.Width > 0 {
		width = min(p.Width/max(3, len(phases)), 40)
	}
	lines := make([]string, rows)
	for _, phase := range phases {
		steps := phase.Steps[max(0, len(phase.Steps)-rows):]
		for i := range lines {
			cell := ""
			if i < len(steps) {
				cell = p.cell(steps[i], width-1)
			}
			lines[i] += p.pad(cell, width)
		}
	}
	return lines
}

func (p pen) cell(s Step, width int) string {
	mark, i := p.todo, dim
	switch s.State {
	case Done:
		mark, i = p.done, good
	case Running:
		mark, i = p.running, busy
	case Waiting:
		mark, i = p.waiting, warn
	case Todo:
	}
	took := p.course(s)
	name := p.pad(p.clean(s.Name), max(1, width-ansi.StringWidth(took)-3))
	if s.State == Running || s.State == Waiting {
		name = p.in(bold, name)
	}
	return p.in(i, mark) + " " + name + " " + p.in(dim, took)
}

// course is how long a step took, or takes by now.
func (p pen) course(s Step) string {
	switch {
	case s.StartedAt == nil || s.State == Todo:
		return ""
	case s.FinishedAt != nil:
		return took(s.FinishedAt.Sub(s.StartedAt.Time))
	case s.State == Done: // it was left, not finished
		return ""
	}
	return took(p.Now.Sub(s.StartedAt.Time))
}

func (p pen) rollback(r *Report) []string {
	b := r.Rollback
	switch {
	case b.Ready && b.Until != nil && b.Until.After(p.Now):
		return p.headed(good, p.done+" ready", fmt.Sprintf("until %s, in %s; %s", p.clock(b.Until.Time), took(b.Until.Sub(p.Now)), b.Message))
	case b.Ready:
		return p.headed(good, p.done+" ready", b.Message)
	case b.Reason == v1alpha1.ReasonRollbackUnavailable:
		return p.told("none: "+cmp.Or(b.Message, b.Reason), 1)
	}
	return p.headed(bad, p.bad+" not ready ("+b.Reason+")", b.Message)
}

func (p pen) notes(r *Report) []string {
	notes := append([]string{}, r.Unreadable...)
	if r.ProxyReady != nil && r.ProxyReady.Status != metav1.ConditionTrue && !strings.Contains(r.Safe.Why+r.Now, r.ProxyReady.Message) {
		notes = append(notes, fmt.Sprintf("PgProxy: %s: %s", r.ProxyReady.Reason, r.ProxyReady.Message))
	}
	if p.Notice != "" {
		notes = append(notes, p.Notice)
	}
	if len(notes) == 0 {
		return nil
	}
	return p.told(strings.Join(notes, "; "), 2)
}
