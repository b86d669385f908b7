package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// referenceCommand writes the pages of all commands. It isn't shown: packagers and `make generate` use it.
func referenceCommand() *cobra.Command {
	var markdown, man string
	command := &cobra.Command{
		Use:    "reference",
		Short:  "Write the reference of all commands as Markdown or man pages",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := cmd.Root()
			all.DisableAutoGenTag, all.Version = true, ""
			if markdown != "" {
				if err := os.MkdirAll(markdown, 0o755); err != nil { //nolint:gosec // every user may read them
					return err
				}
				if err := doc.GenMarkdownTree(all, markdown); err != nil {
					return fmt.Errorf("write Markdown pages: %w", err)
				}
			}
			if man == "" {
				return nil
			}
			if err := os.MkdirAll(man, 0o755); err != nil { //nolint:gosec // every user may read them
				return err
			}
			if err := doc.GenManTree(all, &doc.GenManHeader{Title: "GITOVER", Section: "1", Source: "Gitover"}, man); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			return nil
		},
	}
	command.Flags().StringVar(&markdown, "markdown", "", "directory for Markdown pages")
	command.Flags().StringVar(&man, "man", "", "directory for man pages")
	return command
}
