package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/test/console"
)

// unchecked stands before a block that no test can check, and says why.
var unchecked = regexp.MustCompile(`<!-- unchecked: [^>]{10,} -->\n+ *$`)

// TestKubectlIsTypedWithKindsThatExist reads each kubectl of a page as a shell starts it. Where the stage's kubectl is built, it
// also judges the flags.
func TestKubectlIsTypedWithKindsThatExist(t *testing.T) {
	names := resourceNames(t)
	kubectl, err := filepath.Abs(filepath.Join(root, ".cache", "bin", "kubectl"))
	if err == nil {
		_, err = os.Stat(kubectl)
	}
	judges := err == nil
	found := 0
	for _, page := range written(t) {
		for _, c := range console.Commands(t, page, read(t, page)) {
			if c.Program != "kubectl" || len(c.Args) == 0 || c.Args[0] == "gitover" {
				continue
			}
			found++
			for _, name := range kindsIn(c.Args) {
				if !names[name] {
					t.Errorf("%s: %q: no kind is called %q", page, c.Line, name)
				}
			}
			if !judges {
				continue
			}
			command, flags := flagsIn(c.Args)
			for _, flag := range flags {
				if !strings.Contains(help(t, kubectl, command), " "+flag) && !strings.Contains(help(t, kubectl, "options"), " "+flag) {
					t.Errorf("%s: %q: kubectl %s has no flag %s", page, c.Line, command, flag)
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d commands found", found)
	}
}

// helps of kubectl, by command: it takes a while to start.
var helps = map[string]string{}

func help(t *testing.T, kubectl, command string) string {
	t.Helper()
	if _, known := helps[command]; !known {
		args := strings.Fields(command)
		if command != "options" {
			args = append(args, "--help")
		}
		out, err := exec.CommandContext(t.Context(), kubectl, args...).CombinedOutput()
		if err != nil {
			t.Errorf("kubectl %s: %s", command, out)
		}
		helps[command] = string(out)
	}
	return helps[command]
}

// flagsIn a kubectl, and the command that has them.
func flagsIn(args []string) (command string, flags []string) {
	words := []string{}
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if name, _, _ := strings.Cut(arg, "="); strings.HasPrefix(arg, "-") {
			flags = append(flags, name)
		} else if i == 0 || !slices.Contains(valued, args[i-1]) {
			words = append(words, arg)
		}
	}
	switch words[0] {
	case "rollout":
		words = words[:2]
	case "create":
		if words[1] == "secret" {
			words = words[:3]
		} else {
			words = words[:2]
		}
	default:
		words = words[:1]
	}
	return strings.Join(words, " "), flags
}

// valued are flags of kubectl that take the next word.
var valued = []string{"-n", "--namespace", "-o", "--output", "-l", "--selector", "-c", "--container", "-p", "--patch", "-f", "-k", "--for", "--timeout", "--type"}

// kindsIn are the kinds, by any of their names, that a kubectl is about.
func kindsIn(args []string) (kinds []string) {
	verb, words := "", []string{}
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		switch {
		case slices.Contains(valued, args[i]):
			i++
			if args[i-1] == "--for" && verb == "events" {
				kinds = append(kinds, strings.Split(args[i], "/")[0])
			}
		case strings.HasPrefix(args[i], "-"):
		case verb == "":
			verb = args[i]
		default:
			words = append(words, args[i])
		}
	}
	if verb == "rollout" || verb == "create" && len(words) > 0 {
		if verb == "create" {
			return append(kinds, words[0])
		}
		words = words[1:]
	}
	for i, word := range words {
		kind, _, slash := strings.Cut(word, "/")
		switch {
		case verb == "explain":
			kinds = append(kinds, strings.Split(word, ".")[0])
		case i > 0:
		case slash:
			kinds = append(kinds, kind)
		case slices.Contains([]string{"get", "describe", "delete", "patch", "annotate", "label", "scale", "edit", "wait", "rollout"}, verb):
			kinds = append(kinds, strings.Split(word, ",")...)
		}
	}
	return kinds
}

// TestEveryBlockIsCheckedOrSaysWhyNot: a page has no example that may rot unseen.
func TestEveryBlockIsCheckedOrSaysWhyNot(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```")
	run := read(t, "test/breakglass/page_test.go")
	for _, page := range written(t) {
		text := read(t, page)
		for _, at := range blocks.FindAllStringSubmatchIndex(text, -1) {
			language, content := text[at[2]:at[3]], text[at[4]:at[5]]
			if unchecked.MatchString(text[:at[0]]) {
				continue
			}
			first, _, _ := strings.Cut(strings.TrimSpace(content), "\n")
			switch language {
			case "console": // console.Commands
			case "yaml": // TestEveryFieldThatDocsNameExists, TestYAMLOfPagesIsOfKindsThatExist
			case "text": // a picture or a listing
			case "go":
				if page != filepath.Join("test", "cluster", "README.md") {
					t.Errorf("%s has Go that nothing compiles: %s", page, first)
				}
			case "sql":
				if !strings.Contains(run, filepath.Base(page)) || !regexp.MustCompile(`^-- [a-z-]+\.sql, `).MatchString(first) {
					t.Errorf("%s: no test runs this SQL; name it and have test/breakglass run it, or say why not: %s", page, first)
				}
			case "sh":
				if out, err := shellReads(t, content); err != nil {
					t.Errorf("%s: %s\n%s", page, first, out)
				}
			default:
				t.Errorf("%s: nothing checks a block of %q; say which language it is in: %s", page, language, first)
			}
		}
	}
}

func shellReads(t *testing.T, script string) (string, error) {
	cmd := exec.CommandContext(t.Context(), "sh", "-n")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// written are the pages that people write; those of commands and fields are generated.
func written(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(pages(t), func(page string) bool {
		return strings.HasPrefix(page, filepath.Join("docs", "commands")) || page == filepath.Join("docs", "reference.md") || page == "CHANGELOG.md"
	})
}
