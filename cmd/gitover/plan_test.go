package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/internal/plan"
	"github.com/gitover/gitover/internal/yamlfile"
	"github.com/gitover/gitover/test/pg"
)

// example files of the repository, by their paths below a directory of it.
func example(t *testing.T, directory string) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := filepath.Join(ownRoot, "examples", directory)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ownRoot is Gitover's own checkout, by what the working directory is before a test changes it.
var ownRoot = func() string {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return root
}()

// theExampleFleet in a checkout of a person's.
func theExampleFleet(t *testing.T) *fleet {
	t.Helper()
	f := aFleet(t)
	f.commit("The example", example(t, "fleet"))
	return f
}

// planned as programs read it.
func planned(t *testing.T, args ...string) plan.Plan {
	t.Helper()
	out, code, err := typed(t, append([]string{"plan", "-o", "json"}, args...)...)
	var p plan.Plan
	if code == exitUnchecked || json.Unmarshal([]byte(out), &p) != nil {
		t.Fatalf("plan %v: exit %d, %v:\n%s", args, code, err, out)
	}
	return p
}

// TestAPersonSeesWhatAnUpgradeWouldDoBeforeItIsMerged in a pipeline, where there is no cluster.
func TestAPersonSeesWhatAnUpgradeWouldDoBeforeItIsMerged(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	f := theExampleFleet(t)
	s.Exec("", "CREATE DATABASE shop")
	s.Exec("shop", "CREATE TABLE lines (id int PRIMARY KEY, text text); INSERT INTO lines SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g")
	from := fmt.Sprintf("postgres://postgres@%s/postgres", s.Address())
	t.Setenv("PGPASSWORD", pg.Password)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	head := f.git("rev-parse", "HEAD")

	args := []string{"-f", "apps/orders", "--from", from, "--to", "17"}
	out, code, err := typed(t, append([]string{"plan"}, args...)...)
	if code != 0 {
		t.Fatalf("exit %d, %v:\n%s", code, err, out)
	}
	for _, want := range []string{
		"orders: PostgreSQL 15 to 17, from orders-15 to orders-17", "none blocks", "50.0 MiB/s (assumed", "1 tables, 5.", "public.lines",
		"max_replication_slots", "WAL kept during the copy", "volume data requests 8.0 GiB", "200 ms", "at most 10s", "git revert of the cutover commit", "After the cutover, for 24h: git revert",
		`-  version: "15"`, `+  version: "17"`, "+- instances/17", "-  target: orders-15", "+  target: orders-17", "-- instances/15",
		"yours: your pull request", "image: gitover.local/postgres:17", "name: orders-17", "# gitover.dev/owner: <uid> <namespace>/orders",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan doesn't say %q:\n%s", want, out)
		}
	}

	p := planned(t, append(args, "--copy-rate", "1Mi")...)
	if p.Blocking != 0 || len(p.Databases) != 1 || p.Databases[0].TableBytes < 5_000_000 || p.Copy.Seconds != (p.Copy.Bytes+1<<20-1)/(1<<20) || !strings.Contains(p.Copy.RateFrom, "--copy-rate") {
		t.Errorf("%+v", p)
	}
	f.takes(p.Commits)
	if f.git("rev-parse", "HEAD") != head || f.git("status", "--porcelain") != "" {
		t.Error("a plan changed the checkout")
	}

	s.Exec("shop", "CREATE TABLE keyless (a int)")
	out, code, err = typed(t, append([]string{"plan", "-o", "markdown"}, args...)...)
	if code != exitBlocked || !strings.Contains(err.Error(), "1 of") || !strings.HasPrefix(out, "<!-- gitover plan orders -->\n") || !strings.Contains(out, "BLOCKED") ||
		!strings.Contains(out, "| block | `replica_identity` | shop |") || strings.Count(out, "<details>") != 6 || strings.Count(out, "</details>") != 6 {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}
	if offline := planned(t, "-f", "apps/orders/upgrade.yaml", "--to", "17", "--offline"); offline.Asked || offline.Copy != nil || len(offline.Commits) != 4 {
		t.Errorf("without a server: %+v", offline)
	}
	if out, code, err := typed(t, "plan", "-f", "apps/orders", "--from", from); code != 0 || !strings.Contains(out, "as Git asks; nothing would be committed") {
		t.Errorf("the version that is there: exit %d, %v:\n%s", code, err, out)
	}
}

