package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/gitover/gitover/internal/adopt"
	"github.com/gitover/gitover/steps/postgres"
)

// initFlags of the command line.
type initFlags struct {
	adopt.Answers
	from    string
	dryRun  bool
	cluster *genericclioptions.ConfigFlags
}

func initCommand() *cobra.Command {
	var f initFlags
	command := &cobra.Command{
		Use:   "init NAME",
		Short: "Write the manifests that adopt a database which runs already",
		Long: `init finds out how a PostgreSQL server runs in a namespace (its StatefulSet, Service and superuser's Secret, the
PgBouncer before it, and the Kustomization of Flux that applies them) and writes what adopts it into your checkout
of the fleet repository: upgrade.yaml and proxy.yaml with the given NAME, the agent beside PgBouncer with its
rights, and the lines that these need in kustomizations and in pgbouncer.ini.

What can't be told it asks at a terminal; flags answer, too. It changes nothing in the cluster, never overwrites
a file, and commits nothing: look at the result with git diff. --dry-run prints that and writes nothing.`,
		Example: `  gitover init orders -n shop --dry-run
  gitover init orders -n shop --statefulset postgres --service postgres --pooler deployment/pgbouncer --path apps/orders`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Name = args[0]
			return f.run(cmd)
		},
	}
	flags := command.Flags()
	f.cluster = clusterFlags(flags)
	flags.StringVar(&f.StatefulSet, "statefulset", "", "StatefulSet that runs the server")
	flags.StringVar(&f.Service, "service", "", "Service that leads to the server")
	flags.StringVar(&f.Pooler, "pooler", "", "Deployment of PgBouncer, as deployment/NAME")
	flags.StringVar(&f.Kustomization, "kustomization", "", "Kustomization of Flux that applies the directory")
	flags.StringVar(&f.Path, "path", "", "directory of the database in the repository, such as apps/orders")
	flags.StringVar(&f.Secret, "superuser-secret", "", "Secret with the superuser's name and password")
	flags.StringVar(&f.PushSecret, "push-secret", "", "Secret by which Gitover pushes; <GitRepository>-push if left out")
	flags.StringVar(&f.Version, "server-version", "", "PostgreSQL major version that runs, if the image's tag doesn't say so")
	flags.StringVar(&f.AgentImage, "agent-image", "", "Gitover's image; the one that the controller has if left out")
	flags.StringVar(&f.from, "from", "", "URL of the server, to ask itself about version and wal_level, e.g. postgres://postgres@localhost:15432/postgres")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the change and write nothing")
	return command
}

func (f initFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	c, err := here(ctx)
	if err != nil {
		return err
	}
	files, err := c.files(ctx)
	if err != nil {
		return err
	}
	cluster, namespace, err := connect(f.cluster)
	if err != nil {
		return err
	}
	f.Namespace, f.Path = namespace, strings.TrimPrefix(filepath.ToSlash(filepath.Clean("/"+f.Path)), "/")
	found, err := adopt.Discover(ctx, cluster, f.Answers, chooser(cmd))
	if err != nil {
		return err
	}
	if err := f.ask(ctx, found); err != nil {
		return err
	}
	change, err := found.Change(ctx, files)
	if err != nil {
		return err
	}
	for _, line := range found.Explained {
		fmt.Fprintln(cmd.ErrOrStderr(), "found:", line)
	}
	if f.dryRun {
		_, err = fmt.Fprint(cmd.OutOrStdout(), change.Diff)
	} else {
		err = c.put(cmd, change)
	}
	for _, line := range found.Hints {
		fmt.Fprintln(cmd.ErrOrStderr(), "to do:", line)
	}
	return err
}

// ask the server itself, if a person says where it is.
func (f initFlags) ask(ctx context.Context, found *adopt.Found) error {
	if f.from == "" {
		return nil
	}
	server, err := postgres.ParseServer(f.from)
	if err != nil {
		return err
	}
	return found.Ask(ctx, server)
}

// chooser asks at a terminal, and names the flag where there is none.
func chooser(cmd *cobra.Command) adopt.Choose {
	if in, ok := cmd.InOrStdin().(*os.File); ok && !term.IsTerminal(int(in.Fd())) {
		return adopt.Refuse
	}
	in := bufio.NewReader(cmd.InOrStdin())
	return func(what, flag string, candidates []string) (string, error) {
		for i, name := range candidates {
			fmt.Fprintf(cmd.ErrOrStderr(), "%3d  %s\n", i+1, name)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", what)
		line, _ := in.ReadString('\n')
		answer := strings.TrimSpace(line)
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(candidates) {
			return candidates[n-1], nil
		}
		if answer == "" {
			return adopt.Refuse(what, flag, candidates)
		}
		return answer, nil
	}
}

// put a change into the checkout: only over what is committed, so that Git can take it back, and over no file that is new.
func (c checkout) put(cmd *cobra.Command, change *adopt.Change) error {
	edited := slices.Sorted(maps.Keys(change.Edited))
	if len(edited) > 0 {
		out, err := c.git(cmd.Context(), append([]string{"status", "--porcelain", "--"}, edited...)...)
		if err != nil {
			return err
		}
		if out != "" {
			return fmt.Errorf("there are changes that aren't committed in %s; commit or stash them first", strings.Join(strings.Fields(out), " "))
		}
	}
	created := slices.Sorted(maps.Keys(change.New))
	for _, name := range created {
		if _, err := os.Lstat(c.full(name)); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is there already, and init never overwrites", name)
		}
	}
	for _, name := range created {
		if err := os.MkdirAll(filepath.Dir(c.full(name)), 0o755); err != nil { //nolint:gosec // as git makes them
			return err
		}
		if err := os.WriteFile(c.full(name), change.New[name], 0o644); err != nil { //nolint:gosec // as git makes them
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "wrote", name)
	}
	for _, name := range edited {
		info, err := os.Stat(c.full(name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.full(name), change.Edited[name], info.Mode().Perm()); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "added to", name)
	}
	return nil
}

// full path of a file of the checkout.
func (c checkout) full(name string) string { return filepath.Join(c.root, filepath.FromSlash(name)) }
