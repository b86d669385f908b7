package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
)

// logFlags of the command line.
type logFlags struct {
	follow     bool
	since      time.Duration
	tail       int64
	sources    []string
	controller string
}

func logsCommand() *cobra.Command {
	var f logFlags
	command := &cobra.Command{
		Use:   "logs [PGUPGRADE]",
		Short: "Show what the controller, the poolers' agents and the schema Jobs log of an upgrade",
		Long: `logs shows the controller's lines about a PgUpgrade and its PgProxy, and all lines of its poolers' agents and its schema Jobs, by
time. Each line begins with where it comes from, as kubectl logs --prefix has it. With -f lines are written as they come, also
those of pods that come later.

It exits with 0 if it could look, and with 2 if it couldn't. A pod whose log can't be read is told on standard error.`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on, and show what comes")
	flags.DurationVar(&f.since, "since", 0, "only lines newer than this, such as 10m")
	flags.Int64Var(&f.tail, "tail", -1, "only the newest lines of each container; all if -1")
	flags.StringSliceVar(&f.sources, "from", []string{"controller", "agents", "jobs"}, "whose lines")
	flags.StringVar(&f.controller, "controller-namespace", "gitover-system", "namespace of the controller, if it isn't in the upgrade's own")
	complete(command, "from", "controller", "agents", "jobs")
	return viewing(command, f.run)
}

func (f *logFlags) run(cmd *cobra.Command, c cluster, args []string) error {
	for _, source := range f.sources {
		if !slices.Contains([]string{"controller", "agents", "jobs"}, source) {
			return fmt.Errorf("there are no lines from %q: choose controller, agents or jobs", source)
		}
	}
	l := onlooker{WithWatch: c, namespace: c.namespace}
	objects, err := l.only(cmd.Context(), args)
	if err != nil {
		return err
	}
	pods, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return err
	}
	v := &logView{logFlags: *f, onlooker: l, objects: objects, pods: pods, out: cmd.OutOrStdout(), trouble: cmd.ErrOrStderr()}
	if f.follow {
		return v.stream(cmd.Context())
	}
	return v.once(cmd.Context())
}

// container whose lines are wanted.
type container struct {
	pod  *corev1.Pod
	name string
	// filter: only lines about the upgrade.
	filter bool
}

// key tells a container that has started again from the one before.
func (c container) key() string {
	restarts := int32(0)
	for _, s := range slices.Concat(c.pod.Status.InitContainerStatuses, c.pod.Status.ContainerStatuses) {
		if s.Name == c.name {
			restarts = s.RestartCount
		}
	}
	return fmt.Sprintf("%s/%s/%d", c.pod.UID, c.name, restarts)
}

// began says whether there can be lines already.
func (c container) began() bool {
	for _, s := range slices.Concat(c.pod.Status.InitContainerStatuses, c.pod.Status.ContainerStatuses) {
		if s.Name == c.name {
			return s.State.Running != nil || s.State.Terminated != nil
		}
	}
	return false
}

func (c container) String() string { return "[pod/" + c.pod.Name + "/" + c.name + "]" }

// containers that log of the upgrade. Pods that may not be listed are told of, not fatal, as long as there are others.
func (v *logView) containers(ctx context.Context) ([]container, error) {
	var all []container
	var denied []error
	for _, source := range v.sources {
		found, err := v.of(ctx, source)
		if err != nil && !apierrors.IsForbidden(err) {
			return nil, err
		}
		if err != nil {
			denied = append(denied, err)
		}
		all = append(all, found...)
	}
	if len(denied) == len(v.sources) {
		return nil, denied[0]
	}
	for _, err := range denied {
		v.tell(oneLine(reasonOf(err)))
	}
	return slices.DeleteFunc(all, func(c container) bool { return !c.began() }), nil
}

func (v *logView) of(ctx context.Context, source string) ([]container, error) {
	u := v.objects.Upgrade
	switch source {
	case "controller":
		var all []container
		labels := client.MatchingLabels{"app.kubernetes.io/name": "gitover", "app.kubernetes.io/component": "controller"}
		namespaces := slices.Compact([]string{u.Namespace, v.controller})
		var denied error
		for _, namespace := range namespaces {
			found, err := v.named(ctx, "controller", true, client.InNamespace(namespace), labels)
			if err != nil && !apierrors.IsForbidden(err) {
				return nil, err
			}
			denied = cmp.Or(denied, err)
			all = append(all, found...)
		}
		if len(all) == 0 && denied != nil {
			return nil, denied
		}
		return all, nil
	case "agents":
		if v.objects.Proxy == nil || v.objects.Proxy.Spec.Pooler.Service != nil {
			return nil, nil
		}
		selector, err := metav1.LabelSelectorAsSelector(&v.objects.Proxy.Spec.Pooler.Selector)
		if err != nil {
			return nil, err
		}
		return v.named(ctx, "gitover-agent", false, client.InNamespace(u.Namespace), client.MatchingLabelsSelector{Selector: selector})
	}
	return v.named(ctx, "schema", false, client.InNamespace(u.Namespace), client.MatchingLabels{v1alpha1.UpgradeLabel: u.Name}, client.HasLabels{batchv1.JobNameLabel})
}

// named containers of pods.
func (v *logView) named(ctx context.Context, name string, filter bool, which ...client.ListOption) ([]container, error) {
	var list corev1.PodList
	if err := v.List(ctx, &list, which...); err != nil {
		return nil, err
	}
	var found []container
	for i := range list.Items {
		pod := &list.Items[i]
		for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			if c.Name == name {
				found = append(found, container{pod, name, filter})
			}
		}
	}
	return found, nil
}

var errNoContainers = errors.New("no pod of the controller, the poolers or a schema Job is there; say by --controller-namespace where the controller is")

// about says what a line of the controller's must be about.
func (v *logView) about() subject {
	return subject{v.objects.Upgrade.Namespace, v.objects.Upgrade.Name, v.objects.Upgrade.Spec.ProxyRef.Name}
}

// tell a person of something that isn't a line of a log; each once.
func (v *logView) tell(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.Contains(v.told, what) {
		v.told = append(v.told, what)
		fmt.Fprintln(v.trouble, strings.TrimSpace(what))
	}
}
