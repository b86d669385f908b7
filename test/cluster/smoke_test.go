package cluster_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cluster "github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/pg"
)

// smoke is a namespace with an application that Flux applies from a repository
// of the test's own.
type smoke struct {
	*testing.T
	stage *cluster.Stage
	clone string
}

const (
	smokeRepository = "smoke"
	patience        = 2 * time.Minute
)

// TestWhatIsPushedRunsAndFaultsCanBeInjected, the latter with GITOVER_FULL=1 (make chaos).
func TestWhatIsPushedRunsAndFaultsCanBeInjected(t *testing.T) {
	if os.Getenv("GITOVER_E2E") != "1" {
		t.Skip("needs GITOVER_E2E=1 and the stage: `make cluster`")
	}
	s := newSmoke(t)
	for _, story := range []struct {
		name string
		tell func(smoke)
		// faults: what the stories that inject faults rely on is tried with them.
		faults bool
	}{
		{"Flux applies a push and both PostgreSQL versions get ready", smoke.pushIsApplied, false},
		{"SQL works through Services by their DNS names", smoke.sqlByName, false},
		{"a pod's network is cut both ways and healed", smoke.cutAndHeal, true},
		{"two pods are cut off from each other only", smoke.cutBetween, true},
		{"a paused server answers again when resumed", smoke.pauseAndResume, true},
		{"a killed server comes back on its volume", smoke.killed, true},
		{"a full volume refuses writes until there is room", smoke.fullVolume, true},
		{"the Git server fails, recovers and protects main", smoke.gitServer, true},
		{"Flux applies a revert", smoke.revertIsApplied, false},
	} {
		if story.faults && !pg.Full {
			continue
		}
		if !s.Run(story.name, func(t *testing.T) { story.tell(s.on(t)) }) {
			t.FailNow() // each story needs those before it
		}
	}
}

func (s smoke) on(t *testing.T) smoke { s.T = t; return s }

