package main

import (
	"github.com/spf13/cobra"

	"github.com/gitover/gitover/internal/screen"
)

func historyCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "history [PGUPGRADE]",
		Short: "Show the upgrades that have been, their commits, and every switch with the commit that asked for it",
		Long: `history shows what the status of a PgUpgrade and its PgProxy remember: the upgrade in progress and the last 16 that ended, with
Gitover's commits, and the last 16 switches, with how long traffic was held and the commit that asked for each.

It exits with 0 if it could look, and with 2 if it couldn't.`,
		Args: cobra.MaximumNArgs(1),
	}
	outputFlag(command.Flags(), &output)
	complete(command, "output", "json", "yaml")
	return viewing(command, func(cmd *cobra.Command, c cluster, args []string) error {
		objects, err := onlooker{WithWatch: c, namespace: c.namespace}.only(cmd.Context(), args)
		if err != nil {
			return err
		}
		past := screen.PastOf(objects)
		if done, err := printed(cmd.OutOrStdout(), output, past); done {
			return err
		}
		t := terminalOf(cmd.OutOrStdout())
		return t.print(screen.History(past, t.options(true)))
	})
}
