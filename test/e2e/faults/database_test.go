package faults

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/e2eutil"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// database that faults are injected into, with its clients and a controller of its own.
type database struct {
	t       *testing.T
	app     *testenv.App
	traffic *testenv.Traffic
	// active is the instance that serves, as far as Git was told.
	active, standby string
	// witnessed: the servers' own WAL is compared with the switches.
	witnessed bool
	// asked is the commit that asked for the last switch.
	asked string
}

// begin founds a database on PostgreSQL 15 that serves.
func begin(t *testing.T, options testenv.AppOptions) *database {
	t.Helper()
	w, err := enter(t.Logf)
	d := &database{t: t, active: "orders-15", standby: "orders-17", witnessed: options.KeepWAL}
	d.must(err)
	change := options.Change
	options.Clone, options.Controller = t.TempDir(), options.Namespace
	options.Change = func(file, content string) string {
		content = strings.Replace(content, "approval: Automatic", "approval: Manual", 1)
		if change != nil {
			content = change(file, content)
		}
		return content
	}
	d.app, err = w.CreateApp(t.Context(), options)
	d.must(err)
	e2eutil.Leave(t, d.app.Abandon)
	d.must(w.InstallIn(t.Context(), options.Namespace))
	d.must(d.app.AwaitStatefulSet(t.Context(), d.active, 5*time.Minute))
	d.must(d.app.FoundDatabases(t.Context(), d.active))
	d.must(d.app.SeedAwkward(t.Context(), d.active))
	d.must(d.app.AwaitEndpoint(t.Context(), 5*time.Minute))
	d.must(d.app.AwaitActive(t.Context(), time.Minute, d.active))
	d.traffic, err = d.app.StartTraffic(t.Context(), ledger.Config{Clients: 4, Rate: 30})
	d.must(err)
	if d.witnessed {
		d.traffic.Watch()
	}
	t.Cleanup(func() { _ = d.traffic.Stop() }) // prove reports
	return d
}

func (d *database) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// merge a pull request that asks for PostgreSQL 17.
func (d *database) merge() string {
	d.t.Helper()
	sha, err := d.app.Merge(d.t.Context(), "postgres-17", "Upgrade orders to PostgreSQL 17",
		fleet.Replace(d.app.Dir+"/upgrade.yaml", "\n  version: \"15\"", "\n  version: \"17\""))
	d.must(err)
	return sha
}

func (d *database) awaitStep(step string) {
	d.t.Helper()
	d.must(d.app.AwaitUpgrade(d.t.Context(), patience, "step "+step, testenv.At(step)))
}

// patience with one stretch of a story.
const patience = 6 * time.Minute

// approve the cutover by a commit, and await the soak.
func (d *database) cutOver() {
	d.t.Helper()
	d.awaitStep("Approve")
	_, err := d.app.Commit(d.t.Context(), "Approve 17", approval(d))
	d.must(err)
	d.switched()
}

func approval(d *database) fleet.Edit {
	return fleet.Replace(d.app.Dir+"/upgrade.yaml", "    approval: Manual\n", "    approval: Manual\n    approvedVersion: \"17\"\n")
}

// ask for a switch by reverting the commit that asked for the last one.
func (d *database) ask() {
	d.t.Helper()
	if d.asked == "" {
		d.asked = d.commitOf("CommitCutover").SHA
	}
	sha, err := d.app.Revert(d.t.Context(), d.asked)
	d.must(err)
	d.asked = sha
}

// switched waits until the standby serves and the other follows.
func (d *database) switched() {
	d.t.Helper()
	d.active, d.standby = d.standby, d.active
	d.must(d.app.AwaitActive(d.t.Context(), patience, d.active))
	d.flows()
}

// flows: the active instance serves through all poolers, and the rollback path is open.
func (d *database) flows() {
	d.t.Helper()
	d.must(d.app.AwaitEndpoint(d.t.Context(), 2*time.Minute))
	// a follower whose peer fell silent notices after wal_receiver_timeout, one minute
	d.must(d.app.AwaitProxy(d.t.Context(), 5*time.Minute, "all is well again", func(p *v1alpha1.PgProxy) bool {
		return p.Status.Active == d.active && testenv.IsTrue(p.Status.Conditions, v1alpha1.ReadyCondition) &&
			testenv.IsTrue(p.Status.Conditions, v1alpha1.RollbackReadyCondition)
	}))
}

