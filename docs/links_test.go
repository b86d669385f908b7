// Package docs checks the documentation against the software: links, and every name that
// a reader could look up or type.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = ".."

func TestEveryRelativeLinkAndAnchorResolves(t *testing.T) {
	for _, page := range pages(t) {
		text := inlineCode.ReplaceAllString(withoutCode(read(t, page)), "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			path := page
			if file != "" {
				path = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil || strings.HasPrefix(path, "..") {
				t.Errorf("%s: the link %q leads nowhere", page, target)
				continue
			}
			if anchor != "" && !anchors(read(t, path))[anchor] {
				t.Errorf("%s: %s has no heading for the anchor of %q", page, path, target)
			}
		}
	}
}

func TestNoHeadingOccursTwiceOnAPage(t *testing.T) {
	for _, page := range pages(t) {
		seen := map[string]bool{}
		for _, match := range heading.FindAllStringSubmatch(withoutCode(read(t, page)), -1) {
			if seen[match[1]] {
				t.Errorf("%s has two headings %q: links to the second are ambiguous", page, match[1])
			}
			seen[match[1]] = true
		}
	}
}

var (
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	fence      = regexp.MustCompile("(?ms)^```.*?^```")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	linkText   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// anchors of a page, by GitHub's rule.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(withoutCode(text), -1) {
		found[slug(match[1])] = true
	}
	return found
}

func slug(title string) string {
	title = linkText.ReplaceAllString(title, "$1")
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		}
	}
	return b.String()
}

// withoutCode leaves out fenced blocks, whose brackets are no links.
func withoutCode(text string) string { return fence.ReplaceAllString(text, "") }

// pages are the Markdown files of the project, from its root.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == ".cache" || name == ".git" || entry.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".md"):
			found = append(found, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 5 {
		t.Fatalf("only %d pages found", len(found))
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
