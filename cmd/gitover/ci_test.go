package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/test/pg"
)

// asProgram has this test program be gitover itself, so that a pipeline's shell can call it.
const asProgram = "GITOVER_TEST_AS_PROGRAM"

// pipeline is a checkout in which a pull request changes the version, as a runner has it, with a server that can be asked.
type pipeline struct {
	*fleet
	base        string
	environment []string
	tools       string
}

func aPipeline(t *testing.T, target string) (*pipeline, *pg.Server) {
	t.Helper()
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE shop")
	s.Exec("shop", "CREATE TABLE fine (id int PRIMARY KEY)")
	f := theExampleFleet(t)
	p := &pipeline{fleet: f, base: strings.TrimSpace(f.git("rev-parse", "HEAD")), tools: t.TempDir()}
	f.git("switch", "--quiet", "--create", "change")
	f.commit("Another version", map[string]string{"apps/orders/upgrade.yaml": strings.Replace(example(t, "fleet")["apps/orders/upgrade.yaml"], `"15"`, `"`+target+`"`, 1)})
	self, err := os.Executable()
	must(t, err)
	p.tool("gitover", fmt.Sprintf("%s=1 exec %q \"$@\"", asProgram, self))
	p.environment = []string{"PATH=" + p.tools + ":" + os.Getenv("PATH"), "HOME=" + p.tools, "PGPASSWORD=" + pg.Password,
		fmt.Sprintf("GITOVER_FROM=postgres://postgres@%s/postgres", s.Address())}
	return p, s
}

func (p *pipeline) tool(name, script string) {
	p.Helper()
	must(p.T, os.WriteFile(filepath.Join(p.tools, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

// shell runs a script in the checkout as a runner does, and gives its exit code.
func (p *pipeline) shell(script string, environment ...string) (int, string) {
	p.Helper()
	command := exec.CommandContext(p.Context(), "bash", "-e", "-o", "pipefail", "-c", script)
	command.Dir, command.Env = p.root, append(append([]string{}, p.environment...), environment...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if command.ProcessState == nil {
		p.Fatal(err)
	}
	return command.ProcessState.ExitCode(), out.String()
}

func workflow(t *testing.T, name string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(ownRoot, "examples", "ci", name))
	must(t, err)
	must(t, yaml.UnmarshalStrict(content, into))
}

// TestTheGitHubWorkflowCommentsWithThePlan of what a pull request changes. All steps run but those that fetch something.
func TestTheGitHubWorkflowCommentsWithThePlan(t *testing.T) {
	var w map[string]any
	workflow(t, "github-actions.yaml", &w)
	p, s := aPipeline(t, "17")
	p.tool("gh", `echo "$@" > "$RUNNER_TEMP/gh"`)
	temp := t.TempDir()
	environment := []string{"RUNNER_TEMP=" + temp, "GITHUB_STEP_SUMMARY=" + filepath.Join(temp, "summary"), "GITHUB_ENV=" + filepath.Join(temp, "env"), "BASE=" + p.base, "NUMBER=7"}
	run := func() (code int, comment string) {
		for _, step := range w["jobs"].(map[string]any)["plan"].(map[string]any)["steps"].([]any) {
			step := step.(map[string]any)
			script, ok := step["run"].(string)
			if !ok || strings.HasPrefix(script, "go install") {
				continue
			}
			set, _ := os.ReadFile(filepath.Join(temp, "env"))
			var out string
			if code, out = p.shell(script, append(environment, strings.Fields(string(set))...)...); code != 0 && step["name"] != "Result" {
				t.Fatalf("step %v: exit %d:\n%s", step["name"], code, out)
			}
		}
		said, err := os.ReadFile(filepath.Join(temp, "gh"))
		must(t, err)
		if !strings.Contains(string(said), "pr comment 7 --edit-last --create-if-none --body-file "+filepath.Join(temp, "plan.md")) {
			t.Errorf("gh %s", said)
		}
		content, err := os.ReadFile(filepath.Join(temp, "plan.md"))
		must(t, err)
		must(t, os.Remove(filepath.Join(temp, "env")))
		return code, string(content)
	}
	if code, comment := run(); code != 0 || !strings.Contains(comment, "### orders: PostgreSQL 15 to 17, from orders-15 to orders-17") || strings.Contains(comment, pg.Password) {
		t.Errorf("exit %d:\n%s", code, comment)
	}
	s.Exec("shop", "CREATE TABLE keyless (a int)")
	if code, comment := run(); code != exitBlocked || !strings.Contains(comment, "BLOCKED") {
		t.Errorf("with a finding: exit %d:\n%s", code, comment)
	}
	s.Stop()
	if code, comment := run(); code != exitUnchecked || !strings.Contains(comment, "**apps/orders/upgrade.yaml**: gitover: ") {
		t.Errorf("without the server: exit %d:\n%s", code, comment)
	}
}

// TestTheGitLabJobWritesANoteWithThePlan to a merge request, by GitLab's API.
func TestTheGitLabJobWritesANoteWithThePlan(t *testing.T) {
	var w map[string]map[string]any
	workflow(t, "gitlab-ci.yaml", &w)
	p, s := aPipeline(t, "18")
	var note, path string
	gitlab := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		path, note = r.URL.Path, r.FormValue("body")
		if r.Header.Get("PRIVATE-TOKEN") != "t0ken" {
			note = "refused"
		}
	}))
	t.Cleanup(gitlab.Close)
	var script strings.Builder
	for _, line := range w["plan"]["script"].([]any) {
		if !strings.HasPrefix(line.(string), "go install") {
			script.WriteString(line.(string) + "\n")
		}
	}
	environment := []string{"CI_PROJECT_DIR=" + p.root, "CI_MERGE_REQUEST_DIFF_BASE_SHA=" + p.base, "CI_API_V4_URL=" + gitlab.URL + "/api/v4", "CI_PROJECT_ID=3", "CI_MERGE_REQUEST_IID=9", "GITOVER_TOKEN=t0ken"}
	if code, out := p.shell(script.String(), environment...); code != 0 || path != "/api/v4/projects/3/merge_requests/9/notes" || !strings.Contains(note, "### orders: PostgreSQL 15 to 18") {
		t.Errorf("exit %d, %s: %s\n%s", code, path, note, out)
	}
	s.Exec("shop", "CREATE TABLE keyless (a int)")
	if code, out := p.shell(script.String(), environment...); code != exitBlocked || !strings.Contains(note, "BLOCKED") || strings.Contains(out, pg.Password) {
		t.Errorf("with a finding: exit %d: %s\n%s", code, note, out)
	}
	p.environment = append(p.environment, "GITOVER_FROM=")
	if code, out := p.shell(script.String(), environment...); code != 0 || !strings.Contains(note, "No server was asked") {
		t.Errorf("without a server: exit %d: %s\n%s", code, note, out)
	}
}
