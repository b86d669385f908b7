package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// report is what .cache/demo/report.json says, and why it may not be as it should.
type report struct {
	From     string         `json:"from"`
	To       string         `json:"to"`
	Steps    []stepReport   `json:"steps"`
	Switches []switchReport `json:"switches"`
	Clients  clientsReport  `json:"clients"`
	Ledger   ledgerReport   `json:"ledger"`
	Commits  []commitReport `json:"commits"`
	Machine  machineReport  `json:"machine"`
	// Slow is what took longer than it does on two cores that are the demo's own. That is said and no failure: another
	// machine, or a busy one, is no fault of what runs on it.
	Slow []string `json:"slow,omitempty"`

	overhead float64
	memory   memoryPeak
	worst    []ledger.Stall
	troubles []string
}

type stepReport struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

type switchReport struct {
	Direction string             `json:"direction"`
	Commit    string             `json:"commit"`
	StallMs   float64            `json:"stallMs"`
	Parts     map[string]float64 `json:"parts"`
}

type clientsReport struct {
	Transactions int `json:"transactions"`
	Errors       int `json:"errors"`
}

type ledgerReport struct {
	Acknowledged int `json:"acknowledged"`
	Found        int `json:"found"`
	Missing      int `json:"missing"`
	Doubled      int `json:"doubled"`
}

type commitReport struct {
	SHA     string `json:"sha"`
	Subject string `json:"subject"`
}

func (r *report) wrong(format string, args ...any) {
	r.troubles = append(r.troubles, fmt.Sprintf(format, args...))
}

func (r *report) slow(format string, args ...any) {
	r.Slow = append(r.Slow, fmt.Sprintf(format, args...))
}

// complaints of the ledger and of clients.
func (r *report) complaints(books ledger.Report, bench, clients []string) {
	for _, problem := range books.Problems {
		r.wrong("ledger: %s", problem)
	}
	for _, complaint := range append(bench, clients...) {
		r.wrong("client: %s", complaint)
	}
}

// addSwitches in the order in which they were made.
func (r *report) addSwitches(records []v1alpha1.SwitchRecord, spans []ledger.Span) error {
	for _, record := range records {
		stall, err := testenv.Stall(spans, record)
		if err != nil {
			return err
		}
		entry := switchReport{Direction: "cutover", StallMs: round(stall.Length().Seconds() * 1000), Parts: map[string]float64{}}
		if record.To == blue {
			entry.Direction = "rollback"
		}
		if record.Commit != nil {
			entry.Commit = record.Commit.SHA
		}
		for part, microseconds := range record.Parts {
			entry.Parts[part] = round(float64(microseconds) / 1000)
		}
		r.Switches, r.worst = append(r.Switches, entry), append(r.worst, stall)
	}
	return nil
}

// addCommits of the fleet, oldest first.
func (r *report) addCommits(ctx context.Context, repository *fleet.Repository) error {
	log, err := repository.Log(ctx, "")
	for i := len(log) - 1; i >= 0; i-- {
		r.Commits = append(r.Commits, commitReport{log[i].SHA, log[i].Subject})
	}
	return err
}

// judge what was measured.
func (r *report) judge() {
	directions := []string{}
	for i, s := range r.Switches {
		directions = append(directions, s.Direction)
		if s.StallMs > maxStallMilliseconds {
			r.slow("switch %d (%s) stalled clients for %.0f ms; %d are usual", i+1, s.Direction, s.StallMs, maxStallMilliseconds)
		}
	}
	if got := strings.Join(directions, ", "); got != "cutover, rollback, cutover" {
		r.wrong("the switches were %q instead of a cutover, a rollback and a cutover", got)
	}
	if r.Clients.Errors > 0 {
		r.wrong("clients saw %d errors", r.Clients.Errors)
	}
	if r.Ledger.Missing+r.Ledger.Doubled > 0 || r.Ledger.Found != r.Ledger.Acknowledged || r.Ledger.Acknowledged == 0 {
		r.wrong("the ledger does not balance: %+v", r.Ledger)
	}
	if r.overhead > maxOverheadSeconds {
		r.slow("from merge to cutover %.0f s passed beyond the copying itself; %d are usual", r.overhead, maxOverheadSeconds)
	}
	if r.memory.controller > maxControllerMiB || r.memory.agent > maxAgentMiB {
		r.wrong("memory: controller %.0f MiB (at most %d), agent %.0f MiB (at most %d)", r.memory.controller, maxControllerMiB, r.memory.agent, maxAgentMiB)
	}
}

func (r *report) write(file string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(content, '\n'), 0o644)
}

// table for people.
func (r *report) table() string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-28s %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "\nPostgreSQL %s → %s\n\n", r.From, r.To)
	for _, s := range r.Steps {
		row(s.Name, "%7.1f s", s.Seconds)
	}
	row("merge to cutover, less copying", "%7.1f s", r.overhead)
	b.WriteString("\n")
	for i, s := range r.Switches {
		row(s.Direction+" "+s.Commit[:min(8, len(s.Commit))], "clients stalled %4.0f ms (worst transaction %.0f ms, longest in flight %.0f ms); %s", s.StallMs,
			r.worst[i].Worst.Seconds()*1000, r.worst[i].InFlight.Seconds()*1000, parts(s.Parts))
	}
	b.WriteString("\n")
	row("client transactions", "%d, errors %d", r.Clients.Transactions, r.Clients.Errors)
	row("acknowledged writes", "%d, found %d, missing %d, doubled %d", r.Ledger.Acknowledged, r.Ledger.Found, r.Ledger.Missing, r.Ledger.Doubled)
	row("memory at its highest", "controller %.0f MiB, agent %.0f MiB", r.memory.controller, r.memory.agent)
	row("machine", "%d cores, %.0f%% busy, of which %.0f%% taken by its host", r.Machine.Cores, r.Machine.BusyPercent, r.Machine.TakenPercent)
	return b.String()
}

func round(x float64) float64 { return math.Round(x*10) / 10 }
