package gitops

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// AddResource adds an entry to the resources of a kustomization file and touches
// nothing but its own line: indentation, comments, order and line ends stay; a
// list in flow style stays one. An entry that is there already gives the same bytes.
// Errors: ErrBadFile if the file isn't one kustomization or has an unusual layout.
func AddResource(kustomization []byte, entry string) ([]byte, error) {
	list, err := resourcesOf(kustomization)
	if err != nil {
		return nil, err
	}
	if list.indexOf(entry) >= 0 {
		return kustomization, nil
	}
	if notOneLine(entry) {
		return nil, failure(ErrBadPath, "resource %q isn't a path", Printable(entry, 200))
	}
	result, err := list.insert(entry)
	if err != nil {
		return nil, err
	}
	items := append(slices.Clone(list.items()), &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagString, Value: entry})
	return result, verify(result, list.with(items))
}

// RemoveResource takes an entry out of the resources of a kustomization file
// together with its line. One that isn't there gives the same bytes. The last
// one leaves an empty list. Errors as for AddResource.
func RemoveResource(kustomization []byte, entry string) ([]byte, error) {
	for {
		list, err := resourcesOf(kustomization)
		if err != nil {
			return nil, err
		}
		at := list.indexOf(entry)
		if at < 0 {
			return kustomization, nil
		}
		result, err := list.remove(at)
		if err != nil {
			return nil, err
		}
		items := slices.Delete(slices.Clone(list.items()), at, at+1)
		if err := verify(result, list.with(items)); err != nil {
			return nil, err
		}
		kustomization = result
	}
}

func notOneLine(entry string) bool {
	return entry == "" || len(entry) > 1024 || slices.IndexFunc([]rune(entry), notInLine) >= 0
}

// resourceList is the list of resources of a kustomization file.
type resourceList struct {
	text
	root *yaml.Node // nil: the file is empty
	key  *yaml.Node // nil: no resources yet
	list *yaml.Node
}

func resourcesOf(file []byte) (resourceList, error) {
	documents, err := parse(file)
	if err != nil {
		return resourceList{}, err
	}
	list := resourceList{text: newText(file)}
	if len(documents) == 0 {
		return list, nil
	}
	root := documents[0].root
	if root.Kind == yaml.ScalarNode && root.ShortTag() == yaml.NodeTagNull && len(documents) == 1 {
		return list, nil
	}
	if len(documents) > 1 || root.Kind != yaml.MappingNode {
		return list, failure(ErrBadFile, "the kustomization isn't one YAML document with keys and values")
	}
	list.root = root
	if _, err := value(root, "resources"); err != nil {
		return list, err
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "resources" {
			list.key, list.list = root.Content[i], root.Content[i+1]
		}
	}
	if list.list == nil || list.empty() {
		return list, nil
	}
	if list.list.Kind != yaml.SequenceNode || list.list.Anchor != "" {
		return list, failure(ErrBadFile, "line %d: resources isn't a plain list", list.list.Line)
	}
	for _, item := range list.list.Content {
		if item.Kind != yaml.ScalarNode {
			return list, failure(ErrBadFile, "line %d: a resource isn't a path", item.Line)
		}
	}
	return list, nil
}

// empty is `resources:` with nothing behind it.
func (l resourceList) empty() bool {
	return l.list.Kind == yaml.ScalarNode && l.list.Value == "" && l.list.Style == 0 && l.list.Anchor == "" && l.list.ShortTag() == yaml.NodeTagNull
}

func (l resourceList) items() []*yaml.Node {
	if l.list == nil {
		return nil
	}
	return l.list.Content
}

func (l resourceList) indexOf(entry string) int {
	return slices.IndexFunc(l.items(), func(item *yaml.Node) bool { return path.Clean(item.Value) == path.Clean(entry) })
}

// with is the document as it is meant to be with these resources.
func (l resourceList) with(items []*yaml.Node) []document {
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: yaml.NodeTagSeq, Content: items}
	root := &yaml.Node{Kind: yaml.MappingNode, Tag: yaml.NodeTagMap}
	if l.root != nil {
		root.Anchor, root.Content = l.root.Anchor, slices.Clone(l.root.Content)
	}
	if l.key == nil {
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagString, Value: "resources"}, list)
	} else {
		root.Content[slices.Index(root.Content, l.key)+1] = list
	}
	return []document{{root}}
}

// put replaces bytes of the file.
func (l resourceList) put(start, end int, replacement string) []byte {
	return slices.Concat(l.bytes[:start], []byte(replacement), l.bytes[end:])
}

