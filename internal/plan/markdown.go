package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/gitover/gitover/internal/findings"
)

// commentLimit is what GitHub takes as a comment (65,536 characters), less room for what a workflow adds.
const commentLimit = 60_000

// Markdown is for a pull request's comment: the summary first, what is long in details that a reader opens. Its first line is
// a mark by which a pipeline finds its own comment again.
func Markdown(out io.Writer, p *Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- gitover plan %s -->\n### %s\n", p.Upgrade, p.headline())
	if p.UpToDate {
		_, err := io.WriteString(out, b.String())
		return err
	}
	fmt.Fprintf(&b, "\n**%s**\n\n| | expected |\n|---|---|\n", p.verdict())
	for _, f := range p.facts() {
		fmt.Fprintf(&b, "| %s | %s |\n", cell(f.about), cell(f.says))
	}
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "\n> %s\n", cell(note))
	}
	fmt.Fprint(&b, "\n**The way back**\n\n")
	for _, line := range p.Rollback {
		fmt.Fprintf(&b, "- %s\n", cell(line))
	}
	if len(p.found) > 0 {
		var table strings.Builder
		if err := findings.Markdown(&table, p.Version, p.found); err != nil {
			return err
		}
		details(&b, "Findings", "\n"+table.String())
	}
	for _, c := range p.Commits {
		details(&b, fmt.Sprintf("Commit: %s (%s)", c.Subject, c.by()), fenced("diff", c.Diff))
	}
	if p.Manifests != "" {
		details(&b, "Manifests of "+p.To+", as Flux would apply them", fenced("yaml", p.Manifests))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// details that a reader opens; what is too long for a comment is left out, and says so.
func details(b *strings.Builder, summary, body string) {
	if b.Len()+len(body) > commentLimit {
		body = "\nToo long for a comment: `gitover plan` in a checkout shows it.\n"
	}
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n%s\n</details>\n", html.Replace(summary), body)
}

// fenced text whose fence is longer than any in it.
func fenced(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return "\n" + fence + language + "\n" + strings.TrimSuffix(text, "\n") + "\n" + fence + "\n"
}

var html = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ")

// cell keeps what a name may hold from ending a cell or from being taken for markup.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "`", "'").Replace(html.Replace(text))
}
