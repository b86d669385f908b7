// Package gitea runs a real Gitea for tests, on a real PostgreSQL.
package gitea

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/gitover/gitover/test/pg"
)

// User of the server, who may do everything.
const User = "team"

// Server that runs until the test ends.
type Server struct {
	t *testing.T
	// URL of the web interface.
	URL string
	// Token of the user.
	Token  string
	config string
	binary string
}

// Start it. Without the program, which `make gitea` compiles, the test is skipped, or fails if GITOVER_GITEA is 1.
func Start(t *testing.T) *Server {
	t.Helper()
	cache := pg.Cache(t, "gitea")
	s := &Server{t: t, binary: filepath.Join(cache, "gitea")}
	if _, err := os.Stat(s.binary); err != nil {
		if os.Getenv("GITOVER_GITEA") == "1" {
			t.Fatal("no Gitea: run `make gitea` first")
		}
		t.Skip("no Gitea")
	}
	database := pg.Start(t, 17, nil)
	database.Exec("", "CREATE ROLE gitea LOGIN PASSWORD 'gitea'")
	database.Exec("", "CREATE DATABASE gitea OWNER gitea")
	port := pg.ReservePort(t)
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.configure(filepath.Join(cache, "src"), port, database)
	s.run("migrate")
	s.run("admin", "user", "create", "--admin", "--username", User, "--random-password", "--email", "team@example.org", "--must-change-password=false")
	s.Token = s.run("admin", "user", "generate-access-token", "--username", User, "--token-name", "tests", "--scopes", "all", "--raw")
	s.serve()
	return s
}

func (s *Server) configure(static string, port int, database *pg.Server) {
	s.t.Helper()
	work := s.t.TempDir()
	s.config = filepath.Join(work, "app.ini")
	text := fmt.Sprintf(`I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
RUN_USER = root
WORK_PATH = %s
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %d
ROOT_URL = %s/
STATIC_ROOT_PATH = %s
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = postgres
HOST = %s:%d
NAME = gitea
USER = gitea
PASSWD = gitea
SSL_MODE = disable
[security]
INSTALL_LOCK = true
SECRET_KEY = for-tests-only
INTERNAL_TOKEN = for-tests-only
[repository]
DEFAULT_BRANCH = main
[log]
LEVEL = Warn
[cron]
ENABLED = false
[actions]
ENABLED = false
`, work, port, s.URL, static, database.Host, database.Port)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) command(ctx context.Context, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, append(arguments, "--config", s.config)...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(s.config), "USER=root")
	cmd.Dir = filepath.Dir(s.config)
	return cmd
}

func (s *Server) run(arguments ...string) string {
	s.t.Helper()
	output, err := s.command(s.t.Context(), arguments...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("gitea %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lines[len(lines)-1]
}

func (s *Server) serve() {
	s.t.Helper()
	log, err := os.Create(filepath.Join(filepath.Dir(s.config), "gitea.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command(context.Background(), "web")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it was asked to end
		_ = log.Close()
	})
	tick, end := time.NewTicker(100*time.Millisecond), time.Now().Add(time.Minute)
	defer tick.Stop()
	for range tick.C {
		answer, err := http.Get(s.URL + "/api/healthz")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			s.t.Fatalf("Gitea doesn't answer: %v\n%s", err, text)
		}
	}
}

// Client of the user's.
func (s *Server) Client() *sdk.Client {
	s.t.Helper()
	client, err := sdk.NewClient(s.URL, sdk.SetToken(s.Token), sdk.SetGiteaVersion(""))
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// Repository with a first commit on main; it returns the URL to clone it from, with the user's token in it.
func (s *Server) Repository(name string) string {
	s.t.Helper()
	_, _, err := s.Client().CreateRepo(sdk.CreateRepoOption{Name: name, AutoInit: true, DefaultBranch: "main", Readme: "Default"})
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Replace(s.URL, "://", "://"+User+":"+s.Token+"@", 1) + "/" + User + "/" + name + ".git"
}

// Merge by the button, squashed, once Gitea has looked for conflicts.
func (s *Server) Merge(repository string, number int64) {
	s.t.Helper()
	tick, end := time.NewTicker(100*time.Millisecond), time.Now().Add(30*time.Second)
	defer tick.Stop()
	for range tick.C {
		merged, answer, err := s.Client().MergePullRequest(User, repository, number, sdk.MergePullRequestOption{Style: sdk.MergeStyleSquash})
		if err != nil {
			s.t.Fatal(err)
		}
		if merged {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("pull request %d isn't merged: %s", number, answer.Status)
		}
	}
}
