package matrix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/e2eutil"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// database of one story, with its clients, its controllers and their referee.
type database struct {
	t       *testing.T
	app     *testenv.App
	referee *referee
	traffic *testenv.Traffic
}

// adapt makes the example's database one of the matrix: nobody but its controller removes
// volumes.
func adapt(change *strings.Replacer) func(file, content string) string {
	return func(_, content string) string {
		content = strings.Replace(content, "whenDeleted: Delete", "whenDeleted: Retain", 1)
		return change.Replace(content)
	}
}

// noteSQL of a hook: it counts how often it ran.
const noteSQL = "CREATE TABLE IF NOT EXISTS hooked (moment text, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (moment, at));\nINSERT INTO hooked VALUES (:'moment');\n"

// begin founds a database on PostgreSQL 15 that serves, with clients, and two replicas of a
// controller.
func begin(t *testing.T, namespace string, change *strings.Replacer) *database {
	t.Helper()
	w, err := enter(t.Logf)
	d := &database{t: t}
	d.must(err)
	config, err := clientcmd.BuildConfigFromFlags("", w.Kubeconfig)
	d.must(err)
	api, err := url.Parse(config.Host)
	d.must(err)
	host, _, err := net.SplitHostPort(api.Host)
	d.must(err)
	unheard := *w
	unheard.Log = func(string, ...any) {} // a cell has one line
	controllers := &replicas{Environment: &unheard, namespace: namespace}
	d.referee = newReferee(t, host, controllers)
	d.must(controllers.remove(t.Context())) // of an earlier test that was killed
	d.app, err = w.CreateApp(t.Context(), testenv.AppOptions{Namespace: namespace, Clone: t.TempDir(), Controller: namespace, KeepWAL: true, Change: adapt(change),
		Files: map[string]string{"hooks/note.sql": noteSQL}})
	d.must(err)
	e2eutil.Leave(t, controllers.remove, d.app.Abandon)
	d.must(controllers.install(t.Context(), d.referee.url))
	d.must(d.app.AwaitStatefulSet(t.Context(), "orders-15", 5*time.Minute))
	d.must(d.app.FoundDatabases(t.Context(), "orders-15"))
	d.must(d.app.SeedAwkward(t.Context(), "orders-15"))
	d.must(d.app.AwaitEndpoint(t.Context(), 5*time.Minute))
	d.must(d.app.AwaitActive(t.Context(), time.Minute, "orders-15"))
	d.traffic, err = d.app.StartTraffic(t.Context(), ledger.Config{Clients: 4, Rate: 20})
	d.must(err)
	d.traffic.Watch()
	t.Cleanup(func() { _ = d.traffic.Stop() }) // prove reports
	t.Cleanup(d.printCells)
	return d
}

func (d *database) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// merge a pull request that asks for PostgreSQL 17.
func (d *database) merge(branch string) string {
	d.t.Helper()
	sha, err := d.app.Merge(d.t.Context(), branch, "Upgrade orders to PostgreSQL 17",
		fleet.Replace(d.app.Dir+"/upgrade.yaml", "\n  version: \"15\"", "\n  version: \"17\""))
	d.must(err)
	return sha
}

// revert a commit, and return the one that reverts it.
func (d *database) revert(sha string) string {
	d.t.Helper()
	head, err := d.app.Revert(d.t.Context(), sha)
	d.must(err)
	return head
}

func (d *database) await(what string, done func(*v1alpha1.PgUpgrade) bool) {
	d.t.Helper()
	d.patiently(func(patience time.Duration) error { return d.app.AwaitUpgrade(d.t.Context(), patience, what, done) })
}

// patiently waits for as long as controllers die, and then for what the last of them left.
func (d *database) patiently(wait func(patience time.Duration) error) {
	d.t.Helper()
	const patience = 9 * time.Minute
	for {
		died := len(d.referee.died())
		if err := wait(patience); err == nil || len(d.referee.died()) == died {
			d.must(err)
			return
		}
	}
}

func ended(outcome string, times int) func(*v1alpha1.PgUpgrade) bool {
	return func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "" && len(u.Status.History) == times && u.Status.History[0].Outcome == outcome
	}
}

// serves waits until an instance does, and a rollback path is open.
func (d *database) serves(instance string) {
	d.t.Helper()
	d.patiently(func(patience time.Duration) error { return d.app.AwaitActive(d.t.Context(), patience, instance) })
	d.must(d.app.AwaitRollbackPath(d.t.Context(), 2*time.Minute))
}

// commitOf is the newest commit of a step of this upgrade.
func (d *database) commitOf(step string) string {
	d.t.Helper()
	for _, c := range d.ownCommits() {
		if c.Trailers["Gitover-Step"] == step {
			return c.SHA
		}
	}
	d.t.Fatalf("no commit of step %s", step)
	return ""
}

