package gitops

import (
	"slices"
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
	if !utf8.ValidString(value) || value == "" || len(value) > 1024 || slices.IndexFunc([]rune(value), notInLine) >= 0 {
		return nil, failure(ErrBadFile, "the new value of %s isn't one line of text", field)
	}
	path, err := parseField(field)
	if err != nil {
		return nil, err
	}
	documents, err := parse(file)
	if err != nil {
		return nil, err
	}
	document, err := only(documents, kind, name)
	if err != nil {
		return nil, err
	}
	node, err := document.find(path, false)
	if err != nil {
		return nil, err
	}
	if node == nil {
		return nil, failure(ErrPathMissing, "%s %s has no field %s: write it once by hand", kind, name, field)
	}
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
	return result, verify(result, documents)
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
