package gitops

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"text/template"
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
	parsed, err := template.New("message").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", failure(ErrBadMessage, "the message template doesn't parse: %s", Printable(err.Error(), 300))
	}
	output := &limitedBuffer{limit: messageLimit}
	if err := parsed.Execute(output, fields); err != nil {
		return "", failure(ErrBadMessage, "the message template fails: %s", Printable(err.Error(), 300))
	}
	if strings.TrimSpace(output.String()) == "" {
		return "", failure(ErrBadMessage, "the message template gives an empty message")
	}
	return output.String(), nil
}

type limitedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *limitedBuffer) Write(data []byte) (int, error) {
	if b.Len()+len(data) > b.limit {
		return 0, fmt.Errorf("the message is longer than %d bytes", b.limit)
	}
	return b.Buffer.Write(data)
}