// ownCommits are Gitover's for this very PgUpgrade, newest first: a database of the same
// name that was here before has others.
func (d *database) ownCommits() []fleet.Commit {
	d.t.Helper()
	upgrade, err := d.app.Upgrade(d.t.Context())
	d.must(err)
	log, err := d.app.Repository.Log(d.t.Context(), d.app.Dir)
	d.must(err)
	return slices.DeleteFunc(log, func(c fleet.Commit) bool { return c.Trailers["Gitover-Upgrade"] != string(upgrade.UID) })
}

// prove that it is as if no controller had ever died: the instance serves alone, its data
// are the clients' ledger, and nothing is left over or there twice.
func (d *database) prove(instance string) {
	d.t.Helper()
	ctx := d.t.Context()
	for _, fault := range d.referee.burials() {
		d.t.Error(fault)
	}
	if left := d.referee.left(); len(left) > 0 {
		d.t.Errorf("%d cells were not reached: %s", len(left), strings.Join(left, ", "))
	}
	d.must(d.app.AwaitEndpoint(ctx, time.Minute))
	d.must(d.app.AwaitProxy(ctx, time.Minute, "all poolers in step", func(p *v1alpha1.PgProxy) bool {
		return p.Status.Active == instance && p.Status.Switch == nil && p.Status.Poolers != nil && p.Status.Poolers.Ready == p.Status.Poolers.Total
	}))
	d.noCommitTwice()
	left, err := d.app.Leftovers(ctx, instance)
	d.must(err)
	poolers, err := d.app.WrongPoolers(ctx, strings.TrimPrefix(instance, "orders-"))
	d.must(err)
	undecided, err := d.app.Strings(ctx, instance, "gitover", "SELECT 'undecided switch ' || id FROM gitover.switches WHERE state = 'open'")
	d.must(err)
	locks, err := d.app.Strings(ctx, instance, "postgres", `SELECT DISTINCT format('lock of session %s (%s), %s', a.pid, a.state, l.mode)
		FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE a.application_name LIKE 'gitover%' AND a.backend_type = 'client backend' AND a.state LIKE 'idle in transaction%'`)
	d.must(err)
	for _, l := range slices.Concat(left, poolers, undecided, locks) {
		d.t.Errorf("left on %s: %s", instance, l)
	}
	report, err := d.traffic.Prove(ctx, instance, -1)
	d.must(err)
	if !report.OK() || report.Acknowledged == 0 || len(report.Turns) == 0 {
		d.t.Errorf("the ledger does not balance: %+v", report)
	}
	transactions, failed, cut := d.traffic.Count()
	d.t.Logf("%d transactions, %d failed, %d sessions cut; ledger: %d acknowledged, %d found, %d missing, %d doubled; %d turns of the servers by their own WAL. %s",
		transactions, failed, cut, report.Acknowledged, report.Found, report.Missing, report.Doubled, len(report.Turns), strings.Join(d.traffic.Errors(5), "; "))
}

// tableOnBothSides is made by people while an upgrade runs, and filled on the side that serves.
func (d *database) tableOnBothSides(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		table := "CREATE TABLE " + name + " (id int PRIMARY KEY)"
		return errors.Join(
			d.app.Run(ctx, "orders-17", testenv.Databases[0], "SET default_transaction_read_only = off", table),
			d.app.Run(ctx, "orders-15", testenv.Databases[0], table, "INSERT INTO "+name+" SELECT generate_series(1, 100)"))
	}
}

// noCommitTwice: each step's effect is in Git once, however often it was begun.
func (d *database) noCommitTwice() {
	d.t.Helper()
	seen := map[string]string{}
	for _, c := range d.ownCommits() {
		key := fmt.Sprint(c.Trailers["Gitover-Run"], c.Trailers["Gitover-Step"], c.Trailers["Gitover-Attempt"])
		if other, twice := seen[key]; twice {
			d.t.Errorf("step %s was committed twice: %s and %s", c.Trailers["Gitover-Step"], other, c.SHA)
		}
		seen[key] = c.SHA
	}
}

// holdLimit is what the example promises.
const holdLimit = 10 * time.Second

// printCells, a line for each that was reached. What clients felt of it is the longest transaction that was
// under way when the controller died, or began a moment later.
func (d *database) printCells() {
	spans := ledger.Spans(d.traffic.History())
	for _, x := range d.referee.died() {
		var worst time.Duration
		for _, s := range spans {
			if s.Start.Before(x.at.Add(200*time.Millisecond)) && s.End.After(x.at) {
				worst = max(worst, s.Latency())
			}
		}
		result := "ok"
		if worst > holdLimit {
			result = "HELD TOO LONG"
			d.t.Errorf("killed at %s: a client waited for %v, longer than the limit of %v", x.point, worst, holdLimit)
		}
		if x.heir == "" {
			result = "NOBODY TOOK OVER"
			d.t.Errorf("killed at %s: nobody took over", x.point)
		}
		d.t.Logf("cell %-34s killed, taken over after %4.1f s, clients waited %5d ms: %s", x.point, x.after.Seconds(), worst.Milliseconds(), result)
	}
}
