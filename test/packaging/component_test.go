package packaging

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

var component = filepath.Join(root, "manifests", "components", "pooler")

// A fleet can't refer to Gitover's repository from a cluster without the internet, so the example has a copy.
func TestTheExampleHasTheComponentAsItIs(t *testing.T) {
	example := filepath.Join(root, "examples", "fleet", "apps", "components", "gitover-pooler")
	entries, err := os.ReadDir(component)
	if err != nil {
		t.Fatal(err)
	}
	copies, err := os.ReadDir(example)
	if err != nil || len(copies) != len(entries) {
		t.Errorf("%s has %d files and not %d: %v; run `cp manifests/components/pooler/* examples/fleet/apps/components/gitover-pooler/`", example, len(copies), len(entries), err)
	}
	for _, entry := range entries {
		if read(t, filepath.Join(component, entry.Name())) != read(t, filepath.Join(example, entry.Name())) {
			t.Errorf("the example's %s is another: copy it again", entry.Name())
		}
	}
}

func TestThePoolersOfTheExamplesHaveTheirAgent(t *testing.T) {
	adopted := t.TempDir()
	copyTree(t, component, filepath.Join(adopted, "components", "gitover-pooler"))
	for _, dir := range []string{"before", "after"} {
		copyTree(t, filepath.Join(root, "examples", "adopt", dir), filepath.Join(adopted, "orders"))
	}
	withHAProxy := t.TempDir()
	copyTree(t, filepath.Join(root, "examples", "fleet", "apps"), withHAProxy)
	copyTree(t, filepath.Join(root, "examples", "haproxy"), filepath.Join(withHAProxy, "orders"))
	withNginx := t.TempDir()
	copyTree(t, filepath.Join(root, "examples", "fleet", "apps"), withNginx)
	copyTree(t, filepath.Join(root, "examples", "nginx"), filepath.Join(withNginx, "orders"))
	for pooler, dir := range map[string]string{"orders-nginx": filepath.Join(withNginx, "orders"), "orders-haproxy": filepath.Join(withHAProxy, "orders"), "orders-pooler": filepath.Join(root, "examples", "fleet", "apps", "orders"), "pgbouncer": filepath.Join(adopted, "orders")} {
		t.Run(pooler, func(t *testing.T) { hasAgent(t, kustomize(t, dir), pooler, "orders") })
	}
}

// hasAgent checks all that the component does to the Deployment of this name, whose PgBouncer is the first container.
func hasAgent(t *testing.T, all objects, pooler, proxy string) {
	t.Helper()
	account := proxy + "-gitover-agent"
	kind := as[appsv1.Deployment](t, all, "Deployment/"+pooler).Labels["gitover.dev/pooler"]
	pod := as[appsv1.Deployment](t, all, "Deployment/"+pooler).Spec.Template
	if len(pod.Spec.InitContainers) != 1 || pod.Spec.ServiceAccountName != account || pod.Labels["gitover.dev/proxy"] != proxy {
		t.Fatalf("%s has %d init containers, the account %q, labels %v", pooler, len(pod.Spec.InitContainers), pod.Spec.ServiceAccountName, pod.Labels)
	}
	agent := pod.Spec.InitContainers[0]
	if agent.RestartPolicy == nil || *agent.RestartPolicy != corev1.ContainerRestartPolicyAlways || !slices.Equal(agent.Args, []string{"--proxy=" + proxy}) {
		t.Errorf("the agent of %s is no sidecar for %s: %v", pooler, proxy, agent)
	}
	told := slices.ContainsFunc(agent.Env, func(e corev1.EnvVar) bool { return e.Name == "GITOVER_POOLER" && e.Value == kind })
	if !told && kind != "PgBouncer" {
		t.Errorf("the agent of %s isn't told that it stands beside %s: %v", pooler, kind, agent.Env)
	}
	volumes := map[string]corev1.Volume{}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = volume
	}
	for _, container := range []corev1.Container{agent, pod.Spec.Containers[0]} {
		for _, mount := range container.VolumeMounts {
			if _, ok := volumes[mount.Name]; !ok {
				t.Errorf("%s mounts the volume %s, which isn't there", container.Name, mount.Name)
			}
		}
		shared := slices.IndexFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/run/gitover" })
		if shared < 0 || volumes[container.VolumeMounts[shared].Name].EmptyDir == nil {
			t.Errorf("%s of %s has no shared directory /run/gitover", container.Name, pooler)
		}
	}
	if secret := volumes["gitover-agent"].Secret; secret == nil || secret.SecretName != account {
		t.Errorf("the agent of %s has the Secret %v and not %s", pooler, secret, account)
	}
	role := as[rbacv1.Role](t, all, "Role/"+account)
	if len(role.Rules) != 1 || !slices.Equal(role.Rules[0].ResourceNames, []string{proxy}) {
		t.Errorf("the agent of %s may do %v and not just read %s", pooler, role.Rules, proxy)
	}
	binding := as[rbacv1.RoleBinding](t, all, "RoleBinding/"+account)
	if binding.RoleRef.Name != account || len(binding.Subjects) != 1 || binding.Subjects[0].Name != account {
		t.Errorf("the account of %s is bound otherwise: %v", pooler, binding)
	}
	as[corev1.ServiceAccount](t, all, "ServiceAccount/"+account)
}

