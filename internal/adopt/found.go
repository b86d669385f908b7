package adopt

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Found is what runs, and what is to be written of it.
type Found struct {
	Answers
	// Image of the server without its tag, and the tag of a version, such as "{version}-bookworm".
	Image, Tag string
	// UsernameKey and PasswordKey of the Secret.
	UsernameKey, PasswordKey string
	Port                     int32
	// Source is Flux's GitRepository.
	Source, SourceNamespace, KustomizationNamespace string
	// Deployment is the pooler's name, Container the one of PgBouncer in it, Selector that of its pods.
	Deployment, Container string
	Selector              metav1.LabelSelector
	// Explained is what was found, and by what, a line each.
	Explained []string
	// Hints are what is left to a person, a line each.
	Hints []string

	server *appsv1.StatefulSet
	pooler *appsv1.Deployment
}

func (f *Found) explain(format string, args ...any) {
	f.Explained = append(f.Explained, fmt.Sprintf(format, args...))
}

func (f *Found) hint(format string, args ...any) {
	f.Hints = append(f.Hints, fmt.Sprintf(format, args...))
}

// Discover what runs in a namespace. It reads the cluster only; each error is a line that says what to do.
func Discover(ctx context.Context, c client.Reader, answers Answers, choose Choose) (*Found, error) {
	f := &Found{Answers: answers}
	for _, find := range []func(context.Context, client.Reader, Choose) error{f.findServer, f.findService, f.findSecret, f.findPooler, f.findFlux, f.findAgent} {
		if err := find(ctx, c, choose); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Found) findServer(ctx context.Context, c client.Reader, choose Choose) error {
	var list appsv1.StatefulSetList
	if err := c.List(ctx, &list, client.InNamespace(f.Namespace)); err != nil {
		return fmt.Errorf("list StatefulSets: %w", err)
	}
	var all, candidates []string
	for _, s := range list.Items {
		all = append(all, s.Name)
		if serverIn(s.Spec.Template.Spec) != nil {
			candidates = append(candidates, s.Name)
		}
	}
	name, err := pick(choose, "StatefulSet", "statefulset", f.StatefulSet, candidates, all)
	if err != nil {
		return err
	}
	for i := range list.Items {
		if list.Items[i].Name == name {
			f.server = &list.Items[i]
		}
	}
	if f.server == nil {
		return fmt.Errorf("there is no StatefulSet %s; there are: %s", name, orNone(all))
	}
	f.StatefulSet = name
	container := serverIn(f.server.Spec.Template.Spec)
	if container == nil {
		return fmt.Errorf("StatefulSet %s runs no PostgreSQL that can be told: no container has an image or a port of it; name another one by --statefulset", name)
	}
	return f.readServer(container)
}

// serverIn a pod is the container that runs PostgreSQL.
func serverIn(pod corev1.PodSpec) *corev1.Container {
	for i, c := range pod.Containers {
		if strings.Contains(imageName(c.Image), "postgres") || strings.Contains(imageName(c.Image), "spilo") {
			return &pod.Containers[i]
		}
	}
	for i, c := range pod.Containers {
		for _, p := range c.Ports {
			if p.ContainerPort == 5432 {
				return &pod.Containers[i]
			}
		}
	}
	return nil
}

func (f *Found) findService(ctx context.Context, c client.Reader, choose Choose) error {
	var list corev1.ServiceList
	if err := c.List(ctx, &list, client.InNamespace(f.Namespace)); err != nil {
		return fmt.Errorf("list Services: %w", err)
	}
	pod := f.server.Spec.Template.Labels
	var all, candidates []string
	ports := map[string]int32{}
	for _, s := range list.Items {
		all = append(all, s.Name)
		if len(s.Spec.Ports) > 0 {
			ports[s.Name] = s.Spec.Ports[0].Port
		}
		if len(s.Spec.Selector) > 0 && selects(s.Spec.Selector, pod) {
			candidates = append(candidates, s.Name)
		}
	}
	name, err := pick(choose, "Service of the server", "service", f.Service, candidates, all)
	if err != nil {
		return err
	}
	f.Service, f.Port = name, ports[name]
	f.explain("Service %s leads to it, port %d", name, f.Port)
	return nil
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

func (f *Found) findPooler(ctx context.Context, c client.Reader, choose Choose) error {
	var list appsv1.DeploymentList
	if err := c.List(ctx, &list, client.InNamespace(f.Namespace)); err != nil {
		return fmt.Errorf("list Deployments: %w", err)
	}
	named := f.Pooler
	if kind, name, ok := strings.Cut(named, "/"); ok {
		if kind = strings.ToLower(kind); kind != "deployment" && kind != "deploy" && kind != "deployment.apps" {
			return fmt.Errorf("--pooler %s: the pooler has to be a Deployment of PgBouncer; name it as deployment/NAME", f.Pooler)
		}
		named = name
	}
	var all, candidates []string
	for _, d := range list.Items {
		all = append(all, d.Name)
		if bouncerIn(d.Spec.Template.Spec) != nil {
			candidates = append(candidates, d.Name)
		}
	}
	name, err := pick(choose, "Deployment of PgBouncer", "pooler", named, candidates, all)
	if err != nil {
		return err
	}
	name = strings.TrimPrefix(name, "deployment/")
	for i := range list.Items {
		if list.Items[i].Name == name {
			f.pooler = &list.Items[i]
		}
	}
	if f.pooler == nil {
		return fmt.Errorf("there is no Deployment %s; there are: %s", name, orNone(all))
	}
	return f.readPooler(name)
}

func (f *Found) readPooler(name string) error {
	pod := f.pooler.Spec.Template.Spec
	container := bouncerIn(pod)
	if container == nil {
		return fmt.Errorf("the Deployment %s doesn't run PgBouncer, the one pooler that Gitover can hold: put one in front of the server, as examples/fleet has it, or name another by --pooler", name)
	}
	f.Pooler, f.Deployment, f.Container, f.Selector = "deployment/"+name, name, container.Name, *f.pooler.Spec.Selector
	if err := f.joinable(); err != nil {
		return err
	}
	if account := pod.ServiceAccountName; account != "" && account != "default" {
		f.hint("the pods of Deployment %s get the service account %s-gitover-agent in place of %s: if PgBouncer needs the rights of the latter, bind them to the new one", name, f.Name, account)
	}
	f.explain("Deployment %s runs PgBouncer in container %s", name, container.Name)
	if f.pooler.Spec.Replicas != nil && *f.pooler.Spec.Replicas < 2 {
		f.hint("Deployment %s has one replica; two or more keep clients served when one is replaced", name)
	}
	if container.SecurityContext != nil && container.SecurityContext.RunAsUser != nil {
		f.hint("container %s sets runAsUser itself: move it to the pod's securityContext, since PgBouncer knows its agent by the same user id", container.Name)
	} else if pod.SecurityContext == nil || pod.SecurityContext.RunAsUser == nil {
		f.hint("set runAsUser in the pod's securityContext of Deployment %s, since PgBouncer knows its agent by the same user id", name)
	}
	return nil
}

func bouncerIn(pod corev1.PodSpec) *corev1.Container {
	for i, c := range pod.Containers {
		for _, word := range append(append([]string{imageName(c.Image)}, c.Command...), c.Args...) {
			if strings.Contains(word, "pgbouncer") {
				return &pod.Containers[i]
			}
		}
	}
	return nil
}

// controllerName is what Gitover's own Deployment is called, see manifests/.
const controllerName = "gitover-controller"

// findAgent takes the image of the controller that runs, since the agent is in the same one.
func (f *Found) findAgent(ctx context.Context, c client.Reader, _ Choose) error {
	if f.AgentImage != "" {
		return nil
	}
	var list appsv1.DeploymentList
	err := c.List(ctx, &list)
	if err == nil {
		for _, d := range list.Items {
			if d.Name == controllerName && len(d.Spec.Template.Spec.Containers) > 0 {
				f.AgentImage = d.Spec.Template.Spec.Containers[0].Image
				f.explain("Gitover runs as %s in namespace %s; the agent has the same image", f.AgentImage, d.Namespace)
				return nil
			}
		}
	}
	f.AgentImage = componentImage
	f.hint("Gitover's controller wasn't found in the cluster, so the agent's image is %s: put yours in its place, or say it by --agent-image", f.AgentImage)
	return nil //nolint:nilerr // who may not look into other namespaces gets the hint
}
