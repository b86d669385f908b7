package gitops

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var messages = []string{
	"Subject\n\nBody.\n\nA: 1\nB-c : two words\n  folded\n\ton\n",
	"Subject: not a trailer\n",
	"Subject\n\nA: 1\nnot one\n",
	"Subject\n\nSigned-off-by: A <a@example.org>\nnot one\nnor this\n",
	"Subject\n\nSigned-off-by: A <a@example.org>\n1\n2\n3\n4\n",
	"Subject\n\n(cherry picked from commit abc)\nA: 1\n",
	"Subject\n\nA: 1\n# remark\nB: 2\n\n\n",
	"Subject\n\nA: 1\n\nB:\n",
	"Subject\n\n continued\nA: 1\n",
	"Subject\n\nA: 1\n continued\n# remark\n not this\n",
	"Subject\n\nhttps://example.org: x\nA: 1\n",
	"Subject\n\n: x\nA: 1\n",
	"Subject\n\nÄ: 1\n",
	"Subject\n\nA: 1\r\nB: 2\r\n",
	"\n\nSubject\n\nA: 1\n",
	"Subject\n\nA: 1\n---\nB: 2\n",
}

func TestTrailersAreReadAsGitReadsThem(t *testing.T) {
	for _, message := range messages {
		t.Run("", func(t *testing.T) {
			NewWithT(t).Expect(asLines(ParseTrailers(message))).To(Equal(gitTrailersOf(t, message)), "%q", message)
		})
	}
}

func asLines(trailers []Trailer) []string {
	lines := []string{}
	for _, trailer := range trailers {
		lines = append(lines, strings.TrimRight(trailer.Key+": "+trailer.Value, " "))
	}
	return lines
}

func gitTrailersOf(t *testing.T, message string) []string {
	t.Helper()
	command := exec.Command("git", "interpret-trailers", "--parse", "--no-divider")
	command.Stdin = strings.NewReader(message)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{}
	for line := range strings.SplitSeq(strings.TrimRight(string(output), "\n"), "\n") {
		if line != "" {
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	return lines
}

func TestOurTrailersComeLastWhateverTheUsersTemplateSays(t *testing.T) {
	g := NewWithT(t)
	text, err := RenderMessage("Cut {{.Upgrade}} over to {{.To}}, which is a subject that certainly doesn't fit into a line\r\n\r\nFixes: everything\n\n", map[string]any{"Upgrade": "orders", "To": "17"})
	g.Expect(err).NotTo(HaveOccurred())
	ours := []Trailer{{"Gitover-Upgrade", "default/orders"}, {"Gitover-Step", "CommitCutover"}}
	message, err := FormatMessage(text, ours)
	g.Expect(err).NotTo(HaveOccurred())
	subject, _, _ := strings.Cut(message, "\n")
	g.Expect(len([]rune(subject))).To(BeNumerically("<=", 72))
	g.Expect(message).To(ContainSubstring("certainly doesn't fit into a line\n\nFixes: everything\n\nGitover-Upgrade: default/orders\nGitover-Step: CommitCutover\n"))
	g.Expect(ParseTrailers(message)).To(Equal(ours))
}

func TestAMalformedMessageIsRefused(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"{{.Missing}}", "{{", " \n ", `{{printf "%20000d" 1}}`, "{{call .To}}"} {
		_, err := RenderMessage(text, map[string]any{"To": "17"})
		g.Expect(errors.Is(err, ErrBadMessage)).To(BeTrue(), "%q: %v", text, err)
	}
	for _, trailer := range []Trailer{{"A b", "x"}, {"A", ""}, {"A", "x\nGitover-Step: y"}, {"", "x"}, {"A", " x"}, {"Ä", "x"}} {
		_, err := FormatMessage("subject", []Trailer{trailer})
		g.Expect(errors.Is(err, ErrBadMessage)).To(BeTrue(), "%q: %v", trailer, err)
	}
}

func FuzzTrailers(f *testing.F) {
	for _, message := range messages {
		f.Add(message, "value")
	}
	f.Fuzz(func(t *testing.T, message, value string) {
		for _, trailer := range ParseTrailers(message) {
			if strings.ContainsAny(trailer.Key+trailer.Value, "\n") || trailer.Key == "" {
				t.Fatalf("%q", trailer)
			}
		}
		ours := []Trailer{{"Gitover-Step", value}}
		formatted, err := FormatMessage(message, ours)
		if err != nil {
			return
		}
		if got := ParseTrailers(formatted); len(got) != 1 || got[0] != ours[0] {
			t.Fatalf("%q gives %q", formatted, got)
		}
	})
}

func TestATemplateOfATenantEndsAndTakesLittleMemory(t *testing.T) {
	fields := map[string]any{"Upgrade": "orders", "Values": map[string]string{"a": "1", "b": "2"}}
	text, err := RenderMessage(`{{.Upgrade}}{{range $key, $value := .Values}} {{$key}}={{$value}}{{end}} {{printf "%q" .Upgrade}}`, fields)
	if err != nil || text != `orders a=1 b=2 "orders"` {
		t.Errorf("%q, %v", text, err)
	}
	for _, endless := range []string{
		`{{range 1000000000000}}{{end}}x`,
		`{{$n := 1000000000000}}{{range $n}}{{end}}x`,
		`{{range .Values}}{{range $.Values}}{{end}}{{end}}x`,
		`{{if .Upgrade}}{{range 1000000000000}}{{end}}{{end}}x`,
		`{{define "a"}}x{{end}}{{template "a"}}`,
		`{{$x := "abcdefgh"}}` + strings.Repeat(`{{$x = print $x $x}}`, 60) + "x",
		`{{$x := "abcdefgh"}}` + strings.Repeat(`{{$x = printf "%s%s" $x $x}}`, 60) + "x",
		`{{$x := "\\"}}{{$x` + strings.Repeat("|js", 60) + "}}",
	} {
		if _, err := RenderMessage(endless, fields); !errors.Is(err, ErrBadMessage) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: %v", endless, err)
		}
	}
}
