package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/gitover/gitover/api/v1alpha1"
)

// What commands that look at the cluster exit with, beside 0.
const (
	exitNotReached = 1
	exitUnseen     = 2
)

// unseen gives an error its exit code, unless it has one.
func unseen(err error, namespace string) error {
	var e *exit // nil errors and interruptions are none
	if err == nil || errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return err
	}
	return &exit{exitUnseen, explained(err, namespace)}
}

// unconfigured says what to do about a kubeconfig that leads nowhere.
func unconfigured(f *genericclioptions.ConfigFlags, err error) error {
	if clientcmd.IsEmptyConfig(err) {
		return errors.New("no cluster is configured: set KUBECONFIG, or use --kubeconfig")
	}
	raw, rawErr := f.ToRawKubeConfigLoader().RawConfig()
	if name := *f.Context; rawErr == nil && name != "" && raw.Contexts[name] == nil {
		return fmt.Errorf("the kubeconfig has no context %q; it has %s", name, listed(slices.Sorted(maps.Keys(raw.Contexts))))
	}
	return fmt.Errorf("find the cluster (set KUBECONFIG, or use --kubeconfig and --context): %w", err)
}

// mostListed names: a longer list helps little.
const mostListed = 5

// listed names, or a word for none.
func listed(names []string) string {
	switch more := len(names) - mostListed; {
	case len(names) == 0:
		return "none"
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostListed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// explained says in a line what keeps a person from looking at the cluster, and what to do about it.
func explained(err error, namespace string) error {
	var undiscovered *apiutil.ErrResourceDiscoveryFailed
	var request *url.Error
	var network net.Error
	switch {
	case err == nil:
		return nil
	case meta.IsNoMatchError(err), errors.As(err, &undiscovered):
		return errors.New("this cluster has no PgUpgrades, since Gitover isn't installed in it: choose another by --context, or install it (docs/install.md)")
	case apierrors.IsForbidden(err):
		where := "namespace " + namespace
		if namespace == "" {
			where = "all namespaces"
		}
		return fmt.Errorf("%s: ask for the role view in %s, which allows it", oneLine(reasonOf(err)), where)
	case apierrors.IsUnauthorized(err):
		return errors.New("the cluster refuses your credentials: log in again, or choose another by --context")
	case errors.As(err, &request) || errors.As(err, &network):
		return fmt.Errorf("the cluster doesn't answer (%s): is --context the right one, and the network there?", oneLine(err.Error()))
	}
	return errors.New(oneLine(err.Error()))
}

// isFromCluster tells an answer of the API server's, or the lack of one, from an error of ours.
func isFromCluster(err error) bool {
	var status apierrors.APIStatus
	var request *url.Error
	var network net.Error
	return errors.As(err, &status) || errors.As(err, &request) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF)
}

// reasonOf an error of the API server's, without what was wrapped around it.
func reasonOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// notFound says what there is in the place of an upgrade that isn't there.
func notFound(ctx context.Context, c client.Client, namespace, name string) error {
	err := c.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("namespace %q doesn't exist: choose another by -n", namespace)
	}
	var here, everywhere v1alpha1.PgUpgradeList
	if err := c.List(ctx, &here, client.InNamespace(namespace)); err != nil {
		return err
	}
	var elsewhere []string
	if err := c.List(ctx, &everywhere); err == nil { // who may not look there isn't told
		for _, u := range everywhere.Items {
			if u.Namespace != namespace && (name == "" || u.Name == name) {
				elsewhere = append(elsewhere, u.Namespace)
			}
		}
	}
	slices.Sort(elsewhere)
	elsewhere = slices.Compact(elsewhere)
	if name == "" {
		if len(elsewhere) > 0 {
			return fmt.Errorf("no PgUpgrade in namespace %q: use -n %s, or -A for all", namespace, elsewhere[0])
		}
		return fmt.Errorf("no PgUpgrade in namespace %q: choose another by -n", namespace)
	}
	names := make([]string, 0, len(here.Items))
	for _, u := range here.Items {
		names = append(names, u.Name)
	}
	what := fmt.Sprintf("no PgUpgrade %q in namespace %q", name, namespace)
	switch near := near(name, names); {
	case len(near) > 0:
		return fmt.Errorf("%s: do you mean %s?", what, strings.Join(near, " or "))
	case len(elsewhere) > 0:
		return fmt.Errorf("%s: there is one in %s, use -n", what, listed(elsewhere))
	}
	return fmt.Errorf("%s: there are %s", what, listed(names))
}

// near names of what a person typed, by the measure that the command line has for its commands.
func near(typed string, names []string) []string {
	all := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, name := range names {
		all.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	return all.SuggestionsFor(typed)
}