func newSmoke(t *testing.T) smoke {
	stage, err := cluster.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	s := smoke{T: t, stage: stage, clone: filepath.Join(t.TempDir(), "clone")}
	s.must(stage.Git.CreateRepository(t.Context(), smokeRepository))
	s.run("", "git", "clone", "--quiet", stage.Git.HostURLOf(smokeRepository), s.clone)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, kind := range []string{"kustomization.kustomize.toolkit.fluxcd.io/smoke", "namespace/smoke"} {
			if _, err := stage.Kube(ctx, "delete", "-n", "smoke", kind, "--ignore-not-found"); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

func (s smoke) pushIsApplied() {
	manifest, err := os.ReadFile("testdata/app.yaml")
	s.must(err)
	s.commit("Two databases", "app/app.yaml", string(manifest))
	flux, err := os.ReadFile("testdata/flux.yaml")
	s.must(err)
	values := strings.NewReplacer("${USERNAME}", s.stage.Git.Username, "${PASSWORD}", s.stage.Git.Password,
		"${URL}", strings.Replace(s.stage.Git.ClusterURL(), "fleet", smokeRepository, 1))
	s.must(s.stage.Apply(s.Context(), values.Replace(string(flux))))
	for _, name := range []string{"db-15", "db-17"} {
		s.eventually(name+" is ready", func() error {
			out, err := s.stage.Kube(s.Context(), "get", "statefulset", "-n", "smoke", name, "-o", "jsonpath={.status.readyReplicas}")
			if err == nil && out != "1" {
				err = fmt.Errorf("%q replicas are ready", out)
			}
			return err
		})
	}
}

func (s smoke) sqlByName() {
	s.eventually("15 by name from 17's pod", func() error {
		return s.expect("PostgreSQL 15", "db-17-0", "db-15.smoke.svc.cluster.local", "app", "SELECT version()")
	})
	s.eventually("17 by name from 15's pod", func() error {
		return s.expect("PostgreSQL 17", "db-15-0", "db-17", "orders", "SELECT version()")
	})
	for _, want := range []string{"orders", "by sh"} {
		s.must(s.expect(want, "db-15-0", "db-17", "orders", "SELECT string_agg(db, ',') FROM made_by_init"))
	}
	for _, pod := range []string{"db-15-0", "db-17-0"} {
		s.must(s.expect("UTF8 logical scram-sha-256", pod, "127.0.0.1", map[string]string{"db-15-0": "app", "db-17-0": "orders"}[pod],
			"SELECT current_setting('server_encoding')||' '||current_setting('wal_level')||' '||current_setting('password_encryption')"))
	}
}

func (s smoke) cutAndHeal() {
	reach := func(from, to, database string) error { return s.expect("1", from, to, database, "SELECT 1") }
	s.must(reach("db-15-0", "db-17", "orders"))
	heal, err := chaos.CutPod(s.Context(), s.stage, "smoke", "db-17-0")
	s.must(err)
	if reach("db-15-0", "db-17", "orders") == nil {
		s.Error("the cut pod was reached")
	}
	if reach("db-17-0", "db-15.smoke.svc.cluster.local", "app") == nil {
		s.Error("the cut pod reached another")
	}
	s.must(heal(s.Context()))
	s.must(heal(s.Context()))
	s.eventually("the healed pod is reached", func() error { return reach("db-15-0", "db-17", "orders") })
	s.eventually("the healed pod reaches another", func() error { return reach("db-17-0", "db-15", "app") })
}

func (s smoke) cutBetween() {
	heal, err := chaos.CutBetween(s.Context(), s.stage, "smoke", "db-15-0", "smoke", "db-17-0")
	s.must(err)
	if s.expect("1", "db-15-0", "db-17", "orders", "SELECT 1") == nil {
		s.Error("the pods reached each other")
	}
	// DNS is another pod, and still answers.
	out, err := s.stage.Kube(s.Context(), "exec", "-n", "smoke", "db-15-0", "--", "getent", "hosts", "db-17")
	s.must(err)
	if !strings.Contains(out, "db-17.smoke.svc.cluster.local") {
		s.Errorf("getent: %q", out)
	}
	s.must(heal(s.Context()))
	s.eventually("they reach each other again", func() error { return s.expect("1", "db-15-0", "db-17", "orders", "SELECT 1") })
}

func (s smoke) pauseAndResume() {
	resume, err := chaos.PauseContainer(s.Context(), s.stage, "smoke", "db-17-0", "postgres")
	s.must(err)
	if s.expect("1", "db-15-0", "db-17", "orders", "SELECT 1") == nil {
		s.Error("a paused server answered")
	}
	s.must(resume(s.Context()))
	s.eventually("the resumed server answers", func() error { return s.expect("1", "db-15-0", "db-17", "orders", "SELECT 1") })
}

func (s smoke) killed() {
	s.sql("db-15-0", "127.0.0.1", "app", "CREATE TABLE kept AS SELECT 42 AS answer")
	s.must(chaos.KillContainer(s.Context(), s.stage, "smoke", "db-15-0", "postgres"))
	s.eventually("it is back with its data", func() error {
		return s.expect("42", "db-17-0", "db-15", "app", "SELECT answer FROM kept")
	})
	out, err := s.stage.Kube(s.Context(), "get", "pod", "-n", "smoke", "db-15-0", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
	s.must(err)
	if out != "1" {
		s.Errorf("restarted %s times", out)
	}
}

func (s smoke) fullVolume() {
	const write = "INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 20000)"
	s.sql("db-17-0", "127.0.0.1", "orders", "CREATE TABLE big (t text)")
	if _, err := chaos.FillVolume(s.Context(), s.stage, "smoke", "data-db-15-0"); err == nil {
		s.Error("a volume without a limit was filled")
	}
	free, err := chaos.FillVolume(s.Context(), s.stage, "smoke", "data-db-17-0")
	s.must(err)
	if _, err := s.trySQL("db-15-0", "db-17", "orders", write); err == nil {
		s.Error("a write fitted onto a full volume")
	}
	s.must(free(s.Context()))
	s.eventually("writes succeed again", func() error {
		_, err := s.trySQL("db-15-0", "db-17", "orders", write)
		return err
	})
}

func (s smoke) gitServer() {
	url := s.stage.Git.HostURLOf(smokeRepository)
	heal, err := chaos.FaultGit(s.Context(), s.stage, "status 500")
	s.must(err)
	if err := s.lists(url); err == nil || !strings.Contains(err.Error(), "500") {
		s.Errorf("faulty server: %v", err)
	}
	s.must(heal(s.Context()))
	s.run("", "git", "ls-remote", url)
	start, err := chaos.StopGit(s.Context(), s.stage)
	s.must(err)
	if s.lists(url) == nil {
		s.Error("a stopped server answered")
	}
	s.must(start(s.Context()))
	s.eventually("the server is back", func() error { return s.lists(url) })

	s.must(s.stage.Git.Protect("no-direct-push"))
	s.write("app/note.txt", "one")
	s.run(s.clone, "git", "add", "-A")
	s.run(s.clone, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "A note")
	if exec.CommandContext(s.Context(), "git", "-C", s.clone, "push", "-q", "origin", "main").Run() == nil {
		s.Error("a protected main took a push")
	}
	s.must(s.stage.Git.Protect("no-force"))
	s.run(s.clone, "git", "push", "-q", "origin", "main")
	if exec.CommandContext(s.Context(), "git", "-C", s.clone, "push", "-qf", "origin", "HEAD~1:main").Run() == nil {
		s.Error("a protected main took a forced push")
	}
	s.must(s.stage.Git.Protect())
	s.slowAndForgetful(url)
	s.sshWorks()
}

// slowAndForgetful: the server answers late, or takes a push and doesn't say so.
func (s smoke) slowAndForgetful(url string) {
	heal, err := chaos.FaultGit(s.Context(), s.stage, "delay 2s")
	s.must(err)
	begun := time.Now()
	s.run("", "git", "ls-remote", url)
	if took := time.Since(begun); took < 2*time.Second {
		s.Errorf("a slow server answered after %v", took)
	}
	s.must(heal(s.Context()))
	heal, err = chaos.FaultGit(s.Context(), s.stage, "drop-answer")
	s.must(err)
	s.write("app/note.txt", "two")
	s.run(s.clone, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "Another note")
	if exec.CommandContext(s.Context(), "git", "-C", s.clone, "push", "-q", "origin", "main").Run() == nil {
		s.Error("the answer to the push came through")
	}
	head := strings.TrimSpace(s.run(s.clone, "git", "rev-parse", "HEAD"))
	if there := s.run("", "git", "ls-remote", url, "refs/heads/main"); !strings.HasPrefix(there, head) {
		s.Errorf("the push was not taken: %s instead of %s", there, head)
	}
	s.must(heal(s.Context()))
}

func (s smoke) sshWorks() {
	dir := s.TempDir()
	s.must(os.WriteFile(filepath.Join(dir, "key"), []byte(s.stage.Git.PrivateKey), 0o600))
	s.must(os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(s.stage.Git.KnownHosts()), 0o600))
	if _, err := exec.LookPath("ssh"); err != nil {
		s.Log("no ssh client on this machine; SSH isn't tried")
		return
	}
	cmd := exec.CommandContext(s.Context(), "git", "ls-remote", "ssh://git@"+s.stage.Git.Address+"/smoke.git")
	cmd.Env = append(os.Environ(), "GIT_SSH_COMMAND=ssh -i "+dir+"/key -o UserKnownHostsFile="+dir+"/known_hosts -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "refs/heads/main") {
		s.Errorf("SSH: %v %s", err, out)
	}
}

func (s smoke) revertIsApplied() {
	s.commit("A setting", "app/setting.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: setting}\ndata: {a: b}\n")
	exists := func() error {
		_, err := s.stage.Kube(s.Context(), "get", "configmap", "-n", "smoke", "setting")
		return err
	}
	s.eventually("the commit is applied", exists)
	s.run(s.clone, "git", "-c", "user.name=t", "-c", "user.email=t@t", "revert", "--no-edit", "HEAD")
	s.push()
	s.eventually("the revert is applied", func() error {
		if exists() == nil {
			return fmt.Errorf("the reverted object is still there")
		}
		return nil
	})
}