var hunkHeading = regexp.MustCompile(`(?m)^(@@ .* @@).*$`)

// takes the diffs of a plan one by one, as git does, and finds that git sees the same changes.
func (f *fleet) takes(commits []plan.Commit) {
	f.Helper()
	var steps []string
	for _, c := range commits {
		steps = append(steps, c.Step)
		patch := filepath.Join(f.TempDir(), "patch")
		if err := os.WriteFile(patch, []byte(c.Diff), 0o600); err != nil {
			f.Fatal(err)
		}
		f.git("apply", "--index", patch)
		// git shows another line above as a hunk's heading
		if same := hunkHeading.ReplaceAllString(f.git("diff", "--cached", "--full-index"), "$1"); same != hunkHeading.ReplaceAllString(c.Diff, "$1") {
			f.Errorf("%s: git has\n%s, not\n%s", c.Step, same, c.Diff)
		}
		f.git("commit", "--quiet", "-m", c.Subject)
	}
	if got := strings.Join(steps, " "); got != " CommitGreen CommitCutover CommitFinalize" {
		f.Errorf("commits of %q", got)
	}
	f.git("reset", "--quiet", "--hard", fmt.Sprintf("HEAD~%d", len(commits)))
}

// TestAPlanAsksTheClusterWhichServerServes and learns there how long the last switches took.
func TestAPlanAsksTheClusterWhichServerServes(t *testing.T) {
	c, namespace := aNamespace(t)
	s := pg.Start(t, 15, pg.Logical)
	f := theExampleFleet(t)
	adopted := strings.Replace(example(t, "fleet")["apps/orders/upgrade.yaml"], `  version: "15"`,
		fmt.Sprintf("  version: \"15\"\n  adopt:\n    name: legacy\n    version: \"15\"\n    host: %s\n    port: %d", s.Host, s.Port), 1)
	f.commit("Adopt", map[string]string{"apps/orders/upgrade.yaml": adopted})
	upgrade, err := yamlfile.Upgrade([]byte(adopted), "")
	must(t, err)
	proxy, err := yamlfile.Proxy([]byte(example(t, "fleet")["apps/orders/proxy.yaml"]), "")
	must(t, err)
	upgrade.Namespace, proxy.Namespace, proxy.Spec.Target = namespace, namespace, "legacy"
	must(t, c.Create(t.Context(), upgrade))
	must(t, c.Create(t.Context(), proxy))
	proxy.Status.Active = "legacy"
	for _, held := range []int64{41_000, 57_000} {
		proxy.Status.Switches = append(proxy.Status.Switches, v1alpha1.SwitchRecord{ID: fmt.Sprint(held), From: "a", To: "b", Outcome: "Switched", FinishedAt: metav1.NowMicro(), HeldMicroseconds: held})
	}
	must(t, c.Status().Update(t.Context(), proxy))

	_, code, err := typed(t, "plan", "orders", "-n", namespace, "--to", "17")
	if code != exitUnchecked || !strings.Contains(err.Error(), "orders-superuser does not exist; create it") {
		t.Errorf("without a Secret: exit %d, %v", code, err)
	}
	must(t, c.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-superuser"},
		StringData: map[string]string{"username": "postgres", "password": pg.Password}}))
	twin := map[string]string{} // a database of the same name, for another namespace
	for name, content := range example(t, "fleet") {
		if file, below := strings.CutPrefix(name, "apps/orders/"); below {
			twin["apps/twin/"+file] = strings.ReplaceAll(content, "path: apps/orders\n", "path: apps/twin\n")
		}
	}
	f.commit("A twin", twin)
	p := planned(t, "orders", "-n", namespace, "--to", "17")
	if p.From != "legacy" || p.To != "orders-17" || p.Stall.Milliseconds != 57 || p.Stall.From != "the longest of the last 2 switches" || !p.Asked {
		t.Errorf("%+v", p)
	}
	if owner := fmt.Sprintf("+# gitover.dev/owner: %s %s/orders\n", upgrade.UID, namespace); !strings.Contains(p.Commits[1].Diff, owner) {
		t.Errorf("the new instance isn't owned by %s:\n%s", owner, p.Commits[1].Diff)
	}
	if !strings.Contains(strings.Join(p.Rollback, "\n"), "is yours to remove") {
		t.Error(p.Rollback)
	}
	for _, c := range []struct{ args, says string }{
		{"plan stock -n " + namespace + " --to 17", "not found"},
		{"plan orders -n default --to 17", "without a cluster"},
		{"plan orders -n " + namespace + " --to 12", "13 to 19"},
		{"plan orders -n " + namespace + " --to 17 -o yaml", "markdown"},
		{"plan --to 17", "name a PgUpgrade"},
		{"plan -f apps/orders", "--offline"},
		{"plan -f apps/orders --offline --copy-rate fast", "80Mi"},
		{"plan -f nowhere --offline", "no such file"},
		{"plan -f apps/orders/proxy.yaml --offline", "no file in"},
		{"plan -f apps/orders --offline --from postgres://x@y/z", "choose one"},
	} {
		if _, code, err := typed(t, strings.Fields(c.args)...); code != exitUnchecked || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: exit %d, %v; want a line that says %q", c.args, code, err, c.says)
		}
	}

	t.Setenv("PGPASSWORD", pg.Password)
	must(t, c.Get(t.Context(), client.ObjectKeyFromObject(proxy), proxy))
	proxy.Status.Active = "orders-15"
	must(t, c.Status().Update(t.Context(), proxy))
	if _, code, err := typed(t, "plan", "orders", "-n", namespace, "--to", "17"); code != exitUnchecked || !strings.Contains(err.Error(), "kubectl port-forward -n "+namespace+" service/orders-15 15432:5432") {
		t.Errorf("a server of the cluster, from outside: exit %d, %v", code, err)
	}
	if p := planned(t, "orders", "-n", namespace, "--to", "17", "--from", fmt.Sprintf("postgres://postgres@%s/postgres", s.Address())); p.From != "orders-15" {
		t.Errorf("by a forwarded port: %+v", p)
	}
}

