package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gitover/gitover/test/console"
)

// TestEveryCommandThatPagesHavePeopleTypeIsOneOfOurs parses each against the very tree of commands: its name, its flags with
// their values, and how many arguments it takes.
func TestEveryCommandThatPagesHavePeopleTypeIsOneOfOurs(t *testing.T) {
	found := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "examples/*/*.md"} {
		pages, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range console.Commands(t, page, string(text)) {
				if c.Program != "gitover" {
					continue
				}
				found++
				command, rest, err := root().Find(c.Args)
				if err == nil {
					err = command.ParseFlags(rest)
				}
				if err == nil {
					err = command.ValidateArgs(command.Flags().Args())
				}
				if err == nil && !command.Runnable() && !slices.Contains(rest, "--help") {
					t.Errorf("%s: %q runs nothing", page, c.Line)
				}
				if err != nil {
					t.Errorf("%s: %q: %v", page, c.Line, err)
				}
			}
		}
	}
	if found < 6 {
		t.Errorf("only %d commands found", found)
	}
}
