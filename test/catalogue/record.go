package catalogue

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Report is .cache/catalogue/report.json.
type Report struct {
	mu       sync.Mutex
	Schemas  []*record `json:"schemas"`
	Moves    []Move    `json:"moves"`
	Versions []int     `json:"versions"`
	Failures []Failure `json:"failures"`
}

// Move of one schema from one version to another, with three switches.
type Move struct {
	Schema  string  `json:"schema"`
	Move    string  `json:"move"`
	Seconds float64 `json:"seconds"`
}

// Failure is one thing that went wrong, and where.
type Failure struct {
	Schema string `json:"schema"`
	Move   string `json:"move"`
	What   string `json:"what"`
}

// record is what is known of one schema.
type record struct {
	report     *Report
	Name       string            `json:"name"`
	Package    string            `json:"package"`
	Version    string            `json:"version"`
	License    string            `json:"license"`
	Tables     int               `json:"tables"`
	Rows       int               `json:"rows"`
	Statements int               `json:"statements"`
	Switches   int               `json:"switches"`
	WorstHold  float64           `json:"worstHoldMilliseconds"`
	Unfilled   map[string]string `json:"unfilled,omitempty"`
	// Exhausted are statements that found no values any more which the server would take.
	Exhausted []string `json:"exhausted,omitempty"`
}

func (r *Report) of(s schema) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := &record{report: r, Name: s.name, Package: s.source.String(), License: s.license, Unfilled: map[string]string{}}
	r.Schemas = append(r.Schemas, one)
	return one
}

// resume takes over what an earlier run's report has of schemas that went all their way, with so many moves, without a failure.
func (r *Report) resume(path string, moves func(schema string) int) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var earlier Report
	if err := json.Unmarshal(content, &earlier); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, one := range earlier.Schemas {
		of := func(m Move) bool { return m.Schema == one.Name }
		if slices.ContainsFunc(earlier.Failures, func(f Failure) bool { return f.Schema == one.Name }) {
			continue
		}
		made := slices.DeleteFunc(slices.Clone(earlier.Moves), func(m Move) bool { return !of(m) })
		if len(made) == moves(one.Name) {
			one.report = r
			r.Schemas, r.Moves = append(r.Schemas, one), append(r.Moves, made...)
		}
	}
	return nil
}

// has a schema been through?
func (r *Report) has(schema string) bool {
	return slices.ContainsFunc(r.Schemas, func(one *record) bool { return one.Name == schema })
}

func (r *record) found(version string)     { r.Version = version }
func (r *record) filled(tables, rows int)  { r.Tables, r.Rows = tables, rows }
func (r *record) unfilled(table, w string) { r.Unfilled[table] = w }
func (r *record) wrote(statements int)     { r.Statements += statements }

func (r *record) exhausted(move string, sentences []string) {
	for _, s := range sentences {
		r.Exhausted = append(r.Exhausted, move+": "+s)
	}
}

func (r *record) switched(held time.Duration) {
	r.Switches++
	r.WorstHold = max(r.WorstHold, float64(held.Microseconds())/1000)
}

func (r *record) moved(move string, took time.Duration) {
	r.report.mu.Lock()
	defer r.report.mu.Unlock()
	r.report.Moves = append(r.report.Moves, Move{r.Name, move, took.Round(10 * time.Millisecond).Seconds()})
}

func (r *record) failed(move, what string) {
	r.report.mu.Lock()
	defer r.report.mu.Unlock()
	r.report.Failures = append(r.report.Failures, Failure{r.Name, move, what})
}

// failures of this schema so far.
func (r *record) failures() (n int) {
	r.report.mu.Lock()
	defer r.report.mu.Unlock()
	for _, f := range r.report.Failures {
		if f.Schema == r.Name {
			n++
		}
	}
	return n
}

// write the report, in a stable order.
func (r *Report) write(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Failures == nil {
		r.Failures = []Failure{}
	}
	slices.SortFunc(r.Schemas, func(a, b *record) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(r.Moves, func(a, b Move) int { return strings.Compare(a.Schema, b.Schema) })
	slices.SortStableFunc(r.Failures, func(a, b Failure) int { return strings.Compare(a.Schema, b.Schema) })
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644)
}
