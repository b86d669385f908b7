package gitops

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	syntax "text/template/parse"
	"unicode"
	"unicode/utf8"
)

const (
	subjectLimit = 72
	messageLimit = 16 << 10
)

var trailerKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// FormatMessage puts a commit message together: a subject of at most 72
// characters (a longer one is cut at a word and repeated in full below), the
// body, and the trailers as a paragraph of their own at the very end, so that
// ParseTrailers and git find exactly these. A key or value that would break
// the format is ErrBadMessage.
func FormatMessage(message string, trailers []Trailer) (string, error) {
	message = strings.ReplaceAll(strings.ReplaceAll(message, "\r\n", "\n"), "\r", "\n")
	if !utf8.ValidString(message) || strings.ContainsRune(message, 0) {
		return "", failure(ErrBadMessage, "the commit message isn't text")
	}
	if len(message) > messageLimit {
		return "", failure(ErrBadMessage, "the commit message is longer than %d bytes", messageLimit)
	}
	subject, body, _ := strings.Cut(strings.TrimSpace(message), "\n")
	subject, body = strings.TrimSpace(subject), strings.Trim(body, "\n")
	if subject == "" {
		return "", failure(ErrBadMessage, "the commit message is empty")
	}
	if short := shorten(subject); short != subject {
		body = strings.TrimRight(subject+"\n\n"+body, "\n")
		subject = short
	}
	paragraphs := []string{subject}
	if body = strings.TrimRight(body, " \t\n"); body != "" {
		paragraphs = append(paragraphs, body)
	}
	if len(trailers) > 0 {
		block, err := formatTrailers(trailers)
		if err != nil {
			return "", err
		}
		paragraphs = append(paragraphs, block)
	}
	return strings.Join(paragraphs, "\n\n") + "\n", nil
}

func formatTrailers(trailers []Trailer) (string, error) {
	lines := make([]string, 0, len(trailers))
	for _, trailer := range trailers {
		if !trailerKey.MatchString(trailer.Key) {
			return "", failure(ErrBadMessage, "%q isn't a trailer key: letters, digits and dashes", Printable(trailer.Key, 60))
		}
		value := trailer.Value
		if value == "" || value != strings.TrimSpace(value) || !utf8.ValidString(value) || strings.IndexFunc(value, unicode.IsControl) >= 0 {
			return "", failure(ErrBadMessage, "the value of trailer %s is empty or isn't one line of text", trailer.Key)
		}
		lines = append(lines, trailer.Key+": "+value)
	}
	return strings.Join(lines, "\n"), nil
}

func shorten(subject string) string {
	runes := []rune(subject)
	if len(runes) <= subjectLimit {
		return subject
	}
	short := string(runes[:subjectLimit-1])
	if at := strings.LastIndexByte(short, ' '); at > len(short)/2 {
		short = short[:at]
	}
	return strings.TrimRight(short, " ,;:.") + "…"
}

// RenderMessage fills a user's text/template. A field that isn't there, a
// template that doesn't parse or whose result is empty or too long is
// ErrBadMessage with the template's own complaint; it lasts until the template changes.
func RenderMessage(text string, fields map[string]any) (string, error) {
	message, err := render(text, fields, messageLimit)
	if err != nil {
		return "", failure(ErrBadMessage, "the message template %v", err)
	}
	if strings.TrimSpace(message) == "" {
		return "", failure(ErrBadMessage, "the message template gives an empty message")
	}
	return message, nil
}

// RenderBranch fills a user's text/template for the name of a branch. What RenderMessage refuses, and a name that Git would
// refuse, is ErrBadReference.
func RenderBranch(text string, fields map[string]any) (string, error) {
	branch, err := render(text, fields, 255)
	if err != nil {
		return "", failure(ErrBadReference, "the branch template %v", err)
	}
	return branch, checkBranch(branch)
}

// render a template; its complaint follows the words that say which one it is.
func render(text string, fields map[string]any, limit int) (string, error) {
	parsed, err := template.New("template").Option("missingkey=error").Funcs(boundedFunctions).Parse(text)
	if err != nil {
		return "", fmt.Errorf("doesn't parse: %s", Printable(err.Error(), 300))
	}
	if parsed.Tree != nil {
		if err := checkLoops(parsed.Root, false); err != nil {
			return "", err
		}
	}
	output := &limitedBuffer{limit: limit}
	if err := parsed.Execute(output, fields); err != nil {
		return "", fmt.Errorf("fails: %s", Printable(err.Error(), 300))
	}
	return output.String(), nil
}

type limitedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *limitedBuffer) Write(data []byte) (int, error) {
	if b.Len()+len(data) > b.limit {
		return 0, fmt.Errorf("the text is longer than %d bytes", b.limit)
	}
	return b.Buffer.Write(data)
}

// A template is a tenant's. It must end, and take no more memory than a message has: text/template itself bounds neither.

// boundedFunctions are those of text/template that make text; each result is bounded as a message is.
var boundedFunctions = template.FuncMap{
	"print":    bounded(fmt.Sprint),
	"println":  bounded(fmt.Sprintln),
	"html":     bounded(template.HTMLEscaper),
	"js":       bounded(template.JSEscaper),
	"urlquery": bounded(template.URLQueryEscaper),
	"printf": func(format string, arguments ...any) (string, error) {
		return bounded(func(arguments ...any) string { return fmt.Sprintf(format, arguments...) })(arguments...)
	},
}

func bounded(function func(...any) string) func(...any) (string, error) {
	return func(arguments ...any) (string, error) {
		text := function(arguments...)
		if len(text) > messageLimit {
			return "", fmt.Errorf("the text is longer than %d bytes", messageLimit)
		}
		return text, nil
	}
}

// checkLoops refuses what could run for ever or nearly so: loops in loops, loops over numbers, and templates that call others.
func checkLoops(list *syntax.ListNode, inLoop bool) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		var err error
		switch n := node.(type) {
		case *syntax.TemplateNode:
			err = errors.New("uses template or block, which isn't possible here")
		case *syntax.RangeNode:
			if inLoop || !overField(n.Pipe) {
				return errors.New("may use range over .Values only, and not inside of another one")
			}
			err = errors.Join(checkLoops(n.List, true), checkLoops(n.ElseList, inLoop))
		case *syntax.IfNode:
			err = errors.Join(checkLoops(n.List, inLoop), checkLoops(n.ElseList, inLoop))
		case *syntax.WithNode:
			err = errors.Join(checkLoops(n.List, inLoop), checkLoops(n.ElseList, inLoop))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overField says whether a pipeline is a field alone, such as .Values.
func overField(pipe *syntax.PipeNode) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	_, field := pipe.Cmds[0].Args[0].(*syntax.FieldNode)
	return field
}
