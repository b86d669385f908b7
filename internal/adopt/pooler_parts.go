package adopt

import (
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// parts that join a pooler: files, by the template that each is made of, and what the pooler's kustomization says of them.
type parts struct {
	created map[string]string
	edit    func(kustomization []byte) ([]byte, error)
}

// poolerParts is the one place that knows how an agent gets beside a pooler: a patch of its Deployment, and rights of its own.
func poolerParts(directory string) parts {
	return parts{
		created: map[string]string{path.Join(directory, "agent.yaml"): "agent.yaml", path.Join(directory, "rbac.yaml"): "rbac.yaml"},
		edit: func(kustomization []byte) ([]byte, error) {
			file, err := addResources(kustomization, "rbac.yaml")
			if err != nil {
				return nil, err
			}
			return addPatch(file, "agent.yaml")
		},
	}
}

// addPatch to a kustomization. Where it has none, lines are added and no byte is changed; else comments stay, and layout may
// become the usual one.
func addPatch(file []byte, name string) ([]byte, error) {
	root, err := yaml.Parse(string(file))
	if err != nil {
		return nil, err
	}
	patches := root.Field("patches")
	if patches == nil {
		end := ""
		if !strings.HasSuffix(string(file), "\n") {
			end = "\n"
		}
		return append(slices.Clone(file), end+"patches:\n- path: "+name+"\n"...), nil
	}
	item := yaml.NewMapRNode(&map[string]string{"path": name})
	if err := patches.Value.PipeE(yaml.Append(item.YNode())); err != nil {
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
