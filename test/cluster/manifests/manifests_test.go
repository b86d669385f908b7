package manifests

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/test/cluster/layout"
)

func TestEveryPlaceholderIsFilledAndEveryDocumentIsAnObject(t *testing.T) {
	all, err := Render(layout.Network{Prefix: "10.9"}, map[string]string{
		"GIT_USER": "u", "GIT_PASSWORD": "p", "GIT_AUTHORIZED_KEY": "ssh-ed25519 AAAA", "GIT_HOST_KEY": `"line\nline\n"`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, left, found := strings.Cut(all, "${"); found {
		t.Errorf("a placeholder is left: ${%.40s", left)
	}
	for document := range strings.SplitSeq(all, "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if object.Kind == "" || object.Metadata.Name == "" {
			t.Errorf("not an object:\n%s", document)
		}
	}
	if !strings.Contains(all, "clusterIP: 10.9.128.10") {
		t.Error("DNS has no fixed address")
	}
}
