// Package report writes what a benchmark measured, beside what a named alternative took in the same run.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
)

// Report of one benchmark.
type Report struct {
	Name    string `json:"name"`
	Commit  string `json:"commit"`
	Machine string `json:"machine"`
	Rows    []Row  `json:"rows"`
}

// Row is one figure of one case. Ratio is Value over Reference, both in Unit; a figure without an alternative has neither.
type Row struct {
	Case          string  `json:"case"`
	Figure        string  `json:"figure"`
	Unit          string  `json:"unit"`
	Value         float64 `json:"value"`
	Reference     float64 `json:"reference"`
	ReferenceName string  `json:"referenceName"`
	Ratio         float64 `json:"ratio"`
}

// New report of the code and the machine that it runs on, in a checkout whose root is given.
func New(name, root string) *Report {
	commit := "unknown"
	if out, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	return &Report{Name: name, Commit: commit, Machine: fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())}
}

// Add a figure that stands for itself.
func (r *Report) Add(what, figure, unit string, value float64) {
	r.Rows = append(r.Rows, Row{Case: what, Figure: figure, Unit: unit, Value: value})
}

// Against adds a figure beside that of an alternative.
func (r *Report) Against(what, figure, unit string, value float64, name string, reference float64) {
	row := Row{Case: what, Figure: figure, Unit: unit, Value: value, Reference: reference, ReferenceName: name}
	if reference != 0 {
		row.Ratio = value / reference
	}
	r.Rows = append(r.Rows, row)
}

// Write it to .cache/bench/<name>.json below root, and as a table to out.
func (r *Report) Write(root string, out io.Writer) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join(root, ".cache", "bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, r.Name+".json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range r.Rows {
		fmt.Fprintf(table, "%s\t%s\t%.4g %s", row.Case, row.Figure, row.Value, row.Unit)
		if row.ReferenceName != "" {
			fmt.Fprintf(table, "\t%s\t%.4g %s\t× %.2f", row.ReferenceName, row.Reference, row.Unit, row.Ratio)
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}
