package gitops

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// The layouts of repositories that people have. Each either works, with the files that it changes, or is refused by a message that
// names the file and says what to do.
func TestLayoutsOfRepositories(t *testing.T) {
	const (
		upgrade = "apiVersion: gitover.dev/v1alpha1\nkind: PgUpgrade\nmetadata:\n  name: orders\nspec:\n  version: \"15\"\n"
		proxy   = "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata:\n  name: orders\nspec:\n  target: orders-15\n"
		root    = "resources:\n- upgrade.yaml\n- proxy.yaml\n- instances/15\n"
		set     = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: orders\nspec:\n  serviceName: orders\n  template:\n    spec:\n      containers:\n      - name: postgres\n        image: postgres\n"
		patched = "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata:\n  name: orders\nspec:\n  target: orders-15\n"
	)
	plain := map[string]string{
		"apps/orders/kustomization.yaml": root, "apps/orders/upgrade.yaml": upgrade, "apps/orders/proxy.yaml": proxy,
		"apps/orders/base/kustomization.yaml": "resources:\n- set.yaml\n", "apps/orders/base/set.yaml": set,
		"apps/orders/instances/15/kustomization.yaml": "nameSuffix: \"-15\"\nresources:\n- ../../base\n",
	}
	with := func(changes map[string]string) map[string]string {
		files := map[string]string{}
		for name, text := range plain {
			files[name] = text
		}
		for name, text := range changes {
			if text == "" {
				delete(files, name)
			} else {
				files[name] = text
			}
		}
		return files
	}
	const jsonPatch = "- target: {kind: PgProxy, name: orders}\n  patch: |-\n    - op: replace\n      path: /spec/target\n      value: orders-15\n"
	for name, c := range map[string]struct {
		files map[string]string
		// path that Flux builds, apps/orders if it is empty, and what its Kustomization adds
		path  string
		added map[string]any
		// changed: this file holds the new target. says: refused, with these words.
		changed string
		says    []string
	}{
		"one directory":      {files: plain, changed: "apps/orders/proxy.yaml"},
		"kustomization.yml":  {files: with(map[string]string{"apps/orders/kustomization.yaml": "", "apps/orders/kustomization.yml": root}), changed: "apps/orders/proxy.yaml"},
		"Kustomization":      {files: with(map[string]string{"apps/orders/kustomization.yaml": "", "apps/orders/Kustomization": root}), changed: "apps/orders/proxy.yaml"},
		"two kustomizations": {files: with(map[string]string{"apps/orders/kustomization.yml": root}), says: []string{"kustomization.yaml and kustomization.yml", "keep one"}},
		"no kustomization":   {files: with(map[string]string{"apps/orders/kustomization.yaml": ""}), says: []string{`"apps/orders" has no kustomization.yaml`, "commit one"}},
		"several objects in a file": {files: with(map[string]string{"apps/orders/proxy.yaml": "", "apps/orders/upgrade.yaml": "# both\n" + upgrade + "---\n" + proxy + "---\n",
			"apps/orders/kustomization.yaml": "resources:\n- upgrade.yaml\n- instances/15\n"}), changed: "apps/orders/upgrade.yaml"},
		"CRLF, BOM and tabs in comments": {files: with(map[string]string{"apps/orders/proxy.yaml": "\ufeff" + strings.ReplaceAll(strings.Replace(proxy, "orders-15", "orders-15\t# \tserves", 1), "\n", "\r\n"),
			"apps/orders/kustomization.yaml": "\ufeff" + strings.ReplaceAll("#\tall of it\n"+root, "\n", "\r\n")}), changed: "apps/orders/proxy.yaml"},
		"an anchor elsewhere in the file": {files: with(map[string]string{"apps/orders/proxy.yaml": strings.Replace(proxy, "metadata:", "metadata: &m", 1)}), changed: "apps/orders/proxy.yaml"},
		"an anchor at the value":          {files: with(map[string]string{"apps/orders/proxy.yaml": strings.Replace(proxy, "orders-15", "&t orders-15", 1)}), says: []string{"proxy.yaml", "anchor"}},
		"an alias as the value":           {files: with(map[string]string{"apps/orders/proxy.yaml": "x-target: &t orders-15\n" + strings.Replace(proxy, "orders-15", "*t", 1)}), says: []string{"proxy.yaml", "single value"}},
		"a variable of postBuild.substitute as the target": {files: with(map[string]string{"apps/orders/proxy.yaml": strings.Replace(proxy, "orders-15", "${TARGET}", 1)}),
			says: []string{"proxy.yaml", "spec.target is ${TARGET}, which Flux substitutes", "write the value itself"}},
		"a variable of postBuild.substitute as the version": {files: with(map[string]string{"apps/orders/upgrade.yaml": strings.Replace(upgrade, `"15"`, "${VERSION}", 1)}), changed: "apps/orders/proxy.yaml"},
		"a variable of postBuild.substitute as the name": {files: with(map[string]string{"apps/orders/proxy.yaml": strings.Replace(proxy, "name: orders", "name: ${app}", 1)}),
			says: []string{"proxy.yaml holds PgProxy ${app}", "without namePrefix, nameSuffix or a variable"}},
		"namePrefix": {files: with(map[string]string{"apps/orders/proxy.yaml": strings.Replace(proxy, "name: orders", "name: db", 1), "apps/orders/kustomization.yaml": "nameSuffix: -orders\n" + root}),
			says: []string{"proxy.yaml holds PgProxy db", "the name there that it has in the cluster"}},
		"a List": {files: with(map[string]string{"apps/orders/proxy.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: gitover.dev/v1alpha1\n  kind: PgProxy\n  metadata: {name: orders}\n  spec: {target: orders-15}\n"}),
			says: []string{"proxy.yaml mentions a PgProxy", "take it out of a List"}},
		"components and a namespace": {files: with(map[string]string{"apps/orders/kustomization.yaml": "namespace: shop\ncomponents:\n- ../../components/labels\n" + root,
			"components/labels/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels:\n- pairs: {team: shop}\n"}), changed: "apps/orders/proxy.yaml"},
		"a JSON6902 patch of the target beside the file": {files: with(map[string]string{"apps/orders/kustomization.yaml": root + "patches:\n" + jsonPatch}),
			says: []string{"apps/orders/proxy.yaml", `apps/orders still builds PgProxy orders with "orders-15"`, "Leave spec.target to that file alone"}},
		"a replacement of the target": {files: with(map[string]string{"apps/orders/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {target: orders-15}\n",
			"apps/orders/kustomization.yaml": root + "- settings.yaml\nreplacements:\n- source: {kind: ConfigMap, name: settings, fieldPath: data.target}\n  targets:\n  - select: {kind: PgProxy}\n    fieldPaths: [spec.target]\n"}),
			says: []string{"a replacement"}},
		"a JSON6902 patch of something else": {files: with(map[string]string{"apps/orders/kustomization.yaml": root +
			"patches:\n- target: {kind: PgProxy}\n  patch: |-\n    - op: add\n      path: /metadata/labels\n      value: {team: shop}\n"}), changed: "apps/orders/proxy.yaml"},
		"an overlay above that patches the target": {files: with(map[string]string{"clusters/east/kustomization.yaml": "resources:\n- ../../apps/orders\npatches:\n" + jsonPatch}), path: "./clusters/east",
			says: []string{"clusters/east still builds PgProxy orders"}},
		"patches of Flux' Kustomization": {files: plain, added: map[string]any{"patches": []any{map[string]any{"target": map[string]any{"kind": "PgProxy"},
			"patch": "- op: replace\n  path: /spec/target\n  value: orders-15"}}}, says: []string{"a patch", "Leave spec.target to that file alone"}},
		"targetNamespace and images of Flux' Kustomization": {files: plain, added: map[string]any{"namespace": "shop", "images": []any{map[string]any{"name": "postgres", "newTag": "15"}}}, changed: "apps/orders/proxy.yaml"},
		"a cluster of several with one base, the target in a patch of its own": {files: map[string]string{
			"base/orders/kustomization.yaml": "resources:\n- upgrade.yaml\n- proxy.yaml\n", "base/orders/upgrade.yaml": upgrade, "base/orders/proxy.yaml": proxy,
			"apps/orders/kustomization.yaml": "resources:\n- ../../base/orders\n- instances/15\npatches:\n- path: proxy.yaml\n", "apps/orders/proxy.yaml": patched,
			"apps/orders/base/kustomization.yaml": "resources:\n- set.yaml\n", "apps/orders/base/set.yaml": set,
			"apps/orders/instances/15/kustomization.yaml": "nameSuffix: \"-15\"\nresources:\n- ../../base\n",
		}, changed: "apps/orders/proxy.yaml"},
		"a cluster of several with one base, the target in an inline patch": {files: with(map[string]string{
			"base/orders/kustomization.yaml": "resources:\n- proxy.yaml\n", "base/orders/proxy.yaml": proxy, "apps/orders/proxy.yaml": "",
			"apps/orders/kustomization.yaml": "resources:\n- ../../base/orders\n- upgrade.yaml\n- instances/15\npatches:\n" + jsonPatch,
		}), says: []string{"kustomization.yaml mentions a PgProxy", "a patch inside of a kustomization"}},
		"every cluster in one build": {files: with(map[string]string{"clusters/kustomization.yaml": "resources:\n- east\n- west\n",
			"clusters/east/kustomization.yaml": "namespace: shop\nresources:\n- ../../apps/orders\n",
			"clusters/west/kustomization.yaml": "namespace: other\nresources:\n- proxy.yaml\n", "clusters/west/proxy.yaml": proxy}), path: "clusters", changed: "apps/orders/proxy.yaml"},
		"what Gitover doesn't build": {files: with(map[string]string{"clusters/east/kustomization.yaml": "resources:\n- https://example.org/x.yaml\n- ../../apps/orders\n"}), path: "clusters/east", changed: "apps/orders/proxy.yaml"},
		"a template of Helm beside":  {files: with(map[string]string{"apps/orders/chart/templates/x.yaml": "{{ if .Values.x }}\nkind: Service\n{{ end }}\n"}), changed: "apps/orders/proxy.yaml"},
		"a template of Helm that holds it": {files: with(map[string]string{"apps/orders/proxy.yaml": "", "apps/orders/templates/proxy.yaml": "{{ if .Values.x }}\n" + proxy + "{{ end }}\n"}),
			says: []string{"templates/proxy.yaml", "isn't YAML"}},
	} {
		t.Run(name, func(t *testing.T) {
			g, ctx := NewWithT(t), t.Context()
			s := newEmptyStage(t)
			h := s.human()
			for file, text := range c.files {
				h.write(file, text)
			}
			h.commit("The fleet")
			h.push()
			r := s.open()
			path := c.path
			if path == "" {
				path = "./apps/orders"
			}
			err := r.CheckTarget(ctx, TargetRequest{Directory: "apps/orders", Namespace: "shop", Proxy: "orders", Target: "orders-17", Path: path, Added: c.added})
			if err == nil { // then both commits can be made, too, and change what they mean
				_, err = r.Commit(ctx, request("CommitGreen", AddInstance(green())))
			}
			if err == nil {
				_, err = r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
			}
			if c.says != nil {
				g.Expect(err).To(HaveOccurred())
				g.Expect(Temporary(err)).To(BeFalse(), "%v", err)
				for _, says := range c.says {
					g.Expect(err.Error()).To(ContainSubstring(says))
				}
				g.Expect(errors.Is(err, ErrBadFile) || errors.Is(err, ErrPathMissing) || errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrBuild)).To(BeTrue())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.show(c.changed)).To(ContainSubstring("orders-17"))
			g.Expect(strings.Fields(run(t, s.root+"/fleet.git", "git", "diff", "--name-only", "main~1", "main"))).To(ConsistOf(c.changed))
		})
	}
}
