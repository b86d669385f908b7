package main

import (
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// clusterFlags say which cluster and namespace, as kubectl's do.
func clusterFlags(flags *pflag.FlagSet) *genericclioptions.ConfigFlags {
	all := genericclioptions.NewConfigFlags(false)
	f := &genericclioptions.ConfigFlags{KubeConfig: all.KubeConfig, Context: all.Context, Namespace: all.Namespace}
	f.AddFlags(flags)
	return f
}

// connect to the cluster that the flags name, and say which namespace is meant.
func connect(f *genericclioptions.ConfigFlags) (client.WithWatch, string, error) {
	config, err := f.ToRESTConfig()
	if err != nil {
		return nil, "", unconfigured(f, err)
	}
	// where nothing is configured, clients try a server that none runs any more
	if raw, err := f.ToRawKubeConfigLoader().RawConfig(); err == nil && len(raw.Clusters) == 0 && strings.HasPrefix(config.Host, "http://localhost") {
		return nil, "", unconfigured(f, clientcmd.ErrEmptyConfig)
	}
	namespace, _, err := f.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	// a person waits for each answer, and asks few questions
	config.QPS, config.Burst = 50, 100
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme()})
	if err != nil {
		return nil, "", explained(fmt.Errorf("reach the cluster: %w", err), namespace)
	}
	return c, namespace, nil
}

// cluster that a command looks at.
type cluster struct {
	client.WithWatch
	// namespace that is meant.
	namespace string
	config    *rest.Config
}

// viewing makes a command of one that looks at the cluster: whatever keeps it from looking is told in a line, and the exit
// code is 2.
func viewing(command *cobra.Command, look func(cmd *cobra.Command, c cluster, args []string) error) *cobra.Command {
	f := clusterFlags(command.Flags())
	command.ValidArgsFunction = completeUpgrades(f)
	completeCluster(command, f)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		// libraries write about connections that are lost; people hear of it from us
		klog.SetLogger(logr.Discard())
		log.SetLogger(logr.Discard())
		c, namespace, err := connect(f)
		if err != nil {
			return &exit{exitUnseen, err}
		}
		config, err := f.ToRESTConfig()
		if err != nil {
			return &exit{exitUnseen, err}
		}
		return unseen(look(cmd, cluster{c, namespace, config}, args), namespace)
	}
	return command
}
