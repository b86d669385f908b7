package gitops

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// document is one YAML document of a file, with positions in the whole file.
type document struct{ root *yaml.Node }

// parse reads every document of a file. Anything but UTF-8 YAML is ErrBadFile.
func parse(file []byte) ([]document, error) {
	if len(file) > fileLimit {
		return nil, failure(ErrBadFile, "the file has %d bytes, more than a manifest may have (%d)", len(file), fileLimit)
	}
	if !utf8.Valid(file) {
		return nil, failure(ErrBadFile, "the file isn't UTF-8 text")
	}
	var documents []document
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, failure(ErrBadFile, "the file isn't YAML: %s", Printable(err.Error(), 300))
		}
		if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
			documents = append(documents, document{node.Content[0]})
		}
	}
}

// value finds a key of a mapping; a duplicate key is ErrBadFile, since parsers treat it differently.
func value(mapping *yaml.Node, key string) (*yaml.Node, error) {
	var found *yaml.Node
	if mapping = resolve(mapping); mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Kind != yaml.ScalarNode || mapping.Content[i].Value != key {
			continue
		}
		if found != nil {
			return nil, failure(ErrBadFile, "line %d: key %q is there twice", mapping.Content[i].Line, Printable(key, 60))
		}
		found = mapping.Content[i+1]
	}
	return found, nil
}

// resolve follows an alias; anchors can't nest deeper than this without being an attack.
func resolve(node *yaml.Node) *yaml.Node {
	for i := 0; i < 16 && node.Kind == yaml.AliasNode && node.Alias != nil; i++ {
		node = node.Alias
	}
	return node
}

func (d document) scalar(keys ...string) string {
	node := d.root
	for _, key := range keys {
		next, err := value(node, key)
		if err != nil || next == nil {
			return ""
		}
		node = next
	}
	if node = resolve(node); node.Kind != yaml.ScalarNode {
		return ""
	}
	return node.Value
}

// is reports whether the document is the object of this kind and name.
func (d document) is(kind, name string) bool {
	return d.scalar("kind") == kind && d.scalar("metadata", "name") == name
}

// segment is one step of a field path: a key, an index, or the list item whose key has a value.
type segment struct {
	key, equals string
	index       int
	kind        byte // 'k', 'i' or '='
}

var listStep = regexp.MustCompile(`^\[(?:(\d{1,4})|([A-Za-z0-9_./-]+)=([^\[\]]+))\]`)

// parseField reads a path such as spec.version, postgres.image.tag,
// containers[0].image, containers[name=db].image, or annotations.example\.org/x.
func parseField(field string) ([]segment, error) {
	bad := func() ([]segment, error) {
		return nil, failure(ErrFieldMissing, "%q isn't a field path, such as spec.version or images[name=db].tag", Printable(field, 100))
	}
	var path []segment
	rest := field
	for rest != "" {
		if match := listStep.FindStringSubmatch(rest); match != nil {
			if match[1] != "" {
				index, _ := strconv.Atoi(match[1])
				path = append(path, segment{kind: 'i', index: index})
			} else {
				path = append(path, segment{kind: '=', key: match[2], equals: match[3]})
			}
			rest = rest[len(match[0]):]
		} else {
			key, length := fieldKeyOf(rest)
			if key == "" {
				return bad()
			}
			path = append(path, segment{kind: 'k', key: key})
			rest = rest[length:]
		}
		if rest == "" || rest[0] == '[' {
			continue
		}
		if rest = rest[1:]; rest == "" || rest[0] == '.' {
			return bad()
		}
	}
	if len(path) == 0 || len(path) > 64 {
		return bad()
	}
	return path, nil
}

// fieldKeyOf returns the key at the start of a path, in which `\.` is a dot of the key.
func fieldKeyOf(rest string) (key string, length int) {
	var text strings.Builder
	for length < len(rest) && rest[length] != '.' && rest[length] != '[' {
		if rest[length] == '\\' && length+1 < len(rest) {
			length++
		}
		text.WriteByte(rest[length])
		length++
	}
	return text.String(), length
}

// find follows a path; a nil node says that the document hasn't got the field.
// Aliases are followed only on request: their value stands on another line.
func (d document) find(path []segment, aliases bool) (*yaml.Node, error) {
	node := d.root
	for _, step := range path {
		if node.Kind == yaml.AliasNode {
			if !aliases {
				return nil, failure(ErrBadFile, "line %d is a YAML alias; write the value itself there", node.Line)
			}
			node = resolve(node)
		}
		next, err := step.follow(node)
		if err != nil || next == nil {
			return nil, err
		}
		node = next
	}
	if aliases {
		node = resolve(node)
	}
	return node, nil
}

func (s segment) follow(node *yaml.Node) (*yaml.Node, error) {
	if s.kind == 'k' {
		return value(node, s.key)
	}
	if node.Kind != yaml.SequenceNode {
		return nil, nil
	}
	if s.kind == 'i' {
		if s.index >= len(node.Content) {
			return nil, nil
		}
		return node.Content[s.index], nil
	}
	var found *yaml.Node
	for _, item := range node.Content {
		if (document{item}).scalar(s.key) != s.equals {
			continue
		}
		if found != nil {
			return nil, failure(ErrAmbiguous, "line %d: a second item has %s=%s", item.Line, s.key, Printable(s.equals, 60))
		}
		found = item
	}
	return found, nil
}

// FieldValue reads a scalar by its path out of the first document that has it.
// Errors: ErrFieldMissing if none has it or it is empty, ErrBadFile.
func FieldValue(file []byte, field string) (string, error) {
	path, err := parseField(field)
	if err != nil {
		return "", err
	}
	documents, err := parse(file)
	if err != nil {
		return "", err
	}
	for _, document := range documents {
		node, err := document.find(path, true)
		if err != nil {
			return "", err
		}
		if node == nil {
			continue
		}
		if node.Kind != yaml.ScalarNode {
			return "", failure(ErrBadFile, "field %s (line %d) isn't a single value", field, node.Line)
		}
		if node.ShortTag() == yaml.NodeTagNull || node.Value == "" {
			return "", failure(ErrFieldMissing, "field %s (line %d) is empty", field, node.Line)
		}
		return node.Value, nil
	}
	return "", failure(ErrFieldMissing, "no document has the field %s", Printable(field, 200))
}

// NamesOf the objects of a kind in a file, in order; those without a name are left out. Errors: ErrBadFile.
func NamesOf(file []byte, kind string) ([]string, error) {
	documents, err := parse(file)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range documents {
		if name := d.scalar("metadata", "name"); name != "" && d.is(kind, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// ObjectField reads a scalar of the object with this kind and name; empty if it is missing. Errors: ErrPathMissing if the
// object isn't there, ErrAmbiguous, ErrBadFile.
func ObjectField(file []byte, kind, name, field string) (string, error) {
	o, err := objectIn(file, kind, name, field)
	if err != nil {
		return "", err
	}
	node, err := o.find(o.path, true)
	if err != nil || node == nil || node.Kind != yaml.ScalarNode {
		return "", err
	}
	return node.Value, nil
}
