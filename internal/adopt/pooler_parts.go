package adopt

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/gitover/gitover/manifests/components"
)

const (
	// componentDirectory of a database's own copy of the component that adds the agent.
	componentDirectory = "gitover-pooler"
	// componentImage is what the component itself calls Gitover's image.
	componentImage = "gitover.local/gitover:dev"
	// poolerLabel is what the component finds the Deployment by.
	poolerLabel = "gitover.dev/pooler"
)

// poolerParts are the files of the component, with Gitover's image as this cluster has it.
func poolerParts(image string) (map[string][]byte, error) {
	names, err := fs.Glob(components.Pooler, "pooler/*.yaml")
	if err != nil {
		return nil, err
	}
	parts := map[string][]byte{}
	for _, name := range names {
		content, err := components.Pooler.ReadFile(name)
		if err != nil {
			return nil, err
		}
		parts[path.Join(componentDirectory, path.Base(name))] = bytes.ReplaceAll(content, []byte(componentImage), []byte(image))
	}
	return parts, nil
}

// joinable says what keeps the component from changing this Deployment.
func (f *Found) joinable() error {
	first := f.pooler.Spec.Template.Spec.Containers[0]
	switch {
	case first.Name != f.Container:
		return fmt.Errorf("container %s has to be the first of Deployment %s, since the agent's component changes the first one: move it there", f.Container, f.Deployment)
	case len(first.VolumeMounts) == 0:
		return fmt.Errorf("container %s of Deployment %s mounts no volume, so the agent's component can't add its own: mount pgbouncer.ini from a ConfigMap", f.Container, f.Deployment)
	}
	return nil
}

// addComponent to the database's kustomization.
func addComponent(file []byte) ([]byte, error) {
	return appendTo(file, "components", yaml.NewScalarRNode(componentDirectory), "- "+componentDirectory+"\n")
}

// labelPooler in the kustomization of the Deployment, which stays as it is.
func labelPooler(file []byte) ([]byte, error) {
	pairs := yaml.NewMapRNode(&map[string]string{poolerLabel: "PgBouncer"})
	item := yaml.NewMapRNode(nil)
	if err := item.PipeE(yaml.SetField("pairs", pairs)); err != nil {
		return nil, err
	}
	return appendTo(file, "labels", item, "- pairs:\n    "+poolerLabel+": PgBouncer\n")
}

// appendTo a list of a kustomization. Where it isn't there, lines are added and no byte is changed; else comments stay, and
// layout may become the usual one.
func appendTo(file []byte, field string, item *yaml.RNode, lines string) ([]byte, error) {
	root, err := yaml.Parse(string(file))
	if err != nil {
		return nil, err
	}
	list := root.Field(field)
	if list == nil {
		end := ""
		if !strings.HasSuffix(string(file), "\n") {
			end = "\n"
		}
		return append(slices.Clone(file), end+field+":\n"+lines...), nil
	}
	if err := list.Value.PipeE(yaml.Append(item.YNode())); err != nil {
		return nil, err
	}
	text, err := root.String()
	return []byte(text), err
}

// sorted names in a line.
func sorted(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
