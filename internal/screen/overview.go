package screen

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// table of cells. The last column takes what room is left; a bound cuts it.
func (p pen) table(head []string, rows [][]string) []string {
	for _, row := range rows {
		for i := range row {
			row[i] = p.clean(row[i])
		}
	}
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		for i, cell := range row {
			if i < len(row)-1 {
				cell = p.pad(cell, widths[i]) + "  "
			}
			b.WriteString(cell)
		}
		return strings.TrimRight(p.cut(b.String(), p.Width), " ")
	}
	lines := []string{p.in(bold, line(head))}
	for _, row := range rows {
		lines = append(lines, line(row))
	}
	return lines
}

// Overview of many upgrades: a line each. Wide adds columns.
func Overview(all []Report, o Options, wide bool) []string {
	p := penOf(o)
	head := []string{"NAMESPACE", "NAME", "SERVES", "STEP", "DONE", "LAG", "ROLLBACK", "SAFE"}
	if wide {
		head = append(head, "GIT WANTS", "POOLERS", "ATTEMPT", "FOR", "FINDINGS", "COMMIT")
	}
	head = append(head, "STATUS")
	rows := make([][]string, 0, len(all))
	for i := range all {
		rows = append(rows, p.row(&all[i], wide))
	}
	return p.table(head, rows)
}

func (p pen) row(r *Report, wide bool) []string {
	none := "-"
	done, lag, back := none, none, "no"
	if c := r.Copy; c != nil && copies(r.Step) {
		done = c.Percent
	} else if r.Workflow == steps.Upgrade {
		_, at := steps.Find(steps.Upgrade, r.Step)
		done = fmt.Sprintf("%d/%d", max(0, at), len(steps.Workflows[steps.Upgrade]))
	}
	if r.Lag != nil && r.Workflow != "" {
		lag = postgres.HumanBytes(r.Lag.Bytes)
	}
	if r.Rollback.Ready {
		back = "ready"
	}
	row := []string{r.Namespace, r.Name, cmp.Or(r.Active, none), cmp.Or(r.Step, none), cmp.Or(done, none), lag, back, levels[r.Safe.Level].word}
	if wide {
		poolers, since, commit := none, none, none
		if r.Poolers != nil {
			poolers = fmt.Sprintf("%d/%d", r.Poolers.Ready, r.Poolers.Total)
		}
		if r.Began != nil {
			since = took(p.Now.Sub(r.Began.Time))
		}
		if n := len(r.Commits); n > 0 && r.Workflow != "" {
			commit = fmt.Sprintf("%.8s %s", r.Commits[n-1].SHA, r.Commits[n-1].Flux)
		}
		row = append(row, cmp.Or(r.Target, none), poolers, fmt.Sprint(r.Attempt), since, fmt.Sprint(len(r.Findings)), commit)
	}
	status := r.Now
	if r.Ready != nil && r.Step != "" {
		status = r.Ready.Message // the step has a column
	}
	return append(row, status)
}

// Line is one line for a change, as a log that goes on has it.
func Line(r Report, o Options) string {
	p := penOf(o)
	what := []string{p.Now.UTC().Format("15:04:05"), r.Namespace + "/" + r.Name, "serves " + cmp.Or(r.Active, "-")}
	if c := r.Copy; c != nil && copies(r.Step) {
		what = append(what, c.Percent)
	}
	if r.Lag != nil && r.Workflow != "" {
		what = append(what, "lag "+postgres.HumanBytes(r.Lag.Bytes))
	}
	if r.Safe.Level != Yes {
		what = append(what, levels[r.Safe.Level].word+": "+r.Safe.Why)
	}
	if p.Notice != "" {
		what = append(what, p.Notice)
	}
	return p.clean(strings.Join(append(what, r.Now), "  "))
}
