package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/apiserver"
)

func TestEachFixtureIsWhatTheAPIServerAccepts(t *testing.T) {
	p := aPerson(t)
	paths, err := filepath.Glob("../../internal/screen/testdata/*.yaml")
	p.must(err)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		p.moment(name, name)
		p.has(p.sees("status", name), p.namespace+"/"+name, "Now ", "Safe ", "To do ")
	}
	out := p.sees("status")
	if lines := strings.Count(out, "\n"); lines != len(paths)+1 {
		t.Errorf("%d lines for %d upgrades:\n%s", lines, len(paths), out)
	}
}

func TestAPersonSeesHowAnUpgradeStands(t *testing.T) {
	p := aPerson(t)
	p.refused(exitUnseen, "no PgUpgrade in namespace", "status")
	p.moment("soak", "orders")
	out := p.sees("status")
	p.has(out, "Upgrade orders-15 → orders-17", "✓ yes: orders-17 serves", "rollback orders returns to", "✓ AwaitSwitch", "a41c7e0b CommitCutover      applied", "held 182 ms", "hold 53 fence 67", "✓ ready: orders-15 follows")
	for line := range strings.Lines(out) {
		if w := len([]rune(strings.TrimRight(line, "\n"))); w > 80 {
			t.Errorf("%d columns: %s", w, line)
		}
	}
	p.has(p.sees("status", "orders", "-o", "wide"), "unlogged_tables", "spec.copyInSwitch:", "[UnloggedTables]", "did not hold within 2s")
	var report struct {
		Name, Active, Step string
		Safe               struct{ Level string }
		Rollback           struct{ Ready bool }
		Commits            []struct{ Flux string }
	}
	p.must(json.Unmarshal([]byte(p.sees("status", "orders", "-o", "json")), &report))
	if report.Active != "orders-17" || report.Step != "Soak" || report.Safe.Level != "Yes" || !report.Rollback.Ready || len(report.Commits) != 2 || report.Commits[1].Flux != "applied" {
		t.Errorf("%+v", report)
	}
	p.moment("copy", "stock")
	p.has(p.sees("status"), "NAMESPACE", "SERVES", "stock", "orders", "40%")
	p.has(p.sees("status", "-A", "-o", "wide"), "GIT WANTS", p.namespace, "3f2a1b9c applied")
	var list struct{ Items []struct{ Name string } }
	p.must(yaml.Unmarshal([]byte(p.sees("status", "-o", "yaml")), &list))
	if len(list.Items) != 2 {
		t.Errorf("%+v", list)
	}
	t.Setenv("LANG", "C")
	if out := p.sees("status", "stock"); !strings.Contains(out, "########............  40%") || strings.ContainsFunc(out, func(r rune) bool { return r > 126 }) {
		t.Errorf("more than ASCII:\n%s", out)
	}
}

func TestAPersonWhoMistypesIsToldWhatThereIs(t *testing.T) {
	p := aPerson(t)
	p.moment("soak", "orders")
	for _, command := range []string{"status", "tree", "history", "events", "logs"} {
		p.refused(exitUnseen, "do you mean orders?", command, "ordres")
		p.refused(exitUnseen, `namespace "nowhere" doesn't exist`, command, "orders", "-n", "nowhere")
	}
	p.refused(exitUnseen, "there are orders", "status", "something-else")
	p.refused(exitUnseen, "it has test", "status", "--context", "prod")
	p.refused(exitUnseen, "choose json, yaml or wide", "status", "-o", "xml")
	p.refused(exitUnseen, "soaking or finished", "status", "--until", "done")
	p.refused(exitUnseen, "go with --until", "status", "--to", "17")
	p.refused(exitUnseen, "or show all by -A", "status", "orders", "-A")
	p.refused(exitUnseen, "choose json or yaml", "tree", "-o", "wide")
	p.refused(exitUnseen, "choose controller, agents or jobs", "logs", "--from", "others")
	other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "empty-"}}
	p.must(p.Create(t.Context(), other))
	p.moment("copy", "only-here")
	p.refused(exitUnseen, "there is one in "+p.namespace, "status", "only-here", "-n", other.Name)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	p.refused(exitUnseen, "set KUBECONFIG", "status")
}

func TestAClusterWithoutGitoverSaysSo(t *testing.T) {
	p := aPerson(t)
	p.kubeconfig(apiserver.Bare(t))
	p.refused(exitUnseen, "Gitover isn't installed", "status")
	gone := rest.CopyConfig(api)
	gone.Host = "https://127.0.0.1:1"
	p.kubeconfig(gone)
	p.refused(exitUnseen, "doesn't answer", "status")
}

