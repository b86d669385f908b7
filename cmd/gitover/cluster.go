package main

import (
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// clusterFlags say which cluster and namespace, as kubectl's do.
func clusterFlags(flags *pflag.FlagSet) *genericclioptions.ConfigFlags {
	all := genericclioptions.NewConfigFlags(false)
	f := &genericclioptions.ConfigFlags{KubeConfig: all.KubeConfig, Context: all.Context, Namespace: all.Namespace}
	f.AddFlags(flags)
	return f
}

// connect to the cluster that the flags name, and say which namespace is meant.
func connect(f *genericclioptions.ConfigFlags) (client.Client, string, error) {
	config, err := f.ToRESTConfig()
	if err != nil {
		return nil, "", fmt.Errorf("find the cluster (set KUBECONFIG, or use --kubeconfig and --context): %w", err)
	}
	namespace, _, err := f.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		return nil, "", fmt.Errorf("reach the cluster: %w", err)
	}
	return c, namespace, nil
}