// commits that Gitover made for this very PgUpgrade, newest first.
func (d *database) commits() []fleet.Commit {
	d.t.Helper()
	upgrade, err := d.app.Upgrade(d.t.Context())
	d.must(err)
	log, err := d.app.Repository.Log(d.t.Context(), d.app.Dir)
	d.must(err)
	var own []fleet.Commit
	for _, c := range log {
		if c.Trailers["Gitover-Upgrade"] == string(upgrade.UID) {
			own = append(own, c)
		}
	}
	return own
}

func (d *database) commitOf(step string) fleet.Commit {
	d.t.Helper()
	for _, c := range d.commits() {
		if c.Trailers["Gitover-Step"] == step {
			return c
		}
	}
	d.t.Fatalf("no commit of step %s", step)
	return fleet.Commit{}
}

// pod with this value of app.kubernetes.io/name, the first that isn't going.
func (d *database) pod(name string) string {
	d.t.Helper()
	var pods corev1.PodList
	d.must(d.app.Client.List(d.t.Context(), &pods, client.InNamespace(d.app.Namespace), client.MatchingLabels{"app.kubernetes.io/name": name}))
	for _, p := range pods.Items {
		if p.DeletionTimestamp == nil && p.Status.PodIP != "" {
			return p.Name
		}
	}
	d.t.Fatalf("no pod of %s", name)
	return ""
}

func (d *database) controller() string { return d.pod("gitover") }
func (d *database) pooler() string     { return d.pod("orders-pooler") }

// recorded is how many switches a PgProxy's status keeps.
const recorded = 16

// prove that nothing was lost, doubled or left behind, and no commit made twice.
func (d *database) prove() {
	d.t.Helper()
	ctx := d.t.Context()
	p, err := d.app.Proxy(ctx)
	d.must(err)
	switches := 0
	for _, record := range p.Status.Switches {
		if record.Outcome == "Switched" {
			switches++
		}
		held := time.Duration(record.HeldMicroseconds) * time.Microsecond
		worst.note(fmt.Sprintf("%s: %s → %s %s", d.app.Namespace, record.From, record.To, record.Outcome), held)
		if held > holdLimit {
			d.t.Errorf("%s → %s held clients for %v, longer than the limit of %v", record.From, record.To, held, holdLimit)
		}
		d.t.Logf("%s → %s %s, held %v %s", record.From, record.To, record.Outcome, held, record.Reason)
	}
	if len(p.Status.Switches) >= recorded {
		switches = -1 // the status has forgotten the first ones
	}
	seen := map[string]string{}
	for _, c := range d.commits() {
		key := fmt.Sprint(c.Trailers["Gitover-Run"], c.Trailers["Gitover-Step"], c.Trailers["Gitover-Attempt"])
		if other := cmp.Or(seen[key], c.SHA); other != c.SHA {
			d.t.Errorf("step %s was committed twice: %s and %s", c.Trailers["Gitover-Step"], other, c.SHA)
		}
		seen[key] = c.SHA
	}
	check := d.traffic.Check
	if d.witnessed {
		check = d.traffic.Prove
	}
	report, err := check(ctx, d.active, switches)
	d.must(err)
	if d.witnessed && len(report.Turns) == 0 {
		d.t.Error("the servers' own records tell of no write")
	}
	if !report.OK() || report.Acknowledged == 0 {
		d.t.Errorf("the ledger does not balance: %+v", report)
	}
	transactions, failed, cut := d.traffic.Count()
	d.t.Logf("%d switches, %d transactions, %d failed, %d sessions cut; ledger: %d acknowledged, %d found, %d missing, %d doubled",
		switches, transactions, failed, cut, report.Acknowledged, report.Found, report.Missing, report.Doubled)
}
