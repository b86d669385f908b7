package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// report is what report.json says of a run, as of the last check of each fleet.
type report struct {
	Seed         uint64  `json:"seed"`
	Switches     int     `json:"switches"`
	Faults       int     `json:"faults"`
	Acknowledged int     `json:"acknowledged"`
	Missing      int     `json:"missing"`
	Doubled      int     `json:"doubled"`
	SplitBrain   int     `json:"splitBrain"`
	WorstHoldMs  float64 `json:"worstHoldMs"`

	// WorstStallMs is the longest that a client's transaction was delayed by a switch.
	WorstStallMs float64 `json:"worstStallMs"`
	// Attempts at a switch that were undone: clients went on where they were.
	Undone int `json:"undone"`
	// Refused writes, as servers were killed, and those whose answer was lost.
	Refused int `json:"refused"`
	Unknown int `json:"unknown"`
	// OtherFaults that the ledger knows: ghosts, torn transactions, stale reads, reused values.
	OtherFaults int `json:"otherFaults"`

	Fleets          int            `json:"fleets"`
	DurationSeconds float64        `json:"durationSeconds"`
	Moves           map[string]int `json:"moves"`
	FaultsByName    map[string]int `json:"faultsByName"`
	Commit          string         `json:"commit"`
	Began           time.Time      `json:"began"`
	Failure         string         `json:"failure,omitempty"`
}

// holdLimit of PgProxy's default, which the fleets keep.
const holdLimit = 10 * time.Second

func (r *run) report(checkout string, failure error) report {
	all := report{Seed: r.options.seed, Fleets: r.options.fleets, Began: r.began.UTC(), DurationSeconds: time.Since(r.began).Seconds(),
		Commit: commitOf(checkout), Moves: map[string]int{}, FaultsByName: map[string]int{}}
	if failure != nil {
		all.Failure = failure.Error()
	}
	for move, n := range r.moves {
		all.Moves[string(move)] = n
	}
	for fault, n := range r.faults {
		all.FaultsByName[string(fault)] = n
		all.Faults += n
	}
	for _, t := range r.tenants {
		all.add(t)
	}
	return all
}

// add one fleet.
func (r *report) add(t *tenant) {
	checkpoints := t.checkpoints.report
	r.Acknowledged += checkpoints.Acknowledged
	r.Missing += checkpoints.Missing
	r.Doubled += checkpoints.Doubled
	r.SplitBrain += checkpoints.SplitBrain
	r.OtherFaults += checkpoints.Ghosts + checkpoints.Torn + checkpoints.Reused + checkpoints.Stale
	r.Refused += checkpoints.Transactions[ledger.Refused.String()]
	r.Unknown += checkpoints.Transactions[ledger.Unknown.String()]
	r.WorstHoldMs = max(r.WorstHoldMs, t.checkpoints.longestHold)
	if t.traffic == nil {
		return
	}
	spans := ledger.Spans(t.traffic.History())
	for _, record := range t.traffic.Records.All() {
		if record.Outcome == "Switched" {
			r.Switches++
		} else {
			r.Undone++
		}
		r.WorstHoldMs = max(r.WorstHoldMs, float64(record.HeldMicroseconds)/1000)
		if stall, err := testenv.Stall(spans, record); err == nil && record.Outcome == "Switched" {
			r.WorstStallMs = max(r.WorstStallMs, stall.Length().Seconds()*1000)
		}
	}
}

// judge the run by what Gitover promises.
func (r report) judge() error {
	switch {
	case r.Missing+r.Doubled+r.SplitBrain+r.OtherFaults > 0:
		return fmt.Errorf("%d writes are missing, %d doubled, %d times two servers accepted writes, %d other faults", r.Missing, r.Doubled, r.SplitBrain, r.OtherFaults)
	case r.Switches == 0 || r.Acknowledged == 0:
		return fmt.Errorf("%d switches under %d acknowledged writes prove nothing: the run was too short", r.Switches, r.Acknowledged)
	case r.WorstHoldMs > holdLimit.Seconds()*1000:
		return fmt.Errorf("clients were held for %.0f ms, longer than the limit of %v", r.WorstHoldMs, holdLimit)
	}
	return nil
}

func (r report) write(dir string, h *history) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "history.txt"), []byte(h.text()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "report.json"), append(content, '\n'), 0o644)
}

// table for people.
func (r report) table() string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-24s %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "\nseed %d, %d fleets, %.1f min, commit %s\n\n", r.Seed, r.Fleets, r.DurationSeconds/60, r.Commit)
	row("switches", "%d (%.1f a minute), %d attempts undone", r.Switches, float64(r.Switches)/r.DurationSeconds*60, r.Undone)
	row("acknowledged writes", "%d, missing %d, doubled %d, other faults %d", r.Acknowledged, r.Missing, r.Doubled, r.OtherFaults)
	row("transactions refused", "%d, unknown %d", r.Refused, r.Unknown)
	row("split brain", "%d", r.SplitBrain)
	row("worst hold, worst stall", "%.0f ms, %.0f ms", r.WorstHoldMs, r.WorstStallMs)
	row("moves", "%s", counts(r.Moves))
	row("faults", "%d", r.Faults)
	for _, name := range byCount(r.FaultsByName) {
		row("", "%3d  %s", r.FaultsByName[name], name)
	}
	return b.String()
}

func byCount(m map[string]int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
}

func counts(m map[string]int) string {
	var all []string
	for _, name := range byCount(m) {
		all = append(all, fmt.Sprintf("%d %s", m[name], name))
	}
	return strings.Join(all, ", ")
}

// commitOf the checkout, marked if it has other changes.
func commitOf(checkout string) string {
	out, err := exec.Command("git", "-C", checkout, "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
