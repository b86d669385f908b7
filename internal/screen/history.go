package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// Past is what has been: runs and switches, newest first.
type Past struct {
	Runs     []PastRun               `json:"runs"`
	Switches []v1alpha1.SwitchRecord `json:"switches"`
}

// PastRun is a run that ended, or the one in progress.
type PastRun struct {
	From     string                  `json:"from"`
	To       string                  `json:"to"`
	Outcome  string                  `json:"outcome"`
	Attempts int32                   `json:"attempts,omitempty"`
	Began    *metav1.Time            `json:"began,omitempty"`
	Ended    *metav1.Time            `json:"ended,omitempty"`
	Commits  []v1alpha1.CommitStatus `json:"commits,omitempty"`
	AskedBy  *v1alpha1.Commit        `json:"askedBy,omitempty"`
	TakenBy  *v1alpha1.Commit        `json:"takenBackBy,omitempty"`
}

// PastOf an upgrade, as its status and the PgProxy's remember it.
func PastOf(o Objects) Past {
	s := &o.Upgrade.Status
	var past Past
	if s.Workflow != "" {
		past.Runs = append(past.Runs, PastRun{From: s.From, To: s.To, Outcome: "in progress: " + s.Workflow + "/" + s.Step, Attempts: s.Attempt,
			Began: began(s), Commits: s.Commits, AskedBy: s.RequestedBy, TakenBy: s.RolledBack})
	}
	for i := range s.History {
		h := &s.History[i]
		past.Runs = append(past.Runs, PastRun{From: h.From, To: h.To, Outcome: h.Outcome, Attempts: h.Attempts, Began: h.StartedAt, Ended: &h.FinishedAt, Commits: h.Commits})
	}
	if o.Proxy != nil {
		past.Switches = o.Proxy.Status.Switches
	}
	return past
}

// History draws it.
func History(past Past, o Options) []string {
	p := penOf(o)
	if len(past.Runs)+len(past.Switches) == 0 {
		return []string{"nothing has been yet"}
	}
	var lines []string
	if len(past.Runs) > 0 {
		rows := make([][]string, 0, len(past.Runs))
		for _, r := range past.Runs {
			rows = append(rows, p.ranRow(r))
		}
		lines = p.table([]string{"BEGAN", "ENDED", "TOOK", "FROM", "TO", "CUTOVERS", "OUTCOME"}, rows)
	}
	if commits := p.committed(past.Runs); len(commits) > 0 {
		lines = append(append(lines, ""), p.table([]string{"COMMIT", "STEP", "APPLIED", "SUBJECT"}, commits)...)
	}
	if len(past.Switches) > 0 {
		rows := make([][]string, 0, len(past.Switches))
		for _, s := range past.Switches {
			rows = append(rows, p.switchRow(s))
		}
		lines = append(append(lines, ""), p.table([]string{"SWITCHED", "FROM", "TO", "OUTCOME", "HELD MS", "ASKED BY", "SUBJECT"}, rows)...)
	}
	return lines
}

func (p pen) ranRow(r PastRun) []string {
	began, ended, lasts := "-", "-", "-"
	if r.Began != nil {
		began = p.clock(r.Began.Time)
		lasts = took(cmp.Or(r.Ended, &metav1.Time{Time: p.Now}).Sub(r.Began.Time))
	}
	if r.Ended != nil {
		ended = p.clock(r.Ended.Time)
	}
	outcome := r.Outcome
	if by := r.TakenBy; by != nil {
		outcome += fmt.Sprintf(", taken back by %s in %.8s", by.Author, by.SHA)
	}
	return []string{began, ended, lasts, r.From, r.To, fmt.Sprint(cutovers(r.Commits)), outcome}
}

func cutovers(commits []v1alpha1.CommitStatus) (n int) {
	for _, c := range commits {
		if c.Step == steps.CommitCutover {
			n++
		}
	}
	return n
}

func (p pen) committed(runs []PastRun) (rows [][]string) {
	for _, r := range runs {
		for _, c := range slices.Backward(r.Commits) {
			applied := "not yet"
			if c.AppliedAt != nil {
				applied = p.clock(c.AppliedAt.Time)
			}
			rows = append(rows, []string{p.short(c.SHA), c.Step, applied, c.Subject})
		}
		if by := r.AskedBy; by != nil {
			rows = append(rows, []string{p.short(by.SHA), "asked for it", "-", by.Subject + " (" + by.Author + ")"})
		}
	}
	return rows
}

func (p pen) switchRow(s v1alpha1.SwitchRecord) []string {
	by, subject := "-", ""
	if c := s.Commit; c != nil {
		by, subject = p.short(c.SHA), c.Subject
		if c.Author != "" {
			subject += " (" + c.Author + ")"
		}
	}
	outcome := s.Outcome
	if s.Reason != "" {
		outcome, subject = outcome+"!", strings.TrimSpace(subject+"; "+s.Reason)
	}
	return []string{p.clock(s.FinishedAt.Time), s.From, s.To, outcome, milliseconds(s.HeldMicroseconds), by, subject}
}
