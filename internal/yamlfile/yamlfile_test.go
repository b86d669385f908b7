package yamlfile

import (
	"strings"
	"testing"
)

const orders = `# a remark with --- in it
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data:
  text: |
    ---
    kind: PgUpgrade
--- # the one that is meant
apiVersion: gitover.dev/v1alpha1
kind: PgUpgrade
metadata: {name: orders}
spec:
  version: "17"
  instance: {service: orders}
  cutover: {}
---
kind: PgUpgrade
metadata: {name: stock}
spec: {version: "18"}
`

func TestAnUpgradeIsReadAsTheAPIServerWouldHaveIt(t *testing.T) {
	u, err := Upgrade([]byte(orders), "")
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != "orders" || u.Spec.Version != "17" {
		t.Errorf("%+v", u)
	}
	if u.Spec.Instance.Base != "base" || len(u.Spec.Instance.Images) != 1 || u.Spec.Instance.Images[0].NewTag != "{version}" || u.Spec.Cutover.Approval != "Automatic" {
		t.Errorf("defaults of objects that are there are missing: %+v", u.Spec)
	}
	if u.Spec.Soak.Duration != nil {
		t.Error("the API server gives no default inside of an object that isn't there")
	}
	if u, err := Upgrade([]byte(orders), "stock"); err != nil || u.Spec.Version != "18" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestWhatCannotBeReadSaysWhy(t *testing.T) {
	for _, c := range []struct{ story, file, says string }{
		{"another kind", "kind: Namespace\n", "no PgUpgrade"},
		{"nothing", "", "no PgUpgrade"},
		{"a field that isn't one", "kind: PgUpgrade\nspec: {edition: \"17\"}\n", "edition"},
		{"a template", "{{ helm }}: [\n", "isn't YAML"},
		{"a separator that isn't one", "kind: Namespace\n--- kind: PgUpgrade\n", "separator"},
	} {
		t.Run(c.story, func(t *testing.T) {
			if _, err := Upgrade([]byte(c.file), ""); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
}
