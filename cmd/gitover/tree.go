package main

import (
	"context"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/internal/screen"
)

func treeCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "tree [PGUPGRADE]",
		Short: "Show the objects around an upgrade: Flux's, the run with its Jobs, instances and their pods, poolers",
		Long: `tree shows the objects around an upgrade and whether each is ready: the GitRepository and the Kustomization, the run with its
schema Jobs, the instances with their workloads, pods and volumes, and the PgProxy with its poolers. What you may not list is told
at the end.

It exits with 0 if it could look, and with 2 if it couldn't.`,
		Args: cobra.MaximumNArgs(1),
	}
	outputFlag(command.Flags(), &output)
	complete(command, "output", "json", "yaml")
	return viewing(command, func(cmd *cobra.Command, c cluster, args []string) error {
		l := onlooker{WithWatch: c, namespace: c.namespace, flux: true}
		objects, err := l.only(cmd.Context(), args)
		if err != nil {
			return err
		}
		s, err := l.surroundings(cmd.Context(), objects)
		if err != nil {
			return err
		}
		root := screen.TreeOf(s)
		if done, err := printed(cmd.OutOrStdout(), output, root); done {
			return err
		}
		t := terminalOf(cmd.OutOrStdout())
		return t.print(append(screen.Tree(root, t.options(true)), s.Notes...))
	})
}

// surroundings of an upgrade: the objects that carry its label, and the poolers. A kind that may not be listed is noted.
func (l onlooker) surroundings(ctx context.Context, o screen.Objects) (screen.Surroundings, error) {
	s := screen.Surroundings{Objects: o}
	var sets appsv1.StatefulSetList
	var deployments appsv1.DeploymentList
	var jobs batchv1.JobList
	var claims corev1.PersistentVolumeClaimList
	var pods, poolers corev1.PodList
	ours := client.MatchingLabels{v1alpha1.UpgradeLabel: o.Upgrade.Name}
	for _, list := range []client.ObjectList{&sets, &deployments, &jobs, &claims, &pods} {
		if err := l.listed(ctx, &s.Objects, list, ours); err != nil {
			return s, err
		}
	}
	if o.Proxy != nil && o.Proxy.Spec.Pooler.Service == nil {
		selector, err := metav1.LabelSelectorAsSelector(&o.Proxy.Spec.Pooler.Selector)
		if err != nil {
			s.Notes = append(s.Notes, "the PgProxy's spec.pooler.selector can't be read: "+err.Error())
		} else if err := l.listed(ctx, &s.Objects, &poolers, client.MatchingLabelsSelector{Selector: selector}); err != nil {
			return s, err
		}
	}
	s.StatefulSets, s.Deployments, s.Jobs, s.Claims, s.Pods, s.Poolers = sets.Items, deployments.Items, jobs.Items, claims.Items, pods.Items, poolers.Items
	return s, nil
}

// listed objects of the upgrade's namespace, unless they may not be.
func (l onlooker) listed(ctx context.Context, o *screen.Objects, list client.ObjectList, which client.ListOption) error {
	err := l.List(ctx, list, client.InNamespace(o.Upgrade.Namespace), which)
	if apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
		o.Notes = append(o.Notes, oneLine(reasonOf(err)))
		return nil
	}
	return err
}
