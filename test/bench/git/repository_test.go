package git

import (
	"bufio"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/test/githttp"
)

const (
	files     = 50_000
	commits   = 100_000
	databases = 200
)

// monorepo is a repository of many files and commits on a real Git server.
type monorepo struct {
	b             *testing.B
	url, bare     string
	since         string // tip before Gitover's first commit, as the status of an upgrade has it
	size          string
	repositoryDir string
}

func newMonorepo(b *testing.B) *monorepo {
	root := b.TempDir()
	m := &monorepo{b: b, bare: filepath.Join(root, "fleet.git"), size: fmt.Sprintf("%d files, %d commits", files, commits)}
	must(b, git("", "init", "-q", "--bare", "-b", "main", m.bare))
	m.fill()
	must(b, git(m.bare, "config", "http.receivepack", "true"))
	backend, err := githttp.Backend(root, "gitover")
	must(b, err)
	server := httptest.NewServer(backend)
	b.Cleanup(server.Close)
	m.url = server.URL + "/fleet.git"
	return m
}

// fill it with files of which each commit changes one, as teams do: most commits are of applications, a few of databases.
func (m *monorepo) fill() {
	command := exec.Command("git", "fast-import", "--quiet")
	command.Dir, command.Stderr = m.bare, os.Stderr
	pipe, err := command.StdinPipe()
	must(m.b, err)
	must(m.b, command.Start())
	w := bufio.NewWriterSize(pipe, 1<<20)
	begin := func(n int) {
		text := fmt.Sprintf("apps: change %d\n\nReviewed-by: Ada <ada@example.org>\n", n)
		fmt.Fprintf(w, "commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata %d\n%s", 1_600_000_000+n*60, len(text), text)
	}
	begin(0)
	for n := range files {
		modify(w, name(n), 0)
	}
	for n := range databases {
		fmt.Fprintf(w, "M 100644 inline databases/orders-%d/upgrade.yaml\n", n)
		data(w, upgrade(n))
	}
	for n := 1; n < commits; n++ {
		begin(n)
		modify(w, name(n*7919%files), n)
	}
	must(m.b, w.Flush())
	must(m.b, pipe.Close())
	must(m.b, command.Wait())
}

func name(n int) string {
	return fmt.Sprintf("apps/team-%d/app-%d/deployment-%d.yaml", n%50, n/50%100, n)
}

func modify(w *bufio.Writer, name string, version int) {
	fmt.Fprintf(w, "M 100644 inline %s\n", name)
	data(w, fmt.Sprintf("kind: Deployment\nmetadata:\n  name: %s\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n      - image: registry/app:%d\n", name, version))
}

func data(w *bufio.Writer, text string) { fmt.Fprintf(w, "data %d\n%s\n", len(text), text) }

func upgrade(n int) string {
	return fmt.Sprintf("apiVersion: gitover.dev/v1alpha1\nkind: PgUpgrade\nmetadata:\n  name: orders-%d\nspec:\n  version: \"15\"\n", n)
}

// git runs the git command.
func git(directory string, arguments ...string) error {
	command := exec.Command("git", arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("git %v: %w\n%s", arguments, err, output)
	}
	return nil
}

func (m *monorepo) open() *gitops.Repository {
	access, err := gitops.NewAccess(m.url, "main", nil)
	must(m.b, err)
	if m.repositoryDir == "" {
		m.repositoryDir = m.b.TempDir()
	}
	return gitops.Open(access, m.repositoryDir)
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
