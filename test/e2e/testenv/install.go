package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// SystemNamespace is where manifests/default puts Gitover.
const SystemNamespace = "gitover-system"

// installer owns what a person would apply by hand.
const installer = client.FieldOwner("gitover-stage")

// Install does `kubectl apply -k manifests/default` and waits until the controller is ready.
func (w *Environment) Install(ctx context.Context) error {
	return w.install(ctx, filepath.Join(w.Checkout, "manifests", "default"), SystemNamespace)
}

// OwnController is the label by which an app's objects are left to the controller of their
// namespace: see docs/install.md.
const OwnController = "gitover.dev/controller"

// InstallIn a namespace that exists: manifests/namespaced, in an overlay as docs/install.md
// tells people to make one, with changes of the caller's own. The kinds are defined already.
// It goes with the namespace.
func (w *Environment) InstallIn(ctx context.Context, namespace string, changes ...func(*unstructured.Unstructured)) error {
	return w.InstallNamespaced(ctx, namespace, "namespace: "+namespace+"\nresources:\n- BASE\n", changes...)
}

// InstallNamespaced is InstallIn by an overlay of the caller's own, the text of a
// kustomization.yaml in which BASE stands for manifests/namespaced.
func (w *Environment) InstallNamespaced(ctx context.Context, namespace, overlay string, changes ...func(*unstructured.Unstructured)) error {
	dir, err := os.MkdirTemp("", "gitover-overlay-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	base, err := filepath.Rel(dir, filepath.Join(w.Checkout, "manifests", "namespaced"))
	if err != nil {
		return err
	}
	content := strings.ReplaceAll(overlay, "BASE", base)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(content), 0o600); err != nil {
		return err
	}
	return w.install(ctx, dir, namespace, changes...)
}

func (w *Environment) install(ctx context.Context, dir, namespace string, changes ...func(*unstructured.Unstructured)) error {
	objects, err := build(dir)
	if err != nil {
		return err
	}
	for _, object := range objects {
		for _, change := range changes {
			change(object)
		}
		if object.GetKind() == "Deployment" {
			// The tag stays while the image is built again: each installation starts new pods.
			now := time.Now().UTC().Format(time.RFC3339)
			if err := unstructured.SetNestedField(object.Object, now, "spec", "template", "metadata", "annotations", "gitover.dev/installed-at"); err != nil {
				return err
			}
		}
	}
	if err := w.Apply(ctx, objects); err != nil {
		return err
	}
	return w.AwaitDeployment(ctx, namespace, "gitover-controller", 3*time.Minute)
}

// InstallKinds applies the definitions of the kinds alone.
func (w *Environment) InstallKinds(ctx context.Context) error {
	objects, err := build(filepath.Join(w.Checkout, "manifests", "crd"))
	if err != nil {
		return err
	}
	return w.Apply(ctx, objects)
}

// AwaitDeployment waits until all replicas of the current template are available.
func (w *Environment) AwaitDeployment(ctx context.Context, namespace, name string, patience time.Duration) error {
	return w.Await(ctx, patience, "Deployment "+namespace+"/"+name, func(ctx context.Context) (bool, string, error) {
		var d appsv1.Deployment
		if err := w.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &d); err != nil {
			return false, "", err
		}
		want, ready := *d.Spec.Replicas, d.Status.AvailableReplicas
		state := fmt.Sprintf("%d of %d available", ready, want)
		if ready < want {
			state += w.podTroubles(ctx, namespace, d.Spec.Selector.MatchLabels)
		}
		return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas == want && d.Status.Replicas == want && ready == want, state, nil
	})
}

// podTroubles says why pods are not ready, in the words of the kubelet.
func (w *Environment) podTroubles(ctx context.Context, namespace string, labels map[string]string) string {
	var pods corev1.PodList
	if err := w.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(labels)); err != nil {
		return ""
	}
	var troubles strings.Builder
	for _, pod := range pods.Items {
		for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if s.State.Waiting != nil && s.State.Waiting.Reason != "PodInitializing" {
				fmt.Fprintf(&troubles, "; %s: %s %s", s.Name, s.State.Waiting.Reason, s.State.Waiting.Message)
			}
		}
	}
	return troubles.String()
}

// build a kustomization of this checkout.
func build(dir string) ([]*unstructured.Unstructured, error) {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // namespaces and definitions first, as kubectl does
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		return nil, err
	}
	return decode(strings.NewReader(string(text)))
}

// Example reads the manifests of a file below examples.
func (s Stage) Example(path ...string) ([]*unstructured.Unstructured, error) {
	f, err := os.Open(filepath.Join(s.Checkout, "examples", filepath.Join(path...)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode(f)
}

func decode(text io.Reader) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(text, 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Apply on the server's side, as kubectl apply does. Kinds that were defined a moment ago
// may need another.
func (w *Environment) Apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		name := fmt.Sprintf("%s %s", object.GetKind(), object.GetName())
		var last error
		err := w.Await(ctx, 30*time.Second, "apply "+name, func(ctx context.Context) (bool, string, error) {
			last = w.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), installer, client.ForceOwnership)
			if last != nil {
				return false, last.Error(), nil
			}
			return true, "", nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
