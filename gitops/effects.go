package gitops

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sort"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// effectsOf gives a probe for each thing that a commit changed against its first parent.
func (c *clone) effectsOf(ctx context.Context, commit *object.Commit) ([]probe, error) {
	before := &object.Tree{}
	after, err := object.GetTree(c.objects, commit.TreeHash)
	if err != nil {
		return nil, damaged(err)
	}
	if commit.NumParents() > 0 {
		parent, err := object.GetCommit(c.objects, commit.ParentHashes[0])
		if err != nil {
			return nil, damaged(err)
		}
		if before, err = object.GetTree(c.objects, parent.TreeHash); err != nil {
			return nil, damaged(err)
		}
	}
	changes, err := object.DiffTreeContext(ctx, before, after)
	if err != nil {
		return nil, damaged(err)
	}
	var probes []probe
	for _, change := range changes {
		if change.From.Name == "" || change.To.Name == "" {
			name := change.From.Name + change.To.Name
			probes = append(probes, c.presence(name))
			continue
		}
		old, errOld := readEntry(c.objects, change.From.Name, change.From.TreeEntry)
		now, errNow := readEntry(c.objects, change.To.Name, change.To.TreeEntry)
		if errOld != nil || errNow != nil {
			probes = append(probes, c.contents(change.To.Name))
			continue
		}
		probes = append(probes, c.changedLeaves(change.To.Name, old, now)...)
	}
	return probes, nil
}

// presence is whether a path is there.
func (c *clone) presence(name string) probe {
	return func(root plumbing.Hash) (string, error) {
		_, found, err := lookup(c.objects, root, name)
		if found {
			return "there", err
		}
		return absent, ignoreBadPath(err)
	}
}

// contents is a file as a whole, for what isn't YAML.
func (c *clone) contents(name string) probe {
	return func(root plumbing.Hash) (string, error) {
		entry, found, err := lookup(c.objects, root, name)
		if !found {
			return absent, ignoreBadPath(err)
		}
		return entry.Hash.String(), nil
	}
}

func ignoreBadPath(err error) error {
	if Temporary(err) {
		return err
	}
	return nil
}

// changedLeaves gives a probe per field or list entry that differs between two versions of a file.
func (c *clone) changedLeaves(name string, old, now []byte) []probe {
	before, errBefore := leavesOf(old)
	after, errAfter := leavesOf(now)
	if errBefore != nil || errAfter != nil {
		return []probe{c.contents(name)}
	}
	var differing []string
	for leaf, value := range after {
		if was, ok := before[leaf]; !ok || was != value {
			differing = append(differing, leaf)
		}
	}
	for leaf := range before {
		if _, ok := after[leaf]; !ok {
			differing = append(differing, leaf)
		}
	}
	sort.Strings(differing)
	known := map[plumbing.Hash]map[string]string{}
	probes := make([]probe, 0, len(differing))
	for _, leaf := range differing {
		probes = append(probes, c.leaf(name, leaf, known))
	}
	return probes
}

func (c *clone) leaf(name, leaf string, known map[plumbing.Hash]map[string]string) probe {
	return func(root plumbing.Hash) (string, error) {
		entry, found, err := lookup(c.objects, root, name)
		if !found {
			return absent, ignoreBadPath(err)
		}
		leaves, seen := known[entry.Hash]
		if !seen {
			content, err := readEntry(c.objects, name, entry)
			if Temporary(err) {
				return "", err
			}
			// A file that can't be read or isn't YAML (any more) holds nothing.
			leaves, _ = leavesOf(content)
			known[entry.Hash] = leaves
		}
		if value, ok := leaves[leaf]; ok {
			return value, nil
		}
		return absent, nil
	}
}

// leavesOf flattens a file to its single values, keyed by object and path. Entries
// of lists of single values are keyed by the entry itself, so that order doesn't count.
func leavesOf(file []byte) (map[string]string, error) {
	documents, err := parse(file)
	if err != nil {
		return nil, err
	}
	leaves := map[string]string{}
	for i, document := range documents {
		identity := document.scalar("kind") + "/" + document.scalar("metadata", "name")
		if identity == "/" {
			identity = strconv.Itoa(i)
		}
		flatten(document.root, identity, leaves)
	}
	return leaves, nil
}

func flatten(node *yaml.Node, at string, leaves map[string]string) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			flatten(node.Content[i+1], at+"."+node.Content[i].Value, leaves)
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			if item.Kind == yaml.ScalarNode {
				leaves[at+"[]="+item.Value] = "there"
			} else {
				flatten(item, at+"["+strconv.Itoa(i)+"]", leaves)
			}
		}
	case yaml.AliasNode:
		leaves[at] = "*" + node.Value
	case yaml.ScalarNode:
		value := node.Value
		if len(value) > 256 {
			value = fmt.Sprintf("%x", sha256.Sum256([]byte(value)))
		}
		leaves[at] = node.ShortTag() + " " + value
	default: // a document is unwrapped by the caller
	}
}