// strange is a pooler that Gitover knows nothing of: two containers, names with dashes, an init container of its own.
const strange = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: bouncer
  labels: {gitover.dev/pooler: PgBouncer}
spec:
  selector: {matchLabels: {app: bouncer}}
  template:
    metadata: {labels: {app: bouncer}}
    spec:
      initContainers:
      - {name: render, image: example.com/render}
      containers:
      - name: db-pool
        image: example.com/pgbouncer
        volumeMounts: [{name: config, mountPath: /etc/pgbouncer}]
      - {name: exporter, image: example.com/exporter}
      volumes:
      - {name: config, configMap: {name: bouncer}}
      - {name: run, emptyDir: {}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.com/web}]}
`

const dashes = `apiVersion: gitover.dev/v1alpha1
kind: PgProxy
metadata:
  name: my-shop-1
spec:
  target: my-shop-1-15
`

const adding = `resources: [pooler.yaml, proxy.yaml]
components: [gitover-pooler]
images:
- {name: gitover.local/gitover, newName: registry.example.com/gitover, newTag: v1}
`

func withComponent(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := directory(t, files)
	copyTree(t, component, filepath.Join(dir, "gitover-pooler"))
	return dir
}

func TestAPoolerThatPeopleHaveGetsTheAgentAndKeepsTheRest(t *testing.T) {
	all := kustomize(t, withComponent(t, map[string]string{"pooler.yaml": strange, "proxy.yaml": dashes, "kustomization.yaml": adding}))
	pod := as[appsv1.Deployment](t, all, "Deployment/bouncer").Spec.Template.Spec
	names := []string{}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		names = append(names, container.Name)
	}
	if want := []string{"gitover-agent", "render", "db-pool", "exporter"}; !slices.Equal(names, want) {
		t.Errorf("the pod's containers are %v and not %v", names, want)
	}
	if agent := pod.InitContainers[0]; agent.Image != "registry.example.com/gitover:v1" {
		t.Errorf("the agent's image is %s: one line for the whole kustomization doesn't reach it", agent.Image)
	}
	if mounts := pod.Containers[1].VolumeMounts; len(mounts) != 0 {
		t.Errorf("a container that isn't PgBouncer mounts %v", mounts)
	}
	if web := as[appsv1.Deployment](t, all, "Deployment/web").Spec.Template; len(web.Spec.InitContainers)+len(web.Spec.Volumes) > 0 || web.Spec.ServiceAccountName != "" {
		t.Errorf("a Deployment without the label was changed: %v", web)
	}
	// the rest as for the examples, but for the init container that was there
	deployment := all["Deployment/bouncer"]
	spec := deployment.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	spec["initContainers"] = spec["initContainers"].([]any)[:1]
	hasAgent(t, all, "bouncer", "my-shop-1")
}

func TestAComponentWithoutAPgProxySaysWhatIsMissing(t *testing.T) {
	_, err := tryKustomize(withComponent(t, map[string]string{"pooler.yaml": strange, "kustomization.yaml": strings.Replace(adding, ", proxy.yaml", "", 1)}))
	if err == nil || !strings.Contains(err.Error(), "nothing selected by PgProxy") {
		t.Errorf("kustomize says: %v", err)
	}
}

// Behind a plain Service nothing has an agent; the controller may write one EndpointSlice of the namespace.
func TestTheExampleOfAPlainServiceLetsTheControllerLeadIt(t *testing.T) {
	parts := filepath.Join(root, "manifests", "components", "service")
	for _, name := range []string{"kustomization.yaml", "rbac.yaml"} {
		if read(t, filepath.Join(parts, name)) != read(t, filepath.Join(root, "examples", "service", "gitover-service", name)) {
			t.Errorf("the example's %s is another; run `cp manifests/components/service/* examples/service/gitover-service/`", name)
		}
	}
	dir := t.TempDir()
	copyTree(t, filepath.Join(root, "examples", "fleet", "apps", "orders"), dir)
	copyTree(t, filepath.Join(root, "examples", "service"), dir)
	all := kustomize(t, dir)
	service := as[corev1.Service](t, all, "Service/orders-db")
	if len(service.Spec.Selector) != 0 || len(service.Spec.Ports) != 1 {
		t.Errorf("Kubernetes leads the Service itself: %+v", service.Spec)
	}
	role := as[rbacv1.Role](t, all, "Role/orders-gitover-service")
	if got := role.Rules[2].ResourceNames; !slices.Equal(got, []string{"orders-gitover"}) {
		t.Errorf("the controller may write the EndpointSlices %v", got)
	}
	if binding := as[rbacv1.RoleBinding](t, all, "RoleBinding/orders-gitover-service"); binding.RoleRef.Name != role.Name {
		t.Errorf("the binding is of %s", binding.RoleRef.Name)
	}
	for name := range all {
		if strings.HasPrefix(name, "Deployment/") {
			t.Errorf("there is %s", name)
		}
	}
}
