package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// verbFlags are those of every command that makes a commit.
type verbFlags struct {
	file, branch      string
	export, push, yes bool
}

// proposal is a commit that a person would make, before it is made.
type proposal struct {
	// subject of the commit.
	subject string
	// explains what Gitover does once Flux has applied it.
	explains string
	// reverts is the commit to revert, instead of a change of the file.
	reverts string
}

// verb is a command that makes the commit a person would make.
type verb struct {
	use, short string
	propose    func(ctx context.Context, m *manifest) (proposal, error)
}

// verbs that need no flag of their own.
var verbs = []verb{
	{"rollback", "Revert the newest cutover commit", rollback},
	{"finalize", "Commit that the new version stays: the soak ends, and the old server is removed", finalize},
	{"retry", "Commit that Gitover tries again after a rollback or a failure", retry},
	{"suspend", "Commit that Gitover makes no further step", suspend("true", "Gitover ends the step that it is at and makes no further one. Replication goes on, and a switch that Git asks for is still made.")},
	{"resume", "Commit that Gitover goes on", suspend("false", "Gitover goes on where it was suspended.")},
}

func verbCommands() []*cobra.Command {
	commands := []*cobra.Command{upgradeCommand(), approveCommand()}
	for _, v := range verbs {
		commands = append(commands, verbCommand(v))
	}
	return commands
}

func upgradeCommand() *cobra.Command {
	var to string
	command := verbCommand(verb{"upgrade", "Commit that another PostgreSQL version is wanted", func(_ context.Context, m *manifest) (proposal, error) { return askFor(m, to) }})
	command.Flags().StringVar(&to, "to", "", "major version, such as 17")
	_ = command.MarkFlagRequired("to")
	return command
}

func approveCommand() *cobra.Command {
	var plan string
	command := verbCommand(verb{"approve", "Commit the approval of a cutover", func(_ context.Context, m *manifest) (proposal, error) { return approve(m, plan) }})
	command.Flags().StringVar(&plan, "plan", "", "approve this plan and no other: status.plan.digest, or its first 12 characters or more")
	return command
}

func verbCommand(v verb) *cobra.Command {
	var f verbFlags
	command := &cobra.Command{
		Use:   v.use + " [PGUPGRADE]",
		Short: v.short,
		Long: v.short + ".\n\nRun it in your checkout of the fleet repository. It shows the change, asks, and commits it there with your git." +
			" Nothing is sent anywhere without --push.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeCheckout,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return runVerb(cmd, v, f, name)
		},
	}
	flags := command.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "file of the PgUpgrade; found by its name if left out")
	flags.StringVar(&f.branch, "branch", "", "make the commit on a new branch of this name")
	flags.BoolVar(&f.export, "export", false, "print the change and commit nothing")
	flags.BoolVar(&f.push, "push", false, "push the commit to the branch's remote")
	flags.BoolVarP(&f.yes, "yes", "y", false, "don't ask")
	return command
}

func runVerb(cmd *cobra.Command, v verb, f verbFlags, name string) error {
	ctx := cmd.Context()
	c, err := here(ctx)
	if err != nil {
		return err
	}
	m, err := c.find(ctx, name, f.file)
	if err != nil {
		return err
	}
	if err := m.unchanged(ctx); err != nil {
		return err
	}
	p, err := v.propose(ctx, m)
	if err != nil {
		return err
	}
	diff, err := p.diff(ctx, m)
	if err != nil {
		return err
	}
	if f.export {
		_, err := fmt.Fprint(cmd.OutOrStdout(), diff)
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s\n\n%s\n%s\n", p.subject, diff, p.explains)
	if err := confirm(ctx, cmd, f.yes); err != nil {
		return err
	}
	return p.commit(ctx, cmd, m, f)
}

// confirm asks, unless --yes said so; an error says that nothing was committed, and why.
func confirm(ctx context.Context, cmd *cobra.Command, yes bool) error {
	if yes {
		return nil
	}
	if in, ok := cmd.InOrStdin().(*os.File); ok && !term.IsTerminal(int(in.Fd())) {
		return errors.New("there is no terminal to ask at; repeat the command with --yes, or with --export to see the change only")
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Commit it? [y/N] ")
	answer := make(chan string, 1)
	go func() { // ends with the process, if the question is interrupted
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case a := <-answer:
		if a != "y" && a != "yes" {
			return errors.New("not committed")
		}
		return nil
	}
}

func (p proposal) diff(ctx context.Context, m *manifest) (string, error) {
	if p.reverts != "" {
		return m.git(ctx, "diff", p.reverts, p.reverts+"^")
	}
	return m.diff(ctx)
}

// commit the proposal, and push it if that was asked for.
func (p proposal) commit(ctx context.Context, cmd *cobra.Command, m *manifest, f verbFlags) error {
	if f.branch != "" {
		if _, err := m.git(ctx, "switch", "--create", f.branch); err != nil {
			return err
		}
	}
	if err := p.record(ctx, m); err != nil {
		return err
	}
	commit, err := m.git(ctx, "log", "-1", "--format=%h %s")
	if err != nil {
		return err
	}
	fmt.Fprint(cmd.OutOrStdout(), "committed ", commit)
	if !f.push {
		return nil
	}
	if _, err := m.git(ctx, "push", "--set-upstream", remoteOf(ctx, m.checkout), "HEAD"); err != nil {
		return fmt.Errorf("the commit is made, but not pushed: %w", err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), "pushed")
	return nil
}

func (p proposal) record(ctx context.Context, m *manifest) error {
	if p.reverts != "" {
		_, err := m.git(ctx, "revert", "--no-edit", p.reverts)
		if err != nil {
			_, _ = m.git(ctx, "revert", "--abort") // there is none if git refused to begin
			return fmt.Errorf("commit %.12s can't be reverted by itself; set spec.target of the PgProxy by hand: %w", p.reverts, err)
		}
		return nil
	}
	if err := m.write(); err != nil {
		return err
	}
	_, err := m.git(ctx, "commit", "--quiet", "-m", p.subject, "--", m.path)
	return err
}

// remoteOf the branch, or the only usual one.
func remoteOf(ctx context.Context, c checkout) string {
	branch, err := c.git(ctx, "branch", "--show-current")
	if err == nil {
		if remote, err := c.git(ctx, "config", "branch."+strings.TrimSpace(branch)+".remote"); err == nil {
			return strings.TrimSpace(remote)
		}
	}
	return "origin"
}
