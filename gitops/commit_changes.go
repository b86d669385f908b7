package gitops

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sort"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/gitover/gitover/gitops/history"
)

// changesOf returns a reader for each thing that a commit changed against its first parent.
func (c *clone) changesOf(ctx context.Context, commit *object.Commit) ([]treeReader, error) {
	before := &object.Tree{}
	after, err := object.GetTree(c.objects, commit.TreeHash)
	if err != nil {
		return nil, damaged(err)
	}
	if commit.NumParents() > 0 {
		parent, err := c.parentOf(commit, 0)
		if err != nil {
			return nil, err
		}
		if before, err = object.GetTree(c.objects, parent.TreeHash); err != nil {
			return nil, damaged(err)
		}
	}
	changes, err := object.DiffTreeContext(ctx, before, after)
	if err != nil {
		return nil, damaged(err)
	}
	var readers []treeReader
	for _, change := range changes {
		if change.From.Name == "" || change.To.Name == "" {
			name := change.From.Name + change.To.Name
			readers = append(readers, c.presence(name))
			continue
		}
		old, errOld := readEntry(c.objects, change.From.Name, change.From.TreeEntry)
		now, errNow := readEntry(c.objects, change.To.Name, change.To.TreeEntry)
		if errOld != nil || errNow != nil {
			readers = append(readers, c.contents(change.To.Name))
			continue
		}
		readers = append(readers, c.changedFields(change.To.Name, old, now)...)
	}
	return readers, nil
}

// presence is whether a path is there.
func (c *clone) presence(name string) treeReader {
	return func(root plumbing.Hash) (string, error) {
		_, found, err := lookup(c.objects, root, name)
		if found {
			return "there", err
		}
		return absent, ignoreBadPath(err)
	}
}

// contents is a file as a whole, for what isn't YAML.
func (c *clone) contents(name string) treeReader {
	return func(root plumbing.Hash) (string, error) {
		entry, found, err := lookup(c.objects, root, name)
		if !found {
			return absent, ignoreBadPath(err)
		}
		return entry.Hash.String(), nil
	}
}

func ignoreBadPath(err error) error {
	if Temporary(err) || errors.Is(err, history.ErrEdge) {
		return err
	}
	return nil
}

// changedFields returns a reader for each field or list entry that differs between two versions of a file.
func (c *clone) changedFields(name string, old, now []byte) []treeReader {
	before, errBefore := valuesOf(old)
	after, errAfter := valuesOf(now)
	if errBefore != nil || errAfter != nil {
		return []treeReader{c.contents(name)}
	}
	var differing []string
	for field, value := range after {
		if was, ok := before[field]; !ok || was != value {
			differing = append(differing, field)
		}
	}
	for field := range before {
		if _, ok := after[field]; !ok {
			differing = append(differing, field)
		}
	}
	sort.Strings(differing)
	known := map[plumbing.Hash]map[string]string{}
	readers := make([]treeReader, 0, len(differing))
	for _, field := range differing {
		readers = append(readers, c.field(name, field, known))
	}
	return readers
}

func (c *clone) field(name, field string, known map[plumbing.Hash]map[string]string) treeReader {
	return func(root plumbing.Hash) (string, error) {
		entry, found, err := lookup(c.objects, root, name)
		if !found {
			return absent, ignoreBadPath(err)
		}
		values, seen := known[entry.Hash]
		if !seen {
			content, err := readEntry(c.objects, name, entry)
			if Temporary(err) {
				return "", err
			}
			// A file that can't be read or isn't YAML (any more) holds nothing.
			values, _ = valuesOf(content)
			known[entry.Hash] = values
		}
		if value, ok := values[field]; ok {
			return value, nil
		}
		return absent, nil
	}
}

// valuesOf flattens a file to its single values, keyed by object and path. Entries
// of lists of single values are keyed by the entry itself, so that order doesn't count.
func valuesOf(file []byte) (map[string]string, error) {
	documents, err := parse(file)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for i, document := range documents {
		identity := document.scalar("kind") + "/" + document.scalar("metadata", "name")
		if identity == "/" {
			identity = strconv.Itoa(i)
		}
		flatten(document.root, identity, values)
	}
	return values, nil
}

func flatten(node *yaml.Node, at string, values map[string]string) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			flatten(node.Content[i+1], at+"."+node.Content[i].Value, values)
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			if item.Kind == yaml.ScalarNode {
				values[at+"[]="+item.Value] = "there"
			} else {
				flatten(item, at+"["+strconv.Itoa(i)+"]", values)
			}
		}
	case yaml.AliasNode:
		values[at] = "*" + node.Value
	case yaml.ScalarNode:
		value := node.Value
		if len(value) > 256 {
			value = fmt.Sprintf("%x", sha256.Sum256([]byte(value)))
		}
		values[at] = node.ShortTag() + " " + value
	default: // a document is unwrapped by the caller
	}
}