var listItem = regexp.MustCompile(`^[ \t]*-[ \t]+$`)

func (l resourceList) insert(entry string) ([]byte, error) {
	newLine := l.lineBreak()
	switch {
	case l.key == nil:
		return l.append("resources:" + newLine + "- " + scalarText(entry, nil) + newLine)
	case l.empty():
		start, end, lineBreak := l.line(l.key.Line)
		indent := string(l.bytes[start:l.offset(l.key)])
		if strings.TrimSpace(indent) != "" {
			return nil, failure(ErrBadFile, "line %d: write resources as a list of its own lines", l.key.Line)
		}
		if lineBreak == "" {
			lineBreak = newLine
		}
		return l.put(end, end, lineBreak+indent+"- "+scalarText(entry, nil)), nil
	case l.list.Style&yaml.FlowStyle != 0:
		return l.insertInFlow(entry)
	}
	last := l.list.Content[len(l.list.Content)-1]
	if _, _, err := l.extent(last); err != nil {
		return nil, err
	}
	start, end, _ := l.line(last.Line)
	prefix := string(l.bytes[start:l.offset(last)])
	if !listItem.MatchString(prefix) {
		return nil, failure(ErrBadFile, "line %d: write each resource on a line of its own", last.Line)
	}
	return l.put(end, end, newLine+prefix+scalarText(entry, nil)), nil
}

// append adds lines at the end of a file.
func (l resourceList) append(lines string) ([]byte, error) {
	if l.root != nil && (l.root.Style&yaml.FlowStyle != 0 || l.root.Column != 1) {
		return nil, failure(ErrBadFile, "the kustomization has no resources and isn't laid out line by line; add `resources: []`")
	}
	if len(l.bytes) > 0 && l.starts[len(l.starts)-1] != len(l.bytes) {
		lines = l.lineBreak() + lines
	}
	return l.put(len(l.bytes), len(l.bytes), lines), nil
}

func (l resourceList) insertInFlow(entry string) ([]byte, error) {
	if len(l.list.Content) == 0 {
		open := l.offset(l.list)
		if open < 0 || open >= len(l.bytes) || l.bytes[open] != '[' {
			return nil, failure(ErrBadFile, "line %d: write resources as a plain list", l.list.Line)
		}
		return l.put(open+1, open+1, scalarText(entry, nil)), nil
	}
	_, end, err := l.extent(l.list.Content[len(l.list.Content)-1])
	if err != nil {
		return nil, err
	}
	return l.put(end, end, ", "+scalarText(entry, nil)), nil
}

func (l resourceList) remove(at int) ([]byte, error) {
	item := l.list.Content[at]
	start, end, err := l.extent(item)
	if err != nil {
		return nil, err
	}
	if l.list.Style&yaml.FlowStyle != 0 {
		return l.removeFromFlow(at, start, end)
	}
	first, last, lineBreak := l.line(item.Line)
	if !listItem.Match(l.bytes[first:start]) {
		return nil, failure(ErrBadFile, "line %d: write each resource on a line of its own", item.Line)
	}
	if lineBreak == "" && item.Line > 1 {
		_, first, _ = l.line(item.Line - 1)
	} else {
		last += len(lineBreak)
	}
	result := l.put(first, last, "")
	if len(l.list.Content) > 1 {
		return result, nil
	}
	// An empty list shows more clearly than a missing one that it is intended.
	colon := l.offset(l.key) + len("resources")
	if !bytes.HasPrefix(l.bytes[colon:], []byte(":")) {
		return nil, failure(ErrBadFile, "line %d: write resources without quotes", l.key.Line)
	}
	return slices.Concat(result[:colon+1], []byte(" []"), result[colon+1:]), nil
}

// removeFromFlow takes the item with the comma that follows it, or the one before it if it is the last.
func (l resourceList) removeFromFlow(at, start, end int) ([]byte, error) {
	switch items := l.list.Content; {
	case at+1 < len(items):
		next, _, err := l.extent(items[at+1])
		if err != nil {
			return nil, err
		}
		end = next
	case at > 0:
		_, previous, err := l.extent(items[at-1])
		if err != nil {
			return nil, err
		}
		start = previous
	default:
		for rest := l.bytes[end:]; len(rest) > 0 && (rest[0] == ' ' || rest[0] == ','); rest = l.bytes[end:] {
			end++
		}
	}
	if bytes.ContainsRune(l.bytes[start:end], '#') {
		return nil, failure(ErrBadFile, "line %d: a comment stands inside the list; write each resource on a line of its own", l.list.Content[at].Line)
	}
	return l.put(start, end, ""), nil
}
