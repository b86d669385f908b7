package matrix

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// impatient: the retry of a switch comes at once, and is tried as often as there are cells.
var impatient = []string{"    transactionLimit: 5s\n", "    transactionLimit: 5s\n    retryInterval: 1s\n    attempts: 100\n"}

func TestAnUpgradeIsFinishedThoughTheControllerDiesAtEveryStep(t *testing.T) {
	needsStage(t)
	t.Parallel()
	d := begin(t, "matrix-life", strings.NewReplacer("    duration: 24h\n", "    duration: 1s\n", "approval: Automatic", "approval: Manual",
		"  proxyRef:\n", hooksAt("matrix-life", "BeforeCopy", "BeforeCutover", "BeforeFinalize")+"  proxyRef:\n"))
	d.referee.expect(pointsOf(life))
	// what the two steps that wait before the cutover have to do something about
	d.referee.on("Upgrade/Analyze/after", d.tableOnBothSides("late"))
	d.merge("postgres-17")
	d.await("the question for approval", testenv.At("Approve"))
	d.must(d.tableOnBothSides("later")(t.Context()))
	d.await("that the gate's table is taken up", func(*v1alpha1.PgUpgrade) bool {
		return !d.referee.wanted("Upgrade/Approve/before") && !d.referee.wanted("Upgrade/Approve/during")
	})
	_, err := d.app.Commit(t.Context(), "Approve 17", fleet.Replace(d.app.Dir+"/upgrade.yaml", "approval: Manual\n", "approval: Manual\n    approvedVersion: \"17\"\n"))
	d.must(err)
	d.await("the upgrade's end", ended("Finalized", 1))
	for _, table := range []string{"late", "later"} {
		rows, err := d.app.Strings(t.Context(), "orders-17", testenv.Databases[0], "SELECT count(*)::text FROM "+table)
		d.must(err)
		if rows[0] != "100" {
			t.Errorf("table %s, made while the upgrade ran, has %s rows of 100", table, rows[0])
		}
	}
	ran, err := d.app.Strings(t.Context(), "orders-17", testenv.Databases[0], "SELECT moment || ' ' || count(*) FROM hooked GROUP BY moment ORDER BY moment")
	d.must(err)
	if all := strings.Join(ran, ", "); all != "BeforeCopy 2, BeforeCutover 2, BeforeFinalize 2" {
		t.Errorf("the hooks ran: %s", all)
	}
	d.prove("orders-17")
}

// hooksAt these moments, each of which leaves a row.
func hooksAt(namespace string, moments ...string) string {
	var b strings.Builder
	b.WriteString("  hooks:\n")
	for _, m := range moments {
		// the first one's Job is there once a controller died in its effect, so only the second one's effect comes to its end
		for _, name := range []string{"note", "again"} {
			fmt.Fprintf(&b, "  - {name: %s-%s, moment: %s, sql: {path: apps/%s/hooks/note.sql, database: %s}}\n", name, strings.ToLower(m), m, namespace, testenv.Databases[0])
		}
	}
	return b.String()
}

func TestAnUpgradeIsTakenBackThoughTheControllerDiesAtEveryStep(t *testing.T) {
	needsStage(t)
	t.Parallel()
	// the first attempt to switch is the last: Gitover gives up and reverts its commit
	d := begin(t, "matrix-regret", strings.NewReplacer("    transactionLimit: 5s\n", "    transactionLimit: 5s\n    attempts: 1\n"))
	points := pointsOf(regret)
	var first, second []string
	for _, p := range points {
		if strings.HasPrefix(p, "Rollback/") {
			second = append(second, p)
		} else {
			first = append(first, p)
		}
	}
	d.referee.expect(append(first, "switch/Clear/before"))
	merge := d.merge("postgres-17")
	d.await("that Gitover gave up", testenv.At("AwaitDecision"))
	d.revert(merge)
	d.await("the upgrade's end", ended("Aborted", 1))

	_, err := d.app.Commit(t.Context(), "Don't give up", fleet.Replace(d.app.Dir+"/proxy.yaml", "    attempts: 1\n", "    attempts: 100\n"))
	d.must(err)
	d.referee.expect(second)
	merge = d.merge("postgres-17-again")
	d.await("the soak", testenv.At("Soak"))
	d.serves("orders-17")
	d.revert(merge)
	d.await("the rollback's end", ended("RolledBack", 2))
	d.prove("orders-15")
}

func TestTrafficMovesOnceThoughTheControllerDiesAtEveryPartBeforeTheDecision(t *testing.T) {
	needsStage(t)
	t.Parallel()
	d := begin(t, "matrix-forth", strings.NewReplacer(impatient...))
	d.referee.expect(pointsOf(forth))
	merge := d.merge("postgres-17")
	d.await("the soak", testenv.At("Soak"))
	d.serves("orders-17")

	d.referee.expect(pointsOf(back))
	d.revert(d.commitOf("CommitCutover"))
	d.serves("orders-15")
	d.await("that the revert is obeyed", testenv.At("AwaitDecision"))
	d.revert(merge)
	d.await("the upgrade's end", ended("Aborted", 1))
	d.prove("orders-15")
}

func TestTrafficStaysWhereItWentThoughTheControllerDiesAtEveryPartAfterTheDecision(t *testing.T) {
	needsStage(t)
	t.Parallel()
	d := begin(t, "matrix-beyond", strings.NewReplacer(impatient...))
	merge := d.merge("postgres-17")
	away := map[string][]string{"orders-17": pointsOf(beyond), "orders-15": pointsOf(behind)}
	target, last := "orders-17", ""
	d.referee.expect(away[target])
	d.await("the soak", testenv.At("Soak"))
	for range 2 * len(away[target]) {
		d.serves(target)
		// what this switch did not come to is for the next in its direction
		away[target] = d.referee.takeLeft()
		if len(away["orders-17"])+len(away["orders-15"]) == 0 && target == "orders-15" {
			break
		}
		if last == "" {
			last = d.commitOf("CommitCutover")
		}
		target = other(target)
		d.referee.expect(away[target])
		last = d.revert(last)
	}
	d.referee.expect(append(away["orders-17"], away["orders-15"]...)) // prove complains
	d.await("that the revert is obeyed", testenv.At("AwaitDecision"))
	d.revert(merge)
	d.await("the upgrade's end", ended("Aborted", 1))
	d.prove("orders-15")
}

func other(instance string) string {
	if instance == "orders-15" {
		return "orders-17"
	}
	return "orders-15"
}
