package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/internal/plan"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// planFlags of the command line.
type planFlags struct {
	target, from, file, output, rate string
	offline                          bool
	cluster                          *genericclioptions.ConfigFlags
}

func planCommand() *cobra.Command {
	var f planFlags
	command := &cobra.Command{
		Use:   "plan [PGUPGRADE] [--to VERSION]",
		Short: "Show what an upgrade would do, before it is merged; changes nothing",
		Long: `plan shows what an upgrade to VERSION would do, and changes nothing: what the preflight finds, the commits
with their diffs, the manifests of the new server as Flux would apply them, how long the copy takes,
what both servers need, the stall that clients feel, and what a rollback costs.

Run it in your checkout of the fleet repository. With the name of a PgUpgrade it asks the cluster which server
serves, and that server; --from names another way to it, such as a forwarded port. With -f it needs no cluster,
as in a pipeline: --from names the server, or --offline shows only what Git can tell. The password comes from PGPASSWORD or the password file
(PGPASSFILE, ~/.pgpass), like psql's.

It exits with 0 if nothing blocks, with 1 if something does, and with 2 if that couldn't be told.`,
		Example: `  gitover plan orders -n shop --to 17
  gitover plan orders -n shop --to 17 --from postgres://postgres@localhost:15432/postgres
  gitover plan -f apps/orders --from postgres://postgres@db.example.com/postgres -o markdown`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.plan(cmd.Context(), args)
			if err == nil {
				err = plan.Outputs[f.output](cmd.OutOrStdout(), p)
			}
			if err != nil {
				return &exit{exitUnchecked, err}
			}
			if p.Blocking > 0 {
				return &exit{exitBlocked, fmt.Errorf("%d of %d findings block the upgrade to %s", p.Blocking, len(p.Findings), p.Version)}
			}
			return nil
		},
	}
	flags := command.Flags()
	f.cluster = clusterFlags(flags)
	flags.StringVar(&f.target, "to", "", "PostgreSQL major version to plan for; the file's if left out")
	flags.StringVar(&f.from, "from", "", "URL of the server that serves, e.g. postgres://postgres@host:5432/postgres; found by the cluster if left out")
	flags.StringVarP(&f.file, "filename", "f", "", "file with the PgUpgrade, or directory that has it, of a checkout; needs no cluster")
	flags.StringVarP(&f.output, "output", "o", "table", "table, markdown or json")
	flags.StringVar(&f.rate, "copy-rate", "", "bytes that the copy moves in a second, such as 80Mi, for the expected time")
	flags.BoolVar(&f.offline, "offline", false, "ask no server: show commits and manifests only")
	return command
}

// plan of the upgrade that flags and arguments name.
func (f planFlags) plan(ctx context.Context, args []string) (*plan.Plan, error) {
	rate, err := f.check(args)
	if err != nil {
		return nil, err
	}
	c, err := checkoutOf(ctx, f.file)
	if err != nil {
		return nil, err
	}
	name, within := append(args, "")[0], f.file
	var cluster client.Client
	var running *v1alpha1.PgUpgrade
	if f.file == "" {
		if cluster, running, err = f.running(ctx, name); err != nil {
			return nil, err
		}
		// the directory tells it from others of this name, for other namespaces
		if within, err = c.directory(running.Spec.Git.Path); err != nil {
			return nil, err
		}
	}
	w, err := c.wish(ctx, name, within)
	if err != nil {
		return nil, err
	}
	if running != nil {
		if err := w.learn(ctx, cluster, running); err != nil {
			return nil, err
		}
	}
	if err := w.pair(f.target); err != nil {
		return nil, err
	}
	request := plan.Request{Upgrade: w.upgrade, Proxy: w.proxy, Files: w.files, CopyRate: rate}
	if !f.offline && !w.upToDate() {
		server, err := f.server(ctx, cluster, w)
		if err != nil {
			return nil, err
		}
		if request.Server, err = plan.Ask(ctx, server, w.upgrade, w.target); err != nil {
			return nil, f.unreachable(err, w)
		}
	}
	return plan.Of(ctx, request)
}

// check what was typed, and give the rate in bytes a second.
func (f planFlags) check(args []string) (int64, error) {
	switch {
	case plan.Outputs[f.output] == nil:
		return 0, fmt.Errorf("there is no output %q; choose table, markdown or json", f.output)
	case f.target != "" && !steps.Supported(f.target):
		return 0, fmt.Errorf("%q is no supported PostgreSQL major version; supported are %s", f.target, postgres.SupportedVersions())
	case len(args) == 0 && f.file == "":
		return 0, errors.New("name a PgUpgrade of the cluster or, by -f, its file in a checkout")
	case f.file != "" && f.from == "" && !f.offline:
		return 0, errors.New("with -f, name the server by --from, or ask none by --offline")
	case f.from != "" && f.offline:
		return 0, errors.New("--from names a server and --offline asks none: choose one")
	case f.rate == "":
		return 0, nil
	}
	q, err := resource.ParseQuantity(f.rate)
	if err != nil || q.Value() <= 0 {
		return 0, fmt.Errorf("--copy-rate %q is no number of bytes, such as 80Mi", f.rate)
	}
	return q.Value(), nil
}

// running PgUpgrade of this name in the cluster.
func (f planFlags) running(ctx context.Context, name string) (client.Client, *v1alpha1.PgUpgrade, error) {
	c, namespace, err := connect(f.cluster)
	if err != nil {
		return nil, nil, err
	}
	var upgrade v1alpha1.PgUpgrade
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &upgrade); err != nil {
		return nil, nil, fmt.Errorf("read PgUpgrade (without a cluster, use -f): %w", err)
	}
	return c, &upgrade, nil
}

// learn from the cluster what Git doesn't say: the PgUpgrade's UID, which server serves, and how earlier switches went.
func (w *wish) learn(ctx context.Context, c client.Client, running *v1alpha1.PgUpgrade) error {
	var proxy v1alpha1.PgProxy
	if err := c.Get(ctx, client.ObjectKey{Namespace: running.Namespace, Name: w.upgrade.Spec.ProxyRef.Name}, &proxy); err != nil {
		return fmt.Errorf("read PgProxy: %w", err)
	}
	w.upgrade.Namespace, w.upgrade.UID, w.upgrade.Status = running.Namespace, running.UID, running.Status
	w.serves, w.proxy = cmp.Or(proxy.Status.Active, proxy.Spec.Target), &proxy
	return nil
}

// server that serves: named by a person, or by the PgUpgrade and its Secret.
func (f planFlags) server(ctx context.Context, c client.Client, w *wish) (postgres.Server, error) {
	if f.from != "" {
		return postgres.ParseServer(f.from)
	}
	return access.ServerOf(ctx, c, w.upgrade, w.serves)
}

// unreachable adds the way to a server that only the cluster can reach.
func (f planFlags) unreachable(err error, w *wish) error {
	if f.from != "" || !postgres.Unreachable(err) {
		return err
	}
	endpoint, endpointErr := access.EndpointOf(w.upgrade, w.serves)
	if endpointErr != nil {
		return err
	}
	return fmt.Errorf("%w; from outside of the cluster, forward a port (kubectl port-forward -n %s service/%s 15432:%d) and add --from postgres://USER@localhost:15432/postgres",
		err, w.upgrade.Namespace, serviceOf(endpoint.Host), endpoint.Port)
}