// TestAPlanHidesWhatASecretHolds from everybody who may read a pull request.
func TestAPlanHidesWhatASecretHolds(t *testing.T) {
	f := theExampleFleet(t)
	var base map[string]any
	must(t, yaml.Unmarshal([]byte(example(t, "fleet")["apps/orders/base/kustomization.yaml"]), &base))
	base["secretGenerator"] = []any{map[string]any{"name": "token", "literals": []any{"key=hunter2"}}}
	text, err := yaml.Marshal(base)
	must(t, err)
	f.commit("A Secret", map[string]string{"apps/orders/base/kustomization.yaml": string(text)})
	out, code, err := typed(t, "plan", "-f", "apps/orders", "--to", "17", "--offline")
	if code != 0 || !strings.Contains(out, "kind: Secret") || !strings.Contains(out, "key: (hidden)") || strings.Contains(out, "aHVudGVyMg") {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}
	f.commit("A base that doesn't build", map[string]string{"apps/orders/base/kustomization.yaml": "resources: [nowhere.yaml]\n"})
	if _, code, err := typed(t, "plan", "-f", "apps/orders", "--to", "17", "--offline"); code != exitUnchecked || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("exit %d, %v", code, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAPlanTellsHowGitoverCommits where the team signs commits and merges pull requests.
func TestAPlanTellsHowGitoverCommits(t *testing.T) {
	f := theExampleFleet(t)
	const file, push = "apps/orders/upgrade.yaml", "    pushSecretRef:\n      name: fleet-push\n"
	f.commit("Sign and propose", map[string]string{file: strings.Replace(example(t, "fleet")[file], push, push+
		"    commit:\n      signingKey: {type: ssh, secretRef: {name: signing}}\n      messageTemplate: \"[{{.Values.ticket}}] {{.Subject}}\"\n      messageTemplateValues: {ticket: DB-17}\n"+
		"    push: {branch: \"gitover/{{.Upgrade}}/{{.Step}}\"}\n", 1)})
	p := planned(t, "-f", "apps/orders", "--to", "17", "--offline")
	notes := strings.Join(p.Notes, "\n")
	for _, says := range []string{"signs its commits with the ssh key of Secret signing, and makes none without", "proposes each of its commits on a branch (gitover/{{.Upgrade}}/{{.Step}})"} {
		if !strings.Contains(notes, says) {
			t.Errorf("no note says %q:\n%s", says, notes)
		}
	}
	if got := p.Commits[1].Subject; got != "[DB-17] orders: add PostgreSQL 17 beside 15" {
		t.Errorf("%q", got)
	}
}
