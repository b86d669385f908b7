package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers"
)

func checkCommand() *cobra.Command {
	var namespace, target string
	command := &cobra.Command{
		Use:   "check PGUPGRADE --to VERSION",
		Short: "Say what would break an upgrade, before anybody asks for it; changes nothing",
		Long:  "check runs the preflight of an upgrade to VERSION against the instance that serves now.\nIt reads only. Run it where the instance can be reached, e.g. in the controller's pod.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, current, err := cluster()
			if err != nil {
				return err
			}
			if namespace == "" {
				namespace = current
			}
			return check(cmd.Context(), cmd.OutOrStdout(), c, client.ObjectKey{Namespace: namespace, Name: args[0]}, target)
		},
	}
	command.Flags().StringVarP(&namespace, "namespace", "n", "", "namespace; that of the kubeconfig's context if left out")
	command.Flags().StringVar(&target, "to", "", "PostgreSQL major version to check for")
	_ = command.MarkFlagRequired("to")
	return command
}

func check(ctx context.Context, out io.Writer, c client.Client, key client.ObjectKey, target string) error {
	var upgrade v1alpha1.PgUpgrade
	if err := c.Get(ctx, key, &upgrade); err != nil {
		return fmt.Errorf("read PgUpgrade: %w", err)
	}
	findings, err := controllers.Check(ctx, c, &upgrade, target)
	if err != nil {
		return err
	}
	blocking := 0
	for _, f := range findings {
		fmt.Fprintf(out, "%-6s %s %s %s\n       %s\n", f.Severity, f.Name, f.Database, f.Object, f.Why)
		if f.Fix != "" {
			fmt.Fprintf(out, "       → %s\n", f.Fix)
		}
		if f.Severity == "block" && !f.Acknowledged {
			blocking++
		}
	}
	if blocking > 0 {
		return fmt.Errorf("%d of %d findings block the upgrade to %s", blocking, len(findings), target)
	}
	fmt.Fprintf(out, "%d findings, none blocks the upgrade to %s\n", len(findings), target)
	return nil
}
