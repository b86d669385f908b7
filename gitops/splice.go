package gitops

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// text is a file's bytes with the lines that YAML counts by.
type text struct {
	bytes  []byte
	starts []int    // offset of each line's first byte
	breaks []string // what ends each line, "" at the end of the file
}

func newText(file []byte) text {
	t := text{bytes: file, starts: []int{0}}
	if bytes.HasPrefix(file, []byte("\ufeff")) {
		t.starts[0] = len("\ufeff")
	}
	for i := 0; i < len(file); {
		length := breakAt(file, i)
		if length > 0 {
			t.breaks = append(t.breaks, string(file[i:i+length]))
			t.starts = append(t.starts, i+length)
		}
		i += max(length, 1)
	}
	t.breaks = append(t.breaks, "")
	return t
}

// breakAt is the length of the line break at an offset: CR LF, CR, LF, NEL, LS or PS (YAML 1.1, 4.2).
func breakAt(file []byte, i int) int {
	switch rest := file[i:]; {
	case bytes.HasPrefix(rest, []byte("\r\n")):
		return 2
	case rest[0] == '\n' || rest[0] == '\r':
		return 1
	case bytes.HasPrefix(rest, []byte("\u0085")):
		return 2
	case bytes.HasPrefix(rest, []byte("\u2028")), bytes.HasPrefix(rest, []byte("\u2029")):
		return 3
	}
	return 0
}

// offset is where a node begins; its column counts characters. -1 if it can't be.
func (t text) offset(node *yaml.Node) int {
	if node.Line < 1 || node.Line > len(t.starts) || node.Column < 1 {
		return -1
	}
	at := t.starts[node.Line-1]
	for range node.Column - 1 {
		if at >= len(t.bytes) {
			return -1
		}
		_, size := utf8.DecodeRune(t.bytes[at:])
		at += size
	}
	return at
}

// line gives the offsets of a line's first byte and of its break, and the break. Lines count from 1.
func (t text) line(number int) (start, end int, lineBreak string) {
	start, lineBreak, end = t.starts[number-1], t.breaks[number-1], len(t.bytes)
	if number < len(t.starts) {
		end = t.starts[number] - len(lineBreak)
	}
	return start, end, lineBreak
}

// lineBreak is the line break that the file uses.
func (t text) lineBreak() string {
	if t.breaks[0] != "" {
		return t.breaks[0]
	}
	return "\n"
}

// extent is where a scalar's text begins and ends. Only scalars that stand on one line,
// without anchor or tag, can be replaced without guessing.
func (t text) extent(node *yaml.Node) (start, end int, err error) {
	start = t.offset(node)
	unsafe := func(why string) (int, int, error) {
		return 0, 0, failure(ErrBadFile, "line %d: %s, so Gitover can't change it safely; write it as a plain value on one line", node.Line, why)
	}
	if node.Kind != yaml.ScalarNode {
		return unsafe("it isn't a single value")
	}
	if start < 0 || start >= len(t.bytes) || node.Value == "" && node.Style == 0 {
		return unsafe("it is empty")
	}
	if node.Anchor != "" || t.bytes[start] == '&' || t.bytes[start] == '!' {
		return unsafe("it has a YAML anchor or tag")
	}
	switch {
	case node.Style&yaml.DoubleQuotedStyle != 0:
		end = closing(t.bytes, start, '"')
	case node.Style&yaml.SingleQuotedStyle != 0:
		end = closing(t.bytes, start, '\'')
	case node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return unsafe("it is a block of text")
	case bytes.HasPrefix(t.bytes[start:], []byte(node.Value)):
		end = start + len(node.Value)
	}
	if end <= start {
		return unsafe("it goes over several lines")
	}
	return start, end, nil
}

// closing is the offset behind the quote that ends a scalar on its line, or -1.
func closing(file []byte, start int, quote byte) int {
	for i := start + 1; i < len(file) && breakAt(file, i) == 0; i++ {
		switch {
		case file[i] == '\\' && quote == '"':
			i++
		case file[i] == quote && quote == '\'' && i+1 < len(file) && file[i+1] == quote:
			i++
		case file[i] == quote:
			return i + 1
		}
	}
	return -1
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./][A-Za-z0-9_./@+-]*$`)

// scalarText writes a value in the style that the old one had, quoted where plain text would mean something else.
func scalarText(value string, like *yaml.Node) string {
	single := "'" + strings.ReplaceAll(value, "'", "''") + "'"
	double := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	switch {
	case like != nil && like.Style&yaml.DoubleQuotedStyle != 0:
		return double
	case like != nil && like.Style&yaml.SingleQuotedStyle != 0:
		return single
	case !plain.MatchString(value):
		return double
	}
	tag := (&yaml.Node{Kind: yaml.ScalarNode, Value: value}).ShortTag()
	if tag == yaml.NodeTagString || like != nil && tag == like.ShortTag() {
		return value
	}
	return double
}

// same compares two nodes by meaning and style; positions and comments don't count.
func same(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// verify parses the result of a splice and compares it with what was meant.
func verify(result []byte, meant []document) error {
	got, err := parse(result)
	if err != nil {
		return failure(ErrBadFile, "the change would break the file (%v); simplify its layout there", err)
	}
	if !slices.EqualFunc(got, meant, func(a, b document) bool { return same(a.root, b.root) }) {
		return failure(ErrBadFile, "the change would alter more of the file than it should; simplify its layout there")
	}
	return nil
}
