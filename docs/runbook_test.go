package docs

import (
	"regexp"
	"strings"
	"testing"
)

// TestTheRunbookHasEveryReasonAndNoOther holds docs/runbook.md against the reasons that code can set: each has a heading of its
// own, so that an alert or a message can link to it, and below it what it means, what to do and when to worry.
func TestTheRunbookHasEveryReasonAndNoOther(t *testing.T) {
	reasons := map[string]bool{}
	for name, value := range stringConstants(t, "api/v1alpha1/conditions.go") {
		if strings.HasPrefix(name, "Reason") {
			reasons[value] = false
		}
	}
	if len(reasons) < 40 {
		t.Fatalf("only %d reasons found", len(reasons))
	}
	for _, section := range sections(read(t, "docs/runbook.md"), 2) {
		look, entries, _ := strings.Cut(section.text, "\n### ")
		if entries == "" {
			continue
		}
		if !strings.Contains(look, "```console\n$ ") {
			t.Errorf("%q has entries, and no commands to look with", section.title)
		}
		for _, entry := range sections("### "+entries, 3) {
			if _, known := reasons[entry.title]; !known {
				t.Errorf("docs/runbook.md has an entry for %s, which no code sets", entry.title)
			}
			reasons[entry.title] = true
			if !regexp.MustCompile(`(?s)^\s*\S.*\n\*\*Do:\*\* \S.*\n\*\*Worry:\*\* \S`).MatchString(entry.text) {
				t.Errorf("the entry %s doesn't say what it means, what to do and when to worry", entry.title)
			}
		}
	}
	for reason, found := range reasons {
		if !found {
			t.Errorf("reason %s has no entry in docs/runbook.md", reason)
		}
	}
}

type section struct{ title, text string }

// sections of a page by its headings of a level.
func sections(page string, level int) []section {
	mark := "\n" + strings.Repeat("#", level) + " "
	var found []section
	for _, part := range strings.Split("\n"+page, mark)[1:] {
		title, text, _ := strings.Cut(part, "\n")
		found = append(found, section{title, text})
	}
	return found
}
