package gitops

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// SetField changes one value of the object with this kind and name and keeps
// every other byte of the file: comments, quotes, order, line ends, other documents.
// The result is parsed again and compared, so it is never a broken file.
//
// Errors: ErrPathMissing (no such object or field), ErrAmbiguous (the object is
// there twice), ErrBadFile (not YAML, or the value stands where it can't be
// changed safely). A value that is set already gives the same bytes.
func SetField(file []byte, kind, name, field, value string) ([]byte, error) {
	if err := oneLine(field, value); err != nil {
		return nil, err
	}
	o, err := objectIn(file, kind, name, field)
	if err != nil {
		return nil, err
	}
	node, err := o.find(o.path, false)
	if err != nil {
		return nil, err
	}
	if node == nil {
		return nil, failure(ErrPathMissing, "%s %s has no field %s: write it once by hand", kind, name, field)
	}
	return o.replace(file, node, value)
}

// fieldOf is one object of a file, and the path of a field in it.
type fieldOf struct {
	document
	all  []document
	path []segment
}

func objectIn(file []byte, kind, name, field string) (o fieldOf, err error) {
	if o.path, err = parseField(field); err != nil {
		return o, err
	}
	if o.all, err = parse(file); err != nil {
		return o, err
	}
	o.document, err = only(o.all, kind, name)
	return o, err
}

// oneLine is an error unless a value can stand on a line.
func oneLine(field, value string) error {
	if !utf8.ValidString(value) || value == "" || len(value) > 1024 || slices.IndexFunc([]rune(value), notInLine) >= 0 {
		return failure(ErrBadFile, "the new value of %s isn't one line of text", field)
	}
	return nil
}

// replace the text of a node.
func (o fieldOf) replace(file []byte, node *yaml.Node, value string) ([]byte, error) {
	if node.Kind == yaml.ScalarNode && node.Value == value {
		return file, nil
	}
	source := newText(file)
	start, end, err := source.extent(node)
	if err != nil {
		return nil, err
	}
	replacement := scalarText(value, node)
	result := slices.Concat(file[:start], []byte(replacement), file[end:])
	node.Value = value
	if replacement != value {
		node.Tag, node.Style = yaml.NodeTagString, yaml.DoubleQuotedStyle
	}
	return result, verify(result, o.all)
}

func notInLine(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff'
}

// only finds the one document that is the object.
func only(documents []document, kind, name string) (document, error) {
	at := -1
	for i, candidate := range documents {
		if !candidate.is(kind, name) {
			continue
		}
		if at >= 0 {
			return document{}, failure(ErrAmbiguous, "%s %s is in the file twice (lines %d and %d): remove one", kind, name, documents[at].root.Line, candidate.root.Line)
		}
		at = i
	}
	if at < 0 {
		return document{}, failure(ErrPathMissing, "the file has no %s %s", kind, name)
	}
	return documents[at], nil
}

// PutField is SetField that also adds the field, and the mappings that lead to it, where they are missing: on lines of
// their own, right below the innermost mapping that is there. The field is a path of keys; true and false are booleans.
// Errors: as of SetField, and ErrBadFile where a mapping that is there isn't written in lines.
func PutField(file []byte, kind, name, field, value string) ([]byte, error) {
	if err := oneLine(field, value); err != nil {
		return nil, err
	}
	o, err := objectIn(file, kind, name, field)
	if err != nil {
		return nil, err
	}
	switch node, err := o.find(o.path, false); {
	case err != nil:
		return nil, err
	case node != nil:
		return o.replace(file, node, value)
	}
	return o.add(file, value)
}

// add what is missing of the path below the last mapping that is there.
func (o fieldOf) add(file []byte, value string) ([]byte, error) {
	path := o.path
	depth, parent, key, err := innermost(o.document, path)
	if err != nil {
		return nil, err
	}
	unsafe := failure(ErrBadFile, "line %d: the field can't be added safely; write it once by hand", parent.Line)
	if parent.Kind != yaml.MappingNode || parent.Style&yaml.FlowStyle != 0 || parent.Anchor != "" || len(parent.Content) == 0 || key == nil || parent.Line == key.Line {
		return nil, unsafe
	}
	source := newText(file)
	indent := strings.Repeat(" ", parent.Content[0].Column-1)
	var lines strings.Builder
	added := &yaml.Node{Kind: yaml.MappingNode, Tag: yaml.NodeTagMap}
	for into, i := added, depth; i < len(path); i++ {
		if path[i].kind != 'k' {
			return nil, unsafe
		}
		name := &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagString, Value: path[i].key}
		next := &yaml.Node{Kind: yaml.MappingNode, Tag: yaml.NodeTagMap}
		lines.WriteString(indent + scalarText(path[i].key, name) + ":")
		if i == len(path)-1 {
			next = fieldNode(value)
			lines.WriteString(" " + scalarText(value, next))
		}
		lines.WriteString(source.lineBreak())
		into.Content = append(into.Content, name, next)
		into, indent = next, indent+"  "
	}
	at, _, _ := source.line(key.Line + 1)
	parent.Content = slices.Concat(added.Content, parent.Content)
	result := slices.Concat(file[:at], []byte(lines.String()), file[at:])
	return result, verify(result, o.all)
}

// innermost follows a path as far as it goes: how many steps, the mapping there, and the key that leads to it.
func innermost(d document, path []segment) (depth int, node, key *yaml.Node, err error) {
	node = d.root
	for ; depth < len(path); depth++ {
		next, err := path[depth].follow(node)
		if err != nil || next == nil {
			return depth, node, key, err
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i+1] == next {
				key = node.Content[i]
			}
		}
		node = next
	}
	return depth, node, key, nil
}

// fieldNode is a value as a field has it: true and false are booleans, all else is text.
func fieldNode(value string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagString, Value: value}
	if value == "true" || value == "false" {
		node.Tag = yaml.NodeTagBool
	}
	return node
}