func TestAPersonWithFewRightsSeesWhatTheyAllow(t *testing.T) {
	p := aPerson(t)
	p.moment("soak", "orders")
	p.restricted()
	p.refused(exitUnseen, "ask for the role view in namespace "+p.namespace, "status")
	p.refused(exitUnseen, "cannot get resource", "status", "orders")
	p.restricted(rbacv1.PolicyRule{APIGroups: []string{"gitover.dev"}, Resources: []string{"pgupgrades", "pgproxies"}, Verbs: []string{"get", "list"}})
	p.has(p.sees("status", "orders"), "orders-17 serves", "you may not read GitRepository", "Kustomization "+p.namespace)
	p.has(p.sees("history"), "orders-15", "Switched")
	p.has(p.sees("tree"), "PgProxy orders", "cannot list resource \"pods\"")
	p.refused(exitUnseen, "all namespaces", "status", "-A")
	p.refused(exitUnseen, "cannot watch resource", "status", "-w")
	p.refused(exitUnseen, "cannot list resource \"events\"", "events")
	p.refused(exitUnseen, "cannot list resource \"pods\"", "logs")
	p.kubeconfig(&rest.Config{Host: api.Host, BearerToken: "wrong", TLSClientConfig: rest.TLSClientConfig{CAData: api.CAData}})
	p.refused(exitUnseen, "log in again", "status")
}

func says(status metav1.ConditionStatus, reason, message string) func(*v1alpha1.PgUpgrade) {
	return func(u *v1alpha1.PgUpgrade) {
		for i := range u.Status.Conditions {
			if c := &u.Status.Conditions[i]; c.Type == v1alpha1.ReadyCondition {
				c.Status, c.Reason, c.Message = status, reason, message
			}
		}
	}
}

func TestAPersonWhoWatchesSeesEachChange(t *testing.T) {
	p := aPerson(t)
	p.moment("copy", "orders")
	b := p.begins("status", "orders", "-w")
	p.await(b, "CopyData: 312.4 MiB")
	p.changes("orders", says(metav1.ConditionFalse, "CopyData", "500.0 MiB of 773.1 MiB"))
	p.await(b, "CopyData: 500.0 MiB")
	before := strings.Count(b.String(), "\n")
	p.changes("orders", func(u *v1alpha1.PgUpgrade) { u.Status.HandledRetry = "nothing that is shown" })
	p.changes("orders", says(metav1.ConditionFalse, "BuildIndexes", "one more"))
	p.await(b, "one more")
	if after := strings.Count(b.String(), "\n"); after != before+1 {
		t.Errorf("%d lines for a change:\n%s", after-before, b)
	}
	p.must(p.DeleteAllOf(t.Context(), &v1alpha1.PgUpgrade{}, client.InNamespace(p.namespace)))
	if code, err := p.ended(b); code != exitUnseen || !strings.Contains(err.Error(), "no PgUpgrade") {
		t.Errorf("once it is gone: exit %d, %v", code, err)
	}
}

func TestAPersonWhoWatchesIsToldOfALostConnectionAndThenOfWhatWasMissed(t *testing.T) {
	p := aPerson(t)
	p.moment("copy", "orders")
	wire := p.wire()
	b := p.begins("status", "orders", "-w")
	p.await(b, "CopyData: 312.4 MiB")
	wire.cut()
	p.await(b, "no answer since")
	p.changes("orders", says(metav1.ConditionFalse, "BuildIndexes", "behind the cut"))
	if strings.Contains(b.String(), "behind the cut") {
		t.Error("the connection isn't lost")
	}
	wire.join()
	p.await(b, "behind the cut")
	p.changes("orders", says(metav1.ConditionFalse, "Analyze", "after that"))
	p.await(b, "after that")
}

func TestAPipelineWaitsUntilTheNewVersionServes(t *testing.T) {
	p := aPerson(t)
	p.moment("copy", "orders")
	b := p.begins("status", "orders", "--until", "soaking", "--to", "17")
	p.await(b, "CopyData")
	p.refused(exitNotReached, "is not finished within 10ms", "status", "orders", "--until", "finished", "--timeout", "10ms")
	proxy := &v1alpha1.PgProxy{}
	p.must(p.Get(t.Context(), client.ObjectKey{Namespace: p.namespace, Name: "orders"}, proxy))
	proxy.Status.Active = "orders-17"
	p.must(p.Status().Update(t.Context(), proxy))
	p.changes("orders", func(u *v1alpha1.PgUpgrade) {
		u.Status.Step = "Soak"
		says(metav1.ConditionTrue, "SoakInProgress", "orders-17 serves")(u)
	})
	if code, err := p.ended(b); code != 0 || err != nil {
		t.Errorf("exit %d, %v\n%s", code, err, b)
	}
	p.sees("status", "orders", "--until", "soaking")
	p.moment("slot-lost", "stock")
	p.refused(exitNotReached, "it is blocked: SlotLost", "status", "stock", "--until", "finished")
	p.moment("rolled-back", "billing")
	p.refused(exitNotReached, "it was taken back", "status", "billing", "--until", "soaking")
}
