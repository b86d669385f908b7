package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gitover/gitover/internal/findings"
	"github.com/gitover/gitover/steps/postgres"
)

// Outputs by name.
var Outputs = map[string]func(out io.Writer, p *Plan) error{"table": Table, "markdown": Markdown, "json": JSON}

// JSON is for programs.
func JSON(out io.Writer, p *Plan) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(p)
}

// fact is a line of what is expected: what it is about, and what there is to say.
type fact struct{ about, says string }

// headline of a plan.
func (p *Plan) headline() string {
	if p.UpToDate {
		return fmt.Sprintf("%s: %s serves PostgreSQL %s, as Git asks; nothing would be committed", p.Upgrade, p.From, p.FromVersion)
	}
	return fmt.Sprintf("%s: PostgreSQL %s to %s, from %s to %s", p.Upgrade, p.FromVersion, p.Version, p.From, p.To)
}

// verdict of the preflight in a sentence.
func (p *Plan) verdict() string {
	switch {
	case !p.Asked:
		return "No server was asked: whether anything blocks this upgrade, how large the databases are and what they need isn't known."
	case p.Blocking > 0:
		return fmt.Sprintf("BLOCKED: %d of %d findings block this upgrade.", p.Blocking, len(p.Findings))
	}
	return fmt.Sprintf("%d findings, none blocks.", len(p.Findings))
}

// facts that are expected, in the order of the workflow.
func (p *Plan) facts() (facts []fact) {
	add := func(about, format string, args ...any) {
		facts = append(facts, fact{about, fmt.Sprintf(format, args...)})
	}
	if c := p.Copy; c != nil {
		add("copy", "%s in about %s at %s/s (%s); indexes, statistics and verification come on top", postgres.HumanBytes(c.Bytes), seconds(c.Seconds),
			postgres.HumanBytes(c.BytesPerSecond), c.RateFrom)
	}
	for _, d := range p.Databases {
		add("database "+d.Name, "%d tables, %s, indexes %s; the largest table is %s, %s, which one worker copies", d.Tables, postgres.HumanBytes(d.TableBytes),
			postgres.HumanBytes(d.IndexBytes), d.Largest, postgres.HumanBytes(d.LargestBytes))
		if d.Tables == 0 {
			facts[len(facts)-1].says = "no tables"
		}
	}
	for _, c := range p.Capacity {
		enough := "enough"
		if c.Configured < c.Needed {
			enough = "TOO LOW"
		}
		add(c.Setting, "%d needed, %d configured: %s", c.Needed, c.Configured, enough)
	}
	if d := p.Disk; d != nil {
		add("disk of "+p.From, "%s%s", d.walText(), volumesText(d.OldVolumes))
		add("disk of "+p.To, "%s for tables, indexes and WAL%s", postgres.HumanBytes(d.NewBytes), volumesText(d.NewVolumes))
	}
	add("stall", "%.0f ms (%s); at most %s, by spec.switch.holdLimit", p.Stall.Milliseconds, p.Stall.From, time.Duration(p.Stall.LimitSeconds*float64(time.Second)))
	return facts
}

func (d *Disk) walText() string {
	limit := "no limit: a stopped copy can fill the disk"
	if d.WALLimit >= 0 {
		limit = "max_slot_wal_keep_size " + postgres.HumanBytes(d.WALLimit)
	}
	if d.WALBytesPerSecond == 0 {
		return "the WAL that is written during the copy; " + limit
	}
	return fmt.Sprintf("about %s of WAL kept during the copy (%s/s on average since the statistics were reset); %s",
		postgres.HumanBytes(d.WALBytes), postgres.HumanBytes(d.WALBytesPerSecond), limit)
}

func volumesText(volumes []Volume) string {
	var text []string
	for _, v := range volumes {
		text = append(text, fmt.Sprintf("%s requests %s", v.Name, postgres.HumanBytes(v.Bytes)))
	}
	if len(text) == 0 {
		return ""
	}
	return "; volume " + strings.Join(text, ", ")
}

func seconds(n int64) string { return (time.Duration(n) * time.Second).String() }

// Table is for a terminal.
func Table(out io.Writer, p *Plan) error {
	var b strings.Builder
	fmt.Fprintln(&b, p.headline())
	if p.UpToDate {
		_, err := io.WriteString(out, b.String())
		return err
	}
	section := func(title string) { fmt.Fprintf(&b, "\n%s\n\n", strings.ToUpper(title)) }
	fmt.Fprintln(&b, p.verdict())
	if p.Asked {
		section("findings")
		if err := findings.Table(&b, p.Version, p.found); err != nil {
			return err
		}
	}
	section("expected")
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, f := range p.facts() {
		fmt.Fprintf(w, "%s\t%s\n", f.about, f.says)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	section("the way back")
	for _, line := range p.Rollback {
		fmt.Fprintln(&b, line)
	}
	if len(p.Notes) > 0 {
		section("note")
		for _, line := range p.Notes {
			fmt.Fprintln(&b, line)
		}
	}
	for i, c := range p.Commits {
		section(fmt.Sprintf("commit %d of %d", i+1, len(p.Commits)))
		fmt.Fprintf(&b, "%s\n%s\n\n%s", c.Subject, c.by(), c.Diff)
	}
	if p.Manifests != "" {
		section("manifests of " + p.To)
		b.WriteString(p.Manifests)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// by whom and when the commit is made.
func (c Commit) by() string {
	if c.Step == "" {
		return "yours: " + c.When
	}
	return "Gitover's: " + c.When
}
