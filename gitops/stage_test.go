package gitops

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitover/gitover/test/githttp"
)

const (
	userName = "gitover"
	password = "s3cret-token"
)

// stage is a real Git server (git http-backend) with one repository, fleet.git,
// that requires a password.
type stage struct {
	*httptest.Server
	t    *testing.T
	root string
	// intercept may answer, delay or cut a request; nil lets all through.
	intercept atomic.Pointer[func(http.ResponseWriter, *http.Request, http.Handler)]
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := newEmptyStage(t)
	h := s.human()
	for name, text := range base {
		h.write(name, text)
	}
	h.write("README.md", "the fleet\n")
	h.commit("Start the fleet")
	h.push()
	return s
}

func newEmptyStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, root: t.TempDir()}
	backend, err := githttp.Backend(s.root, userName)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pass, ok := r.BasicAuth(); !ok || user != userName || pass != password {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if intercept := s.intercept.Load(); intercept != nil {
			(*intercept)(w, r, backend)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	run(t, "", "git", "init", "-q", "--bare", "-b", "main", filepath.Join(s.root, "fleet.git"))
	return s
}

func (s *stage) on(intercept func(http.ResponseWriter, *http.Request, http.Handler)) {
	if intercept == nil {
		s.intercept.Store(nil)
		return
	}
	s.intercept.Store(&intercept)
}

func (s *stage) access(branch string) Access {
	s.t.Helper()
	access, err := NewAccess(s.URL+"/fleet.git", branch, &Secret{Namespace: "flux", Name: "git", Data: map[string][]byte{"username": []byte(userName), "password": []byte(password)}})
	if err != nil {
		s.t.Fatal(err)
	}
	return access
}

// open gives a Repository with a clone of its own that doesn't pause between attempts.
func (s *stage) open(options ...Option) *Repository {
	options = append([]Option{WithWait(func(ctx context.Context, _ time.Duration) error { return ctx.Err() })}, options...)
	return Open(s.access("main"), s.t.TempDir(), options...)
}

func (s *stage) log() string {
	return run(s.t, filepath.Join(s.root, "fleet.git"), "git", "log", "--format=%s", "main")
}

func (s *stage) show(file string) string {
	return run(s.t, filepath.Join(s.root, "fleet.git"), "git", "show", "main:"+file)
}

// hook installs a server-side hook.
func (s *stage) hook(name, script string) {
	if err := os.WriteFile(filepath.Join(s.root, "fleet.git", "hooks", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// human is somebody with a work tree and the git command.
type human struct {
	t         *testing.T
	directory string
}

func (s *stage) human() human {
	h := human{s.t, s.t.TempDir()}
	run(s.t, "", "git", "clone", "-q", filepath.Join(s.root, "fleet.git"), h.directory)
	h.git("config", "user.name", "Ada")
	h.git("config", "user.email", "ada@example.org")
	return h
}

func (h human) git(arguments ...string) string {
	h.t.Helper()
	return run(h.t, h.directory, "git", arguments...)
}

func (h human) write(name, text string) {
	h.t.Helper()
	file := filepath.Join(h.directory, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h human) commit(message string) string {
	h.t.Helper()
	h.git("add", "-A")
	h.git("commit", "-q", "--allow-empty", "-m", message)
	return strings.TrimSpace(h.git("rev-parse", "HEAD"))
}

func (h human) pull() { h.t.Helper(); h.git("pull", "-q", "--no-rebase", "origin", "main") }
func (h human) push() { h.t.Helper(); h.git("push", "-q", "origin", "HEAD:main") }

func run(t *testing.T, directory, name string, arguments ...string) string {
	t.Helper()
	command := exec.Command(name, arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

var gitover = Person{Name: "Gitover", Email: "gitover@example.org"}

// request is a commit of ours with trailers that make it unique.
func request(step string, edit Edit) CommitRequest {
	unique := map[string]string{"Gitover-Upgrade": "default/orders/1", "Gitover-Step": step}
	return CommitRequest{
		Directory: "./apps/orders/", Message: fmt.Sprintf("orders: %s\n\nWhat people want to know.", step), Author: gitover, Edit: edit,
		Trailers: []Trailer{{"Gitover-Upgrade", "default/orders/1"}, {"Gitover-Step", step}}, Unique: unique,
	}
}
