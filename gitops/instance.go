package gitops

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// Labels that every object of an instance carries, in selectors too.
const (
	LabelUpgrade  = "gitover.dev/upgrade"
	LabelInstance = "gitover.dev/instance"
)

// Image replaces an image of the base, as in a kustomization's images.
type Image struct {
	Name    string `yaml:"name"`
	NewName string `yaml:"newName,omitempty"`
	Tag     string `yaml:"newTag,omitempty"`
}

// PatchTarget selects objects of the base, by their names there; an empty field matches all.
type PatchTarget struct {
	Group         string `yaml:"group,omitempty"`
	Version       string `yaml:"version,omitempty"`
	Kind          string `yaml:"kind,omitempty"`
	Name          string `yaml:"name,omitempty"`
	LabelSelector string `yaml:"labelSelector,omitempty"`
}

// Patch is a user's own patch in either format of kustomize. {version}, {instance}
// and {upgrade} in it stand for this instance's.
type Patch struct {
	Target *PatchTarget `yaml:"target,omitempty"`
	Patch  string       `yaml:"patch"`
}

// InstanceRequest says what an instance looks like.
type InstanceRequest struct {
	// Upgrade and Version make the name, `<upgrade>-<version>`.
	Upgrade, Version string
	// Owner goes into the file as a comment; nothing if it has no UID.
	Owner Owner
	// Base is the directory of the user's manifests, relative to the upgrade's directory.
	Base   string
	Images []Image
	// Labels go where Gitover's own labels go, Annotations to the objects alone:
	// in a pod template a new value would restart the database.
	Labels, Annotations map[string]string
	Patches             []Patch
}

// Name is the instance's name.
func (r InstanceRequest) Name() string { return r.Upgrade + "-" + r.Version }

// Directory is the instance's directory, relative to the upgrade's.
func (r InstanceRequest) Directory() string { return instanceDirectory(r.Version) }

// File is the file that Gitover writes for the instance.
func (r InstanceRequest) File() string { return path.Join(r.Directory(), "kustomization.yaml") }

// InstancesDirectory holds the directories of instances, in the upgrade's.
const InstancesDirectory = "instances"

func instanceDirectory(version string) string { return path.Join(InstancesDirectory, version) }

var nameLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (r InstanceRequest) check() error {
	if !nameLabel.MatchString(r.Version) || !nameLabel.MatchString(r.Upgrade) || len(r.Name()) > 63 {
		return failure(ErrBadFile, "%q isn't the name of an instance: lower-case letters, digits and dashes, at most 63", Printable(r.Name(), 100))
	}
	if r.Base == "" || strings.HasPrefix(r.Base, "/") || notLocal(r.Base) || notOneLine(r.Base) || !utf8.ValidString(r.Base) {
		return failure(ErrBadPath, "base %q isn't a directory of the repository", Printable(r.Base, 200))
	}
	if notOneLine(r.Owner.Line()) {
		return failure(ErrBadFile, "the owner %q isn't one line", Printable(r.Owner.Line(), 200))
	}
	return nil
}

type instanceFile struct {
	APIVersion   string          `yaml:"apiVersion"`
	Kind         string          `yaml:"kind"`
	NameSuffix   string          `yaml:"nameSuffix"`
	Resources    []string        `yaml:"resources"`
	Labels       []instanceLabel `yaml:"labels"`
	Images       []Image         `yaml:"images,omitempty"`
	Patches      []Patch         `yaml:"patches,omitempty"`
	Transformers []string        `yaml:"transformers,omitempty"`
}

type instanceLabel struct {
	IncludeSelectors bool              `yaml:"includeSelectors"`
	Pairs            map[string]string `yaml:"pairs"`
}

const instanceHeader = `# %[1]s: PostgreSQL %[2]s, an instance of the upgrade %[3]s. Written by Gitover.
#
# Gitover writes this file once, and removes it when the instance has served. It stops
# when the file is edited by hand. Safe to edit are the manifests of the base (%[4]s),
# which all instances share, and the patches in the PgUpgrade, which end up here.
`

const annotationsName = "gitover-annotations"

