// Command gitover is the controller, and what people type at a terminal. The poolers'
// agent is a program of its own, in the same image (see cmd/gitover-agent).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // windows and freezes name time zones, and an image may have none

	"github.com/spf13/cobra"

	"github.com/gitover/gitover/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	display, args := calledAs(os.Args)
	command := root()
	rename(command, display)
	command.SetArgs(args)
	if err := command.ExecuteContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", display, err)
		stop()
		code := 1
		var e *exit
		if errors.As(err, &e) {
			code = e.code
		}
		os.Exit(code) //nolint:gocritic // stop has run
	}
}

func root() *cobra.Command {
	command := &cobra.Command{
		Use:           "gitover",
		Short:         "PostgreSQL major-version upgrades whose cutover is a Git commit",
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.AddCommand(controllerCommand(), checkCommand(), statusCommand())
	command.AddCommand(treeCommand(), historyCommand(), eventsCommand(), logsCommand())
	command.AddCommand(planCommand(), initCommand(), copyCommand())
	command.AddCommand(verbCommands()...)
	command.AddCommand(referenceCommand())
	return command
}
