package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
)

// What kubectl calls this program by, where it finds it under these names.
const (
	asPlugin     = "kubectl-gitover"
	asCompletion = "kubectl_complete-gitover"
)

// calledAs is how the program was called: people type "kubectl gitover" to a plugin, and kubectl asks another name for
// what a line may go on with.
func calledAs(args []string) (display string, rest []string) {
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	switch name {
	case asPlugin:
		return "kubectl gitover", args[1:]
	case asCompletion:
		return "kubectl gitover", append([]string{cobra.ShellCompRequestCmd}, args[1:]...)
	}
	return "gitover", args[1:]
}

// program is how people call this one.
func program(cmd *cobra.Command) string { return cmd.Root().CommandPath() }

// rename the root, and in what commands say of themselves.
func rename(root *cobra.Command, display string) {
	if display == root.Name() {
		return
	}
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: display}
	for _, command := range root.Commands() {
		command.Example = strings.ReplaceAll(command.Example, "  gitover ", "  "+display+" ")
	}
}

// completionPatience is how long a person waits for a completion.
const completionPatience = 3 * time.Second

// completeUpgrades offers the names of the PgUpgrades in the namespace.
func completeUpgrades(f *genericclioptions.ConfigFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		var list v1alpha1.PgUpgradeList
		namespace, err := ask(cmd, f, &list)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, u := range list.Items {
			if u.Namespace == namespace {
				names = append(names, cobra.CompletionWithDesc(u.Name, "PostgreSQL "+u.Status.Version))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeCheckout offers the names of the PgUpgrades in the checkout.
func completeCheckout(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	c, err := here(cmd.Context())
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	paths, err := c.git(cmd.Context(), "ls-files", "-z", "--", "*.yaml", "*.yml")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for path := range strings.SplitSeq(paths, "\x00") {
		content, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(path)))
		if err != nil || !bytes.Contains(content, []byte("PgUpgrade")) {
			continue // a file that was removed, or is another's
		}
		if found, err := gitops.NamesOf(content, "PgUpgrade"); err == nil {
			names = append(names, found...)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// ask the cluster for a list, in the namespace or of namespaces.
func ask(cmd *cobra.Command, f *genericclioptions.ConfigFlags, list client.ObjectList) (namespace string, err error) {
	c, namespace, err := connect(f)
	if err != nil {
		return "", err
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	if _, all := list.(*corev1.NamespaceList); all {
		return namespace, c.List(ctx, list)
	}
	return namespace, c.List(ctx, list, client.InNamespace(namespace))
}

// completeCluster offers namespaces and contexts to the flags that name them.
func completeCluster(command *cobra.Command, f *genericclioptions.ConfigFlags) {
	namespaces := func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var list corev1.NamespaceList
		_, _ = ask(cmd, f, &list) // nothing to offer
		names := make([]cobra.Completion, 0, len(list.Items))
		for _, n := range list.Items {
			names = append(names, n.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	contexts := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		raw, _ := f.ToRawKubeConfigLoader().RawConfig() // nothing to offer
		names := make([]cobra.Completion, 0, len(raw.Contexts))
		for name := range raw.Contexts {
			names = append(names, name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	for flag, offer := range map[string]cobra.CompletionFunc{"namespace": namespaces, "context": contexts} {
		if err := command.RegisterFlagCompletionFunc(flag, offer); err != nil {
			panic(err) // the flag isn't there, or has one already
		}
	}
}
