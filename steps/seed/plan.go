package seed

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ErrUnsuitable: green's manifests leave something open that a Job, which has to do the same as green's pod, must know.
var ErrUnsuitable = errors.New("green's manifests don't suit a physical seed")

// Plan is what green's StatefulSet says about where and as whom its server runs.
type Plan struct {
	set       *appsv1.StatefulSet
	container corev1.Container
	claim     corev1.PersistentVolumeClaim
	// mount of the claim in the container.
	mount corev1.VolumeMount
	data  string
}

// PlanOf reads green's StatefulSet; image picks the database's container by its image. An error that is ErrUnsuitable says, in one
// sentence, why green can't be seeded.
func PlanOf(set *appsv1.StatefulSet, image func(corev1.PodTemplateSpec) string) (Plan, error) {
	p := Plan{set: set}
	if n := set.Spec.Replicas; n != nil && *n != 1 {
		return p, unsuitable("StatefulSet %s has %d replicas; the others would copy from the first", set.Name, *n)
	}
	want := image(set.Spec.Template)
	i := slices.IndexFunc(set.Spec.Template.Spec.Containers, func(c corev1.Container) bool { return c.Image == want })
	if i < 0 {
		return p, unsuitable("StatefulSet %s has no container for the database", set.Name)
	}
	p.container = set.Spec.Template.Spec.Containers[i]
	data := slices.IndexFunc(p.container.Env, func(e corev1.EnvVar) bool { return e.Name == "PGDATA" && e.ValueFrom == nil })
	if data < 0 || !path.IsAbs(p.container.Env[data].Value) {
		return p, unsuitable("container %s doesn't set PGDATA", p.container.Name)
	}
	p.data = path.Clean(p.container.Env[data].Value)
	if err := p.findClaim(); err != nil {
		return p, err
	}
	if user := p.user(); user == nil || *user == 0 {
		return p, unsuitable("StatefulSet %s doesn't set securityContext.runAsUser: a Job can't tell as whom the server runs", set.Name)
	}
	return p, nil
}

func unsuitable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsuitable, fmt.Sprintf(format, args...))
}

// findClaim finds the volume claim that holds the data directory, below its root: a directory that is a mount can't be renamed.
func (p *Plan) findClaim() error {
	for _, m := range p.container.VolumeMounts {
		if !strings.HasPrefix(p.data, strings.TrimSuffix(m.MountPath, "/")+"/") || len(m.MountPath) <= len(p.mount.MountPath) {
			continue
		}
		p.mount = m
	}
	i := slices.IndexFunc(p.set.Spec.VolumeClaimTemplates, func(c corev1.PersistentVolumeClaim) bool { return c.Name == p.mount.Name })
	if i < 0 || p.mount.ReadOnly || p.mount.SubPath != "" || p.mount.SubPathExpr != "" {
		return unsuitable("PGDATA of container %s (%s) isn't a directory below the mount of a volume claim", p.container.Name, p.data)
	}
	p.claim = p.set.Spec.VolumeClaimTemplates[i]
	return nil
}

func (p Plan) user() *int64 {
	if c := p.container.SecurityContext; c != nil && c.RunAsUser != nil {
		return c.RunAsUser
	}
	if c := p.set.Spec.Template.Spec.SecurityContext; c != nil {
		return c.RunAsUser
	}
	return nil
}

// Claim is the one that the StatefulSet's first pod will use: it takes over a claim of that name, and has these labels.
func (p Plan) Claim(namespace string) *corev1.PersistentVolumeClaim {
	labels := maps.Clone(p.claim.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	if p.set.Spec.Selector != nil {
		maps.Copy(labels, p.set.Spec.Selector.MatchLabels)
	}
	return &corev1.PersistentVolumeClaim{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{
			Name: p.claim.Name + "-" + p.set.Name + "-0", Namespace: namespace, Labels: labels, Annotations: maps.Clone(p.claim.Annotations),
		},
		Spec: *p.claim.Spec.DeepCopy(),
	}
}

// work is the scripts' directory beside the data directory, on the claim.
func (p Plan) work() string { return path.Join(path.Dir(p.data), ".gitover-seed") }

// settings of the container's environment that decide how its entrypoint would initialize the data directory.
func (p Plan) settings() (env []corev1.EnvVar) {
	for _, e := range p.container.Env {
		if e.Name == "POSTGRES_INITDB_ARGS" || e.Name == "POSTGRES_HOST_AUTH_METHOD" {
			env = append(env, e)
		}
	}
	return env
}
