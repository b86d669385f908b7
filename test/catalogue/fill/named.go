package fill

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

var (
	quotedText = regexp.MustCompile(`(~\*? )?\(?'((?:[^']|'')*)'`)
	bareNumber = regexp.MustCompile(`(?:^|[^\w.'])(-?\d+(?:\.\d+)?)`)
)

// named are values that constraints speak of: their literals and what lies beside, texts of the lengths that they give,
// texts that match their patterns.
func (c *catalog) named(oid uint32, definitions []string, r *rand.Rand) []string {
	t := c.types[oid]
	for t.Kind == "d" {
		definitions = append(definitions, t.Checks...)
		t = c.types[t.Base]
	}
	var values []string
	for _, definition := range definitions {
		for _, m := range quotedText.FindAllStringSubmatch(definition, -1) {
			text := strings.ReplaceAll(m[2], "''", "'")
			if m[1] != "" {
				if match, ok := matching(text, r); ok {
					values = append(values, match)
				}
				continue
			}
			if t.Name == "json" || t.Name == "jsonb" {
				text = documents[text]
			}
			if text != "" {
				values = append(values, text)
			}
		}
		without := quotedText.ReplaceAllString(definition, " ")
		for _, m := range bareNumber.FindAllStringSubmatch(without, -1) {
			values = append(values, t.around(m[1], r)...)
		}
	}
	return values
}

// documents of the types that a check may ask for by jsonb_typeof.
var documents = map[string]string{"array": `[1, "ä", null]`, "object": `{"a": 1}`, "string": `"text"`, "number": "1e3", "boolean": "true"}

// around are the values that a number in a constraint suggests.
func (t dataType) around(number string, r *rand.Rand) []string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return []string{number}
	}
	switch t.Name {
	case "text", "varchar", "bpchar", "citext":
		if n > 0 && n <= 10_000 {
			return []string{strings.Repeat("x", n), strings.Repeat("ß", n), strings.Repeat("y", n-1)}
		}
	case "bytea":
		if n > 0 && n <= 10_000 {
			return []string{`\x` + strings.Repeat("00", n), `\x` + randomHex(n, r), `\x` + randomHex(n, r), `\x` + randomHex(n, r)}
		}
	case "int2", "int4", "int8", "numeric", "float4", "float8":
		return []string{strconv.Itoa(n), strconv.Itoa(n + 1), strconv.Itoa(n - 1)}
	}
	return nil
}

// randomHex is n bytes, others each time.
func randomHex(n int, r *rand.Rand) string {
	var b strings.Builder
	for range n {
		const digits = "0123456789abcdef"
		b.WriteByte(digits[r.IntN(16)])
		b.WriteByte(digits[r.IntN(16)])
	}
	return b.String()
}

// matching is a text that a pattern matches; false for a pattern that Go doesn't understand.
func matching(pattern string, r *rand.Rand) (string, bool) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	write(&b, tree.Simplify(), r)
	return b.String(), true
}

// write appends what a part of a pattern matches.
func write(b *strings.Builder, part *syntax.Regexp, r *rand.Rand) {
	switch part.Op {
	case syntax.OpLiteral:
		b.WriteString(string(part.Rune))
	case syntax.OpCharClass:
		at := 2 * r.IntN(len(part.Rune)/2)
		low, high := part.Rune[at], min(part.Rune[at+1], part.Rune[at]+200)
		b.WriteRune(low + rune(r.IntN(int(high-low)+1)))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a' + byte(r.IntN(26)))
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range part.Sub {
			write(b, sub, r)
		}
	case syntax.OpAlternate:
		write(b, part.Sub[r.IntN(len(part.Sub))], r)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		times := r.IntN(2)
		if part.Op == syntax.OpPlus {
			times = 1 + r.IntN(8)
		}
		for range times {
			write(b, part.Sub[0], r)
		}
	}
}
