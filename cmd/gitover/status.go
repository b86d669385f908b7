package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/internal/screen"
	"github.com/gitover/gitover/steps"
)

// statusFlags of the command line.
type statusFlags struct {
	everywhere, watch bool
	output, until, to string
	timeout           time.Duration
}

func statusCommand() *cobra.Command {
	var f statusFlags
	command := &cobra.Command{
		Use:   "status [PGUPGRADE]",
		Short: "Show on one screen how an upgrade stands: what it does, whether it is safe, what is yours to do",
		Long: `status shows how an upgrade stands: what Gitover does now, whether applications and their rows are safe, what you must do; its
steps with their times, the copy, the lag, the commits and what Flux has made of them, switches, findings, whether a rollback is
ready, and what has been. It fits a terminal of 80 columns and 24 lines; -o wide shows all of it.

Without a name it shows the namespace's only upgrade, or a line for each. -w watches the API server and draws again what changes,
until Ctrl-C; without a terminal it writes a line for each change. --until ends by itself.

It exits with 0 if it could look (with --until: if the upgrade has come that far), with 1 if an upgrade that --until waits for is
blocked, taken back or not there in time, and with 2 if it couldn't look: no cluster, no such name, no right.`,
		Example: `  gitover status orders -n shop
  gitover status -A -o wide
  gitover status orders -w
  gitover status orders --until soaking --to 17 --timeout 1h`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	flags.BoolVarP(&f.everywhere, "all-namespaces", "A", false, "show the upgrades of all namespaces")
	flags.BoolVarP(&f.watch, "watch", "w", false, "go on, and show what changes")
	flags.StringVarP(&f.output, "output", "o", "", "json, yaml, or wide: everything, however long")
	flags.StringVar(&f.until, "until", "", "watch until the upgrade is soaking (the new version serves) or finished (the old one is gone, too)")
	flags.StringVar(&f.to, "to", "", "with --until: the version that must serve, such as 17")
	flags.DurationVar(&f.timeout, "timeout", 0, "with --until: how long to wait at most; for ever if 0")
	complete(command, "output", "json", "yaml", "wide")
	complete(command, "until", "soaking", "finished")
	return viewing(command, f.run)
}

// complete the values of a flag.
func complete(command *cobra.Command, flag string, values ...string) {
	if err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag isn't there, or has one already
	}
}

func (f *statusFlags) check(args []string) error {
	switch {
	case f.output != "" && f.output != "json" && f.output != "yaml" && f.output != "wide":
		return fmt.Errorf("there is no output %q: choose json, yaml or wide", f.output)
	case f.until != "" && f.until != "soaking" && f.until != "finished":
		return fmt.Errorf("an upgrade is never %q: wait until soaking or finished", f.until)
	case f.until == "" && (f.to != "" || f.timeout != 0):
		return errors.New("--to and --timeout go with --until")
	case f.to != "" && !steps.Supported(f.to):
		return fmt.Errorf("%q is no major version that Gitover supports", f.to)
	case f.until != "" && f.everywhere:
		return errors.New("--until waits for one upgrade: name it, without -A")
	case f.everywhere && len(args) > 0:
		return errors.New("name an upgrade, or show all by -A")
	}
	return nil
}

func (f *statusFlags) run(cmd *cobra.Command, c cluster, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	v := &statusView{statusFlags: *f, onlooker: onlooker{WithWatch: c, namespace: c.namespace}, terminal: terminalOf(cmd.OutOrStdout()),
		args: args, program: program(cmd)}
	if f.everywhere {
		v.namespace = ""
	}
	if f.watch || f.until != "" {
		return unseen(v.follow(cmd.Context()), v.namespace)
	}
	reports, err := v.look(cmd.Context())
	if err != nil {
		return unseen(err, v.namespace)
	}
	return v.show(reports, "", nil)
}

// document prints a value as -o asks for.
func document(out io.Writer, output string, value any) error {
	if output == "yaml" {
		content, err := yaml.Marshal(value)
		if err == nil {
			_, err = out.Write(content)
		}
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// outputFlag of commands that print a table or a document.
func outputFlag(flags *pflag.FlagSet, into *string) {
	flags.StringVarP(into, "output", "o", "", "json or yaml")
}

// printed says which output is meant: a document was printed if it says so.
func printed(out io.Writer, output string, value any) (bool, error) {
	switch output {
	case "":
		return false, nil
	case "json", "yaml":
		return true, document(out, output, value)
	}
	return true, fmt.Errorf("there is no output %q: choose json or yaml", output)
}

// reportList is what -o prints of many.
type reportList struct {
	Items []screen.Report `json:"items"`
}
