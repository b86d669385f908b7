package console

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Command is a program with its arguments, as a shell starts it.
type Command struct {
	// Page and Line where people read it.
	Page, Line string
	Program    string
	Args       []string
}

// Programs that stand-ins exist for. Those that aren't ours are checked for the shell's syntax only.
var Programs = []string{
	"gitover", "kubectl", "flux", "kind", "git", "make", "stage", "go", "docker", "podman", "buildah", "helm", "cosign", "promtool", "goreleaser", "psql", "pg_dump",
	"openssl", "date", "cat", "printf", "env", "sh", "cp", "mkdir", "sed", "curl", "tar", "jq", "grep", "apt-get", "sudo", "install", "ln", "ls", "rm",
}

var (
	block  = regexp.MustCompile("(?ms)^( *)```console\n(.*?)^ *```")
	prompt = regexp.MustCompile(`^[$#] (.*)$`)
	here   = regexp.MustCompile(`<<'?(\w+)'?`)
	input  = regexp.MustCompile(`<([\w./-]+)`)
	ours   = regexp.MustCompile(`(^|[\s;&|(])[\w./]*/(gitover|kubectl|stage)(\s|$)`)
)

// Commands of a page, each line of a console block that has a prompt in a shell of its own. It fails the test for a line that no
// shell takes, or that starts a program which isn't among Programs.
func Commands(t testing.TB, page, text string) (all []Command) {
	t.Helper()
	dir := standIns(t)
	for _, match := range block.FindAllStringSubmatch(text, -1) {
		for _, line := range lines(strings.Split(match[2], "\n"), match[1]) {
			started, err := start(t, dir, line)
			if err != nil {
				t.Errorf("%s: a shell doesn't take this line: %s\n%v", page, line, err)
			}
			for _, args := range started {
				all = append(all, Command{Page: page, Line: line, Program: args[0], Args: args[1:]})
				all = append(all, inner(page, line, args)...)
			}
		}
	}
	return all
}

// inner is what kubectl starts: a plugin, or a program in a container.
func inner(page, line string, args []string) []Command {
	if args[0] != "kubectl" {
		return nil
	}
	if len(args) > 1 && args[1] == "gitover" {
		return []Command{{Page: page, Line: line, Program: "gitover", Args: args[2:]}}
	}
	if i := slices.Index(args, "--"); i > 0 && i+1 < len(args) {
		return []Command{{Page: page, Line: line, Program: filepath.Base(args[i+1]), Args: args[i+2:]}}
	}
	return nil
}

// lines that people type: what follows a prompt, with the lines that continue it. The rest is output.
func lines(block []string, indent string) (typed []string) {
	for i := 0; i < len(block); i++ {
		match := prompt.FindStringSubmatch(strings.TrimPrefix(block[i], indent))
		if match == nil {
			continue
		}
		line, end := match[1], ""
		if m := here.FindStringSubmatch(line); m != nil {
			end = m[1]
		}
		for (strings.HasSuffix(line, "\\") || end != "") && i+1 < len(block) {
			i++
			next := strings.TrimPrefix(block[i], indent)
			line += "\n" + next
			if next == end {
				break
			}
		}
		typed = append(typed, line)
	}
	return typed
}

// standIns makes a directory of programs that write down how they were started.
func standIns(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\nprintf '%s\\002' \"${0##*/}\" \"$@\" >>\"$RECORD\"\nprintf '\\001' >>\"$RECORD\"\necho stand-in\n"
	for _, program := range Programs {
		content := script
		if program == "sudo" {
			content = "#!/bin/sh\nexec \"$@\"\n"
		}
		if err := os.WriteFile(filepath.Join(dir, program), []byte(content), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return dir
}

// start a line with stand-ins, in an empty directory.
func start(t testing.TB, dir, line string) ([][]string, error) {
	t.Helper()
	work := t.TempDir()
	for _, match := range input.FindAllStringSubmatch(line, -1) {
		if err := os.WriteFile(filepath.Join(work, filepath.Base(match[1])), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	record := filepath.Join(work, "record")
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "cd() { :; }\n"+ours.ReplaceAllString(line, "$1$2$3"))
	cmd.Dir, cmd.Env = work, []string{"PATH=" + dir, "RECORD=" + record, "HOME=" + work}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	failure := cmd.Run()
	if failure != nil {
		failure = &shellError{errs.String()}
	}
	text, err := os.ReadFile(record)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var started [][]string
	for one := range strings.SplitSeq(string(text), "\001") {
		if one != "" {
			started = append(started, strings.Split(strings.TrimSuffix(one, "\002"), "\002"))
		}
	}
	return started, failure
}

type shellError struct{ words string }

func (e *shellError) Error() string { return e.words }
