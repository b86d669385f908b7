package gitops

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
)

var base = map[string]string{
	"apps/orders/kustomization.yaml":      "# orders\nresources:\n- upgrade.yaml\n- proxy.yaml\n- instances/15\n",
	"apps/orders/upgrade.yaml":            "apiVersion: gitover.dev/v1alpha1\nkind: PgUpgrade\nmetadata: {name: orders}\nspec:\n  version: \"15\"\n",
	"apps/orders/proxy.yaml":              "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-15 # now\n",
	"apps/orders/base/kustomization.yaml": "resources: [set.yaml, service.yaml]\nconfigMapGenerator:\n- name: conf\n  literals: [url=https://example.org]\n",
	"apps/orders/base/set.yaml": `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: orders}
spec:
  serviceName: orders
  selector: {matchLabels: {app: pg}}
  template:
    metadata: {labels: {app: pg}}
    spec:
      containers:
      - {name: db, image: "postgres:15"}
`,
	"apps/orders/base/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: orders}\nspec: {selector: {app: pg}}\n",
}

func files(change map[string]string) map[string][]byte {
	all := map[string][]byte{}
	for name, text := range base {
		all[name] = []byte(text)
	}
	for name, text := range change {
		if text == "" {
			delete(all, name)
		} else {
			all[name] = []byte(text)
		}
	}
	return all
}

// upgradeTree is the directory apps/orders of a repository in memory.
func upgradeTree(t *testing.T, change map[string]string) *Tree {
	t.Helper()
	tree, err := NewTree(files(change))
	if err != nil {
		t.Fatal(err)
	}
	tree.directory = "apps/orders"
	return tree
}

func green() InstanceRequest {
	return InstanceRequest{
		Upgrade: "orders", Version: "17", Base: "base",
		Images:      []Image{{Name: "postgres", NewName: "registry.example.org/postgres", Tag: "17"}},
		Annotations: map[string]string{"gitover.dev/operation": "abc"},
		Patches: []Patch{{Target: &PatchTarget{Kind: "StatefulSet"},
			Patch: "- op: add\n  path: /metadata/annotations\n  value: {note: \"{instance} is {version} of {upgrade}\"}\n"}},
	}
}

func TestAnInstanceIsRenderedAsAFileThatPeopleCanRead(t *testing.T) {
	g := NewWithT(t)
	got, err := RenderInstance(green())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(content(t, "testdata/instance/kustomization.yaml"))))
}

func TestGreenBuildsBeforeAnythingIsCommitted(t *testing.T) {
	g := NewWithT(t)
	tree := upgradeTree(t, nil)
	g.Expect(AddInstance(green())(tree)).To(Succeed())
	objects, err := tree.Build("instances/17")
	g.Expect(err).NotTo(HaveOccurred())
	names := map[string]string{}
	for _, object := range objects {
		names[object.GetKind()] = object.GetName()
		g.Expect(object.GetLabels()).To(HaveKeyWithValue(LabelInstance, "orders-17"))
		g.Expect(object.GetAnnotations()).To(HaveKeyWithValue("gitover.dev/operation", "abc"))
		if object.GetKind() == "StatefulSet" {
			g.Expect(object.GetAnnotations()).To(HaveKeyWithValue("note", "orders-17 is 17 of orders"))
			template := object.Object["spec"].(map[string]any)["template"].(map[string]any)
			metadata := template["metadata"].(map[string]any)
			g.Expect(metadata).NotTo(HaveKey("annotations"), "a new annotation must not restart the database")
			container := template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
			g.Expect(container["image"]).To(Equal("registry.example.org/postgres:17"))
			g.Expect(object.Object["spec"].(map[string]any)["serviceName"]).To(Equal("orders-17"))
			g.Expect(object.Object["spec"].(map[string]any)["selector"].(map[string]any)["matchLabels"]).To(HaveKeyWithValue(LabelInstance, "orders-17"))
		}
	}
	g.Expect(names).To(HaveKeyWithValue("StatefulSet", "orders-17"))
	g.Expect(names).To(HaveKeyWithValue("Service", "orders-17"))
	g.Expect(string(must(tree.Read("kustomization.yaml")))).To(Equal(base["apps/orders/kustomization.yaml"] + "- instances/17\n"))
}

func TestABaseThatDoesNotBuildSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]string
		says   string
	}{
		"missing file":     {map[string]string{"apps/orders/base/set.yaml": ""}, "set.yaml"},
		"not yaml":         {map[string]string{"apps/orders/base/set.yaml": "a: [\n"}, "does not build"},
		"remote":           {map[string]string{"apps/orders/base/kustomization.yaml": "resources:\n- https://example.org/x.yaml\n"}, "outside the repository"},
		"remote git":       {map[string]string{"apps/orders/base/kustomization.yaml": "resources:\n- github.com/x/y\n"}, "outside the repository"},
		"remote scp":       {map[string]string{"apps/orders/base/kustomization.yaml": "resources:\n- me@host.example:x/y\n"}, "outside the repository"},
		"remote component": {map[string]string{"apps/orders/base/kustomization.yaml": "components: ['ssh://git@host/x']\n"}, "outside the repository"},
		"remote patch":     {map[string]string{"apps/orders/base/kustomization.yaml": "resources: [set.yaml]\npatches: [{path: 'HTTPS://example.org/p.yaml'}]\n"}, "outside the repository"},
		"remote data":      {map[string]string{"apps/orders/base/kustomization.yaml": "configMapGenerator: [{name: a, files: ['k=http://example.org/p']}]\n"}, "outside the repository"},
		"remote alias":     {map[string]string{"apps/orders/base/kustomization.yaml": "namespace: &u https://example.org/x\nresources: [*u]\n"}, "outside the repository"},
		"remote plugin": {map[string]string{"apps/orders/base/kustomization.yaml": "transformers: [t.yaml]\n",
			"apps/orders/base/t.yaml": "kind: PatchTransformer\napiVersion: builtin\nmetadata: {name: x}\npath: https://example.org/p\n"}, "outside the repository"},
		"leaves the repository": {map[string]string{"apps/orders/base/kustomization.yaml": "resources: [../../../../../etc/passwd]\n"}, "does not build"},
		"a cycle":               {map[string]string{"apps/orders/base/kustomization.yaml": "resources: [../base]\n"}, "cycle"},
		"no base":               {map[string]string{"apps/orders/base/kustomization.yaml": ""}, "does not build"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			tree := upgradeTree(t, c.change)
			g.Expect(AddInstance(green())(tree)).To(Succeed())
			_, err := tree.Build("instances/17")
			g.Expect(errors.Is(err, ErrBuild)).To(BeTrue(), "%v", err)
			g.Expect(err.Error()).To(ContainSubstring(c.says))
		})
	}
}

func TestAHandEditedInstanceIsNeverOverwritten(t *testing.T) {
	g := NewWithT(t)
	tree := upgradeTree(t, nil)
	g.Expect(InstanceDrift(tree, green())).To(Equal(Drift{Missing: true}))
	g.Expect(AddInstance(green())(tree)).To(Succeed())
	again := green()
	again.Annotations = map[string]string{"gitover.dev/operation": "def"}
	g.Expect(InstanceDrift(tree, again)).To(Equal(Drift{}), "another operation isn't an edit")
	written := must(tree.Read("instances/17/kustomization.yaml"))
	g.Expect(tree.Write("instances/17/kustomization.yaml", append([]byte("# a remark\n"), written...))).To(Succeed())
	g.Expect(InstanceDrift(tree, green())).To(Equal(Drift{}), "a remark isn't an edit")
	g.Expect(tree.Write("instances/17/kustomization.yaml", append(written, "namespace: mine\n"...))).To(Succeed())
	drift, err := InstanceDrift(tree, green())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(drift.Edited).To(BeTrue())
	g.Expect(drift.Diff).To(ContainSubstring("+namespace: mine"))
	err = AddInstance(green())(tree)
	g.Expect(errors.Is(err, ErrDrift)).To(BeTrue())
	g.Expect(err.Error()).To(ContainSubstring("+namespace: mine"))
	g.Expect(RemoveInstance("17")(tree)).To(Succeed())
	g.Expect(tree.Files("instances")).To(BeEmpty())
	g.Expect(string(must(tree.Read("kustomization.yaml")))).To(Equal(base["apps/orders/kustomization.yaml"]))
}

func TestTheTargetIsSetInTheOneFileThatHoldsTheProxy(t *testing.T) {
	proxy := base["apps/orders/proxy.yaml"]
	for name, c := range map[string]struct {
		change map[string]string
		kind   error
	}{
		"beside it":            {nil, nil},
		"below":                {map[string]string{"apps/orders/proxy.yaml": "", "apps/orders/traffic/p.yml": proxy}, nil},
		"not in instances":     {map[string]string{"apps/orders/instances/15/p.yaml": proxy}, nil},
		"beside goes first":    {map[string]string{"apps/orders/traffic/p.yml": proxy}, nil},
		"twice":                {map[string]string{"apps/orders/other.yaml": proxy}, ErrAmbiguous},
		"nowhere":              {map[string]string{"apps/orders/proxy.yaml": ""}, ErrPathMissing},
		"candidate isn't yaml": {map[string]string{"apps/orders/x.yaml": "kind: PgProxy\n  x: ["}, ErrBadFile},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			tree := upgradeTree(t, c.change)
			before := len(tree.changed)
			err := SetTarget("orders", "orders-17")(tree)
			if c.kind != nil {
				g.Expect(errors.Is(err, c.kind)).To(BeTrue(), "%v", err)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(tree.changed).To(HaveLen(before))
			file, err := FindManifest(tree, "PgProxy", "orders")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(must(tree.Read(file)))).To(ContainSubstring("target: orders-17 # now"))
		})
	}
}

func must(content []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return content
}

func TestNothingOutsideTheDirectoryCanBeWritten(t *testing.T) {
	tree := upgradeTree(t, nil)
	for _, name := range []string{"../other.yaml", "/etc/passwd", "..", ".", "", "a/../../b", ".git/config", "x/.GIT/hooks/y", "a\\b", "a\x00b", "a//b", "./a", "git~1/x", ".git. /x", "base/set.yaml/x"} {
		g := NewWithT(t)
		err := tree.Write(name, []byte("x"))
		g.Expect(errors.Is(err, ErrBadPath)).To(BeTrue(), "%q: %v", name, err)
	}
	if err := tree.Write("base", []byte("x")); !errors.Is(err, ErrBadPath) {
		t.Errorf("a directory was replaced by a file: %v", err)
	}
}
