// Package findings shows what a preflight found, to people and to programs.
package findings

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/gitover/gitover/steps/postgres/preflight"
)

// Outputs by name.
var Outputs = map[string]func(out io.Writer, target string, findings []preflight.Finding) error{
	"table": Table, "json": JSON, "markdown": Markdown, "junit": JUnit,
}

// alike are the findings of one rule in one database, in the order of the first ones.
func alike(findings []preflight.Finding) (groups [][]preflight.Finding) {
	type group struct{ name, database, severity string }
	at := map[group]int{}
	for _, f := range findings {
		g := group{f.Name, f.Database, standing(f)}
		i, known := at[g]
		if !known {
			i, at[g] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// standing of a finding in one word.
func standing(f preflight.Finding) string {
	if f.Acknowledged && f.Severity == preflight.Block {
		return "acknowledged"
	}
	return f.Severity
}

// eachShown are the findings that people see of a group; more are counted.
const eachShown = 3

// Table is for a terminal.
func Table(out io.Writer, target string, findings []preflight.Finding) error {
	var b strings.Builder
	for _, group := range alike(findings) {
		for i, f := range group {
			if i == eachShown {
				fmt.Fprintf(&b, "%-6s %s %s and %d more; -o json names each of them\n", standing(f), f.Name, f.Database, len(group)-i)
				break
			}
			fmt.Fprintf(&b, "%-6s %s %s %s\n       %s\n", standing(f), f.Name, f.Database, f.Object, f.Why)
			if f.Fix != "" {
				fmt.Fprintf(&b, "       → %s\n", f.Fix)
			}
		}
	}
	if preflight.Blocking(findings) == 0 {
		fmt.Fprintf(&b, "%d findings, none blocks the upgrade to %s\n", len(findings), target)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// Finding as programs read it.
type Finding struct {
	Name         string `json:"name"`
	Severity     string `json:"severity"`
	Database     string `json:"database,omitempty"`
	Object       string `json:"object,omitempty"`
	Why          string `json:"why,omitempty"`
	Fix          string `json:"fix,omitempty"`
	Acknowledged bool   `json:"acknowledged,omitempty"`
}

// List of findings as programs read them; empty, not nil, if there's none.
func List(findings []preflight.Finding) []Finding {
	list := make([]Finding, 0, len(findings))
	for _, f := range findings {
		list = append(list, Finding{f.Name, f.Severity, f.Database, f.Object, f.Why, f.Fix, f.Acknowledged})
	}
	return list
}

// JSON has every finding.
func JSON(out io.Writer, target string, findings []preflight.Finding) error {
	report := struct {
		Target   string    `json:"target"`
		Blocking int       `json:"blocking"`
		Findings []Finding `json:"findings"`
	}{target, preflight.Blocking(findings), List(findings)}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}

// cell escapes characters of a name that would end a table's cell or line.
var cell = strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "`", "'")

// Markdown is for a pull request.
func Markdown(out io.Writer, target string, findings []preflight.Finding) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d findings, %d block the upgrade to PostgreSQL %s.\n\n| severity | finding | database | object | why | fix |\n|---|---|---|---|---|---|\n",
		len(findings), preflight.Blocking(findings), target)
	for _, group := range alike(findings) {
		for i, f := range group {
			if i == eachShown {
				fmt.Fprintf(&b, "| %s | `%s` | %s | and %d more | | |\n", standing(f), f.Name, cell.Replace(f.Database), len(group)-i)
				break
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | `%s` |\n", standing(f), f.Name, cell.Replace(f.Database), cell.Replace(f.Object), cell.Replace(f.Why), cell.Replace(f.Fix))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// JUnit has a test for each finding, which fails if that blocks.
func JUnit(out io.Writer, target string, findings []preflight.Finding) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type test struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *failure `xml:"failure,omitempty"`
		Output  string   `xml:"system-out,omitempty"`
	}
	suite := struct {
		XMLName  xml.Name `xml:"testsuite"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Cases    []test   `xml:"testcase"`
	}{Name: "gitover check --to " + target, Tests: len(findings), Failures: preflight.Blocking(findings)}
	for _, f := range findings {
		t := test{Class: f.Name, Name: strings.TrimSpace(f.Database + " " + f.Object)}
		if f.Blocks() {
			t.Failure = &failure{f.Why, "Fix: " + f.Fix}
		} else {
			t.Output = standing(f) + ": " + f.Why
		}
		suite.Cases = append(suite.Cases, t)
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}
