package gitops

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// laughs is YAML of a few hundred bytes that means a billion values.
func laughs() string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nx0: &x0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "x%[1]d: &x%[1]d [%[2]s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i), 10), ","))
	}
	return b.String()
}

// TestAHostileDirectoryIsRefusedSoonAndCheaply: what somebody may commit costs the others of this controller nothing.
func TestAHostileDirectoryIsRefusedSoonAndCheaply(t *testing.T) {
	set := "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: orders}\n"
	many := map[string]string{}
	var list strings.Builder
	for i := range 80 {
		name := fmt.Sprintf("apps/orders/base/%d.yaml", i)
		many[name] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a%d}\ndata: {a: '%s'}\n", i, strings.Repeat("x", fileLimit-1000))
		fmt.Fprintf(&list, "- %d.yaml\n", i)
	}
	many["apps/orders/base/kustomization.yaml"] = "resources:\n" + list.String()
	base := func(kustomization string, more ...string) map[string]string {
		files := map[string]string{"apps/orders/base/kustomization.yaml": kustomization, "apps/orders/base/set.yaml": set}
		for i := 0; i+1 < len(more); i += 2 {
			files["apps/orders/base/"+more[i]] = more[i+1]
		}
		return files
	}
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"a billion laughs":             {base("resources: [set.yaml, laughs.yaml]\n", "laughs.yaml", laughs()), "laughs.yaml"},
		"a kustomization that laughs":  {base("resources: [set.yaml]\n" + strings.TrimPrefix(laughs(), "apiVersion: v1\nkind: ConfigMap\n")), "kustomization.yaml: its YAML aliases"},
		"a patch that laughs":          {base("resources: [set.yaml]\npatches: [{path: laughs.yaml}]\n", "laughs.yaml", strings.Replace(laughs(), "kind: ConfigMap\nmetadata: {name: a}", "kind: StatefulSet\nmetadata: {name: orders}", 1)), "laughs.yaml"},
		"an inline patch that laughs":  {base("resources: [set.yaml]\npatches:\n- patch: |\n    " + strings.ReplaceAll(laughs(), "\n", "\n    ")), "its YAML aliases"},
		"an alias of itself":           {base("resources: [set.yaml, self.yaml]\n", "self.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: &d {a: *d}\n"), "self.yaml"},
		"depth":                        {base("resources: [set.yaml, deep.yaml]\n", "deep.yaml", "a: "+strings.Repeat("[", fileLimit/2)+strings.Repeat("]", fileLimit/2-10)), "deep.yaml"},
		"too much in total":            {many, "MiB"},
		"not UTF-8":                    {base("resources: [set.yaml]\nnamePrefix: \"\xff\xfe\"\n"), "UTF-8"},
		"a tab":                        {base("resources:\n\t- set.yaml\n"), "kustomization.yaml"},
		"the same key twice":           {base("resources: [set.yaml]\nresources: [other.yaml]\n"), "resources"},
		"a Helm chart":                 {base("resources: [set.yaml]\nhelmCharts: [{name: x, repo: 'https://host.invalid/charts', version: 1.0.0}]\n"), "outside the repository"},
		"a local Helm chart":           {base("resources: [set.yaml]\nhelmCharts: [{name: x}]\nhelmGlobals: {chartHome: charts}\n"), "helm"},
		"a program as generator":       {base("resources: [set.yaml]\ngenerators: [g.yaml]\n", "g.yaml", "apiVersion: v1\nkind: Evil\nmetadata: {name: x, annotations: {config.kubernetes.io/function: \"exec: {path: /bin/sh}\"}}\n"), "does not build"},
		"a container as transformer":   {base("resources: [set.yaml]\ntransformers: [g.yaml]\n", "g.yaml", "apiVersion: v1\nkind: Evil\nmetadata: {name: x, annotations: {config.kubernetes.io/function: \"container: {image: evil}\"}}\n"), "does not build"},
		"a plugin of the file system":  {base("resources: [set.yaml]\ngenerators: [g.yaml]\n", "g.yaml", "apiVersion: someteam.example.com/v1\nkind: SedTransformer\nmetadata: {name: x}\n"), "does not build"},
		"configurations from the web":  {base("resources: [set.yaml]\nconfigurations: ['https://host.invalid/c.yaml']\n"), "outside the repository"},
		"a schema from the web":        {base("resources: [set.yaml]\nopenapi: {path: 'https://host.invalid/s.json'}\n"), "outside the repository"},
		"a replacement from elsewhere": {base("resources: [set.yaml]\nreplacements: [{path: ../../../../../etc/passwd}]\n"), "does not build"},
		"a directory that isn't there": {base("resources: [set.yaml, ../../../../../root]\n"), "does not build"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			files := map[string][]byte{}
			for name, text := range c.files {
				files[name] = []byte(text)
			}
			tree := &Tree{objects: newBatch(), changed: files}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			begun := time.Now()
			_, err := tree.Build("apps/orders/base")
			took := time.Since(begun)
			runtime.ReadMemStats(&after)
			g.Expect(errors.Is(err, ErrBuild) || errors.Is(err, ErrBadFile)).To(BeTrue(), "%v", err)
			g.Expect(err.Error()).To(ContainSubstring(c.says))
			g.Expect(len(err.Error())).To(BeNumerically("<", 1500))
			g.Expect(took).To(BeNumerically("<", 30*time.Second))
			t.Logf("%.0f MiB, %v: %v", float64(after.TotalAlloc-before.TotalAlloc)/(1<<20), took, err)
			g.Expect(after.TotalAlloc - before.TotalAlloc).To(BeNumerically("<", 1<<30))
		})
	}
}