// RenderInstance writes the kustomization of an instance. The same request gives the same bytes.
func RenderInstance(request InstanceRequest) ([]byte, error) {
	if err := request.check(); err != nil {
		return nil, err
	}
	base := path.Join("../..", request.Base)
	file := instanceFile{
		APIVersion: "kustomize.config.k8s.io/v1beta1", Kind: "Kustomization",
		NameSuffix: "-" + request.Version, Resources: []string{base}, Images: request.Images,
		Labels: []instanceLabel{{IncludeSelectors: true, Pairs: map[string]string{}}},
	}
	for key, value := range request.Labels {
		file.Labels[0].Pairs[key] = value
	}
	file.Labels[0].Pairs[LabelUpgrade] = request.Upgrade
	file.Labels[0].Pairs[LabelInstance] = request.Name()
	fill := strings.NewReplacer("{version}", request.Version, "{instance}", request.Name(), "{upgrade}", request.Upgrade)
	for _, patch := range request.Patches {
		patch.Patch = fill.Replace(patch.Patch)
		file.Patches = append(file.Patches, patch)
	}
	if len(request.Annotations) > 0 {
		transformer, err := encode(map[string]any{
			"apiVersion": "builtin", "kind": "AnnotationsTransformer",
			"metadata": map[string]string{"name": annotationsName}, "annotations": request.Annotations,
			"fieldSpecs": []map[string]any{{"path": "metadata/annotations", "create": true}},
		})
		if err != nil {
			return nil, err
		}
		file.Transformers = []string{string(transformer)}
	}
	body, err := encode(file)
	if err != nil {
		return nil, err
	}
	header := fmt.Sprintf(instanceHeader, request.Name(), request.Version, request.Upgrade, base)
	if request.Owner.UID != "" {
		header += request.Owner.Line() + "\n"
	}
	return append([]byte(header), body...), nil
}

func encode(value any) ([]byte, error) {
	var output bytes.Buffer
	encoder := yaml.NewEncoder(&output)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(value); err != nil {
		return nil, failure(ErrBadFile, "the instance can't be written as YAML: %s", Printable(err.Error(), 200))
	}
	return output.Bytes(), encoder.Close()
}

// Drift is how an instance's file in Git differs from what Gitover would write.
type Drift struct {
	// Missing: the file isn't there.
	Missing bool
	// Edited: it says something else. Comments, layout and annotations don't count.
	Edited bool
	// Diff leads from what Gitover would write to what is there.
	Diff string
}

// InstanceDrift compares the file of an instance in the upgrade's directory with the request.
func InstanceDrift(tree *Tree, request InstanceRequest) (Drift, error) {
	wanted, err := RenderInstance(request)
	if err != nil {
		return Drift{}, err
	}
	found, err := readIfThere(tree, request.File())
	if err != nil {
		return Drift{}, err
	}
	if found == nil {
		return Drift{Missing: true}, nil
	}
	equal, err := sameInstance(wanted, found)
	if err != nil || equal {
		return Drift{}, err
	}
	diff, err := diffText(context.Background(), request.File(), wanted, found)
	return Drift{Edited: true, Diff: diff}, err
}

func sameInstance(wanted, found []byte) (bool, error) {
	expected, err := parse(wanted)
	if err != nil {
		return false, err
	}
	actual, err := parse(found)
	if err != nil || len(actual) != 1 {
		// Gitover writes exactly one YAML document; any other content was edited.
		return false, nil //nolint:nilerr // a file of another kind is an answer
	}
	return same(withoutAnnotations(expected[0].root), withoutAnnotations(actual[0].root)), nil
}

// withoutAnnotations drops our annotations, which differ from one operation to the next.
func withoutAnnotations(root *yaml.Node) *yaml.Node {
	if root.Kind != yaml.MappingNode {
		return root
	}
	kept := *root
	kept.Content = nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		items := root.Content[i+1].Content
		if root.Content[i].Value == "transformers" && len(items) == 1 {
			if inner, err := parse([]byte(items[0].Value)); err == nil && len(inner) == 1 && inner[0].is("AnnotationsTransformer", annotationsName) {
				continue
			}
		}
		kept.Content = append(kept.Content, root.Content[i], root.Content[i+1])
	}
	return &kept
}
