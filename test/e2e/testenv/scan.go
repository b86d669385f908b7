package testenv

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/cluster"
)

// environments in which docs/security.md says that a secret is: those of the schema Job and
// of the programs that it runs, and the example's own, which the official image of
// PostgreSQL and its programs ask for.
var environments = []string{"BLUE_PGPASSWORD=", "GREEN_PGPASSWORD=", "PGPASSWORD=", "POSTGRES_PASSWORD="}

// Scan looks for secrets where nobody should see them: logs of the app's containers and of
// the controllers, all objects but Secrets, events, every object of the repository. It
// returns each place with the secrets that it shows. What containers logged before a time
// is left out.
func (a *App) Scan(ctx context.Context, secrets []Secret, since time.Time) ([]string, error) {
	var places []string
	look := func(place, text string) {
		if shown := ShowIn(text, secrets); len(shown) > 0 {
			places = append(places, fmt.Sprintf("%s shows %s", place, strings.Join(shown, ", ")))
		}
	}
	for _, namespace := range []string{a.Namespace, SystemNamespace} {
		if err := a.scanLogs(ctx, namespace, since, look); err != nil {
			return nil, err
		}
	}
	if err := a.scanObjects(ctx, look); err != nil {
		return nil, err
	}
	objects, err := a.Repository.Objects(ctx)
	if err != nil {
		return nil, err
	}
	look("the repository", objects)
	return places, nil
}

func (a *App) scanLogs(ctx context.Context, namespace string, since time.Time, look func(place, text string)) error {
	var pods corev1.PodList
	if err := a.Client.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			for _, previous := range []bool{false, true}[:min(1+int(status.RestartCount), 2)] {
				options := &corev1.PodLogOptions{Container: status.Name, Previous: previous}
				if !since.IsZero() {
					options.SinceTime = &metav1.Time{Time: since}
				}
				log, err := a.Pods.CoreV1().Pods(namespace).GetLogs(pod.Name, options).DoRaw(ctx)
				if err != nil {
					continue // it has never run, or has just gone
				}
				look(fmt.Sprintf("the log of %s/%s", pod.Name, status.Name), string(log))
			}
		}
	}
	return nil
}

// kinds that hold words of Gitover's or of those around it.
var kinds = []schema.GroupVersionKind{
	{Group: "gitover.dev", Version: "v1alpha1", Kind: "PgUpgrade"}, {Group: "gitover.dev", Version: "v1alpha1", Kind: "PgProxy"},
	{Version: "v1", Kind: "Event"}, {Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Pod"}, {Version: "v1", Kind: "Service"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"}, {Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "batch", Version: "v1", Kind: "Job"},
	{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "GitRepository"}, {Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"},
}

func (a *App) scanObjects(ctx context.Context, look func(place, text string)) error {
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := a.Client.List(ctx, list, client.InNamespace(a.Namespace)); err != nil {
			return fmt.Errorf("list %s: %w", kind.Kind, err)
		}
		for _, o := range list.Items {
			text, err := o.MarshalJSON()
			if err != nil {
				return err
			}
			look(kind.Kind+" "+o.GetName(), string(text))
		}
	}
	return nil
}

// ScanProcesses does the same with the arguments and the environment of every process on
// the node, except the variables that docs/security.md names.
func ScanProcesses(s *cluster.Stage, secrets []Secret) ([]string, error) {
	processes, err := s.CommandLines()
	if err != nil {
		return nil, err
	}
	var places []string
	for _, p := range processes {
		program := p.Arguments[0]
		if shown := ShowIn(strings.Join(p.Arguments, "\n"), secrets); len(shown) > 0 {
			places = append(places, fmt.Sprintf("the arguments of process %d (%s) show %s", p.PID, program, strings.Join(shown, ", ")))
		}
		for _, variable := range p.Environment {
			if slices.ContainsFunc(environments, func(name string) bool { return strings.HasPrefix(variable, name) }) {
				continue
			}
			if shown := ShowIn(variable, secrets); len(shown) > 0 {
				name, _, _ := strings.Cut(variable, "=")
				places = append(places, fmt.Sprintf("the environment of process %d (%s, %s) shows %s", p.PID, program, name, strings.Join(shown, ", ")))
			}
		}
	}
	return places, nil
}
