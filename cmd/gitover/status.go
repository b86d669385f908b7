package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

func statusCommand() *cobra.Command {
	var cluster *genericclioptions.ConfigFlags
	command := &cobra.Command{
		Use:   "status [PGUPGRADE]",
		Short: "Show how an upgrade stands: steps, copy, lag, commits and switches",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, namespace, err := connect(cluster)
			if err != nil {
				return err
			}
			return showStatus(cmd.Context(), cmd.OutOrStdout(), c, namespace, args)
		},
	}
	cluster = clusterFlags(command.Flags())
	return command
}

func showStatus(ctx context.Context, out io.Writer, c client.Client, namespace string, names []string) error {
	var upgrades v1alpha1.PgUpgradeList
	if err := c.List(ctx, &upgrades, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list PgUpgrades: %w", err)
	}
	shown := 0
	for i := range upgrades.Items {
		u := &upgrades.Items[i]
		if len(names) > 0 && u.Name != names[0] {
			continue
		}
		shown++
		var proxy v1alpha1.PgProxy
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: u.Spec.ProxyRef.Name}, &proxy); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("read PgProxy: %w", err)
		}
		if err := printUpgrade(out, u, &proxy); err != nil {
			return err
		}
	}
	if shown == 0 {
		return fmt.Errorf("no PgUpgrade %v in namespace %s", names, namespace)
	}
	return nil
}

func printUpgrade(out io.Writer, u *v1alpha1.PgUpgrade, p *v1alpha1.PgProxy) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "PgUpgrade\t%s/%s\n", u.Namespace, u.Name)
	fmt.Fprintf(w, "Serving\t%s\t(Git wants %s)\n", p.Status.Active, p.Spec.Target)
	if ready := conditions.Get(u, v1alpha1.ReadyCondition); ready != nil {
		fmt.Fprintf(w, "Ready\t%s\t%s: %s\n", ready.Status, ready.Reason, ready.Message)
	}
	if u.Status.Workflow != "" {
		fmt.Fprintf(w, "Workflow\t%s\t%s to %s, attempt %d\n", u.Status.Workflow, u.Status.From, u.Status.To, u.Status.Attempt)
		table := steps.Workflows[u.Status.Workflow]
		for _, step := range table {
			fmt.Fprintf(w, "  %s\t%s\n", step.Name, stepLine(u, step.Name))
		}
	}
	for _, c := range u.Status.Commits {
		fmt.Fprintf(w, "Commit\t%.12s\t%s\n", c.SHA, c.Subject)
	}
	for _, s := range p.Status.Switches {
		fmt.Fprintf(w, "Switch\t%s → %s\t%s at %s, held %.1f ms\n", s.From, s.To, s.Outcome, s.FinishedAt.UTC().Format(time.RFC3339), float64(s.HeldMicroseconds)/1000)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func stepLine(u *v1alpha1.PgUpgrade, name string) string {
	for _, s := range u.Status.Steps {
		if s.Name != name || s.StartedAt == nil {
			continue
		}
		if s.FinishedAt != nil {
			return fmt.Sprintf("done in %s\t%s", s.FinishedAt.Sub(s.StartedAt.Time), s.Message)
		}
		return "now\t" + s.Message
	}
	return "-"
}
