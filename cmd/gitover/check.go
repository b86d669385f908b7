package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers"
	"github.com/gitover/gitover/internal/findings"
	"github.com/gitover/gitover/internal/yamlfile"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

// What `gitover check` exits with.
const (
	exitBlocked   = 1
	exitUnchecked = 2
)

// exit is an error with the code that the process exits with.
type exit struct {
	code  int
	cause error
}

func (e *exit) Error() string { return e.cause.Error() }

func (e *exit) Unwrap() error { return e.cause }

// checkFlags of the command line.
type checkFlags struct {
	target, from, file, output string
	cluster                    *genericclioptions.ConfigFlags
}

func checkCommand() *cobra.Command {
	var f checkFlags
	command := &cobra.Command{
		Use:   "check [PGUPGRADE] --to VERSION [--from URL]",
		Short: "Say what would break an upgrade, before it is requested; changes nothing",
		Long: `check runs the preflight of an upgrade to VERSION and changes nothing.

With the name of a PgUpgrade it asks the instance that serves now: run it where that can be reached, e.g. in
the controller's pod. With --from it asks any server, from any machine, and needs no cluster. The
password comes from PGPASSWORD or the password file (PGPASSFILE, ~/.pgpass), like psql's.

It exits with 0 if nothing blocks, with 1 if something does, and with 2 if that couldn't be told.`,
		Example: `  gitover check orders -n shop --to 17
  gitover check --from postgres://postgres@db.example.com/postgres --to 18
  gitover check --from postgres://postgres@db.example.com/postgres -f apps/orders/upgrade.yaml -o junit`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, target, err := f.findings(cmd.Context(), args)
			if err != nil {
				return &exit{exitUnchecked, err}
			}
			if err := findings.Outputs[f.output](cmd.OutOrStdout(), target, found); err != nil {
				return &exit{exitUnchecked, err}
			}
			return verdict(found, target)
		},
	}
	flags := command.Flags()
	f.cluster = clusterFlags(flags)
	command.ValidArgsFunction = completeUpgrades(f.cluster)
	flags.StringVar(&f.target, "to", "", "PostgreSQL major version to check for; with -f that file's, if left out")
	flags.StringVar(&f.from, "from", "", "URL of a server to ask instead of a PgUpgrade's, e.g. postgres://postgres@host:5432/postgres")
	flags.StringVarP(&f.file, "filename", "f", "", "file with a PgUpgrade, whose databases and acknowledgements count; with --from")
	flags.StringVarP(&f.output, "output", "o", "table", "table, json, markdown or junit")
	return command
}

// verdict on findings that have been shown.
func verdict(found []preflight.Finding, target string) error {
	if n := preflight.Blocking(found); n > 0 {
		return &exit{exitBlocked, fmt.Errorf("%d of %d findings block the upgrade to %s", n, len(found), target)}
	}
	return nil
}

// findings of the server that flags and arguments name, and the target version.
func (f checkFlags) findings(ctx context.Context, args []string) ([]preflight.Finding, string, error) {
	switch {
	case findings.Outputs[f.output] == nil:
		return nil, "", fmt.Errorf("there is no output %q; choose table, json, markdown or junit", f.output)
	case (len(args) == 1) == (f.from != ""):
		return nil, "", errors.New("name either a PgUpgrade or, by --from, a server")
	case f.file != "" && f.from == "":
		return nil, "", errors.New("a file goes with --from: a PgUpgrade in the cluster has its own spec")
	case len(args) == 1:
		found, err := f.ofUpgrade(ctx, args[0])
		return found, f.target, err
	}
	upgrade, err := f.upgrade()
	if err != nil {
		return nil, "", err
	}
	target := f.target
	if target == "" {
		target = upgrade.Spec.Version
	}
	server, err := postgres.ParseServer(f.from)
	if err != nil {
		return nil, "", err
	}
	found, err := controllers.CheckServer(ctx, server, upgrade, target)
	return found, target, err
}

// ofUpgrade asks the instance of a PgUpgrade in the cluster.
func (f checkFlags) ofUpgrade(ctx context.Context, name string) ([]preflight.Finding, error) {
	c, namespace, err := connect(f.cluster)
	if err != nil {
		return nil, err
	}
	upgrade := &v1alpha1.PgUpgrade{}
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, upgrade)
	if apierrors.IsNotFound(err) {
		err = notFound(ctx, c, namespace, name)
	}
	if err != nil {
		return nil, explained(err, namespace)
	}
	return controllers.Check(ctx, c, upgrade, f.target)
}

// upgrade of the file, or an empty one.
func (f checkFlags) upgrade() (*v1alpha1.PgUpgrade, error) {
	upgrade := &v1alpha1.PgUpgrade{}
	if f.file == "" {
		return upgrade, nil
	}
	content, err := os.ReadFile(f.file)
	if err != nil {
		return nil, err
	}
	upgrade, err = yamlfile.Upgrade(content, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	if v := upgrade.Spec.Version; v != "" && !steps.Supported(v) {
		return nil, fmt.Errorf("%s: spec.version %q is no supported PostgreSQL major version; supported are %s", f.file, v, postgres.SupportedVersions())
	}
	return upgrade, nil
}
