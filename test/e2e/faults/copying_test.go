package faults

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/e2e/testenv"
)

func TestFaultsWhileRowsAreCopied(t *testing.T) {
	t.Parallel()
	d := begin(t, testenv.AppOptions{Namespace: "copying", Change: func(_, content string) string {
		// a disk of its own, which can be full
		return strings.Replace(content, "      accessModes: [ReadWriteOnce]\n      resources:\n        requests:\n          storage: 8Gi\n",
			"      accessModes: [ReadWriteOnce]\n      storageClassName: local-limited\n      resources:\n        requests:\n          storage: 640Mi\n", 1)
	}})
	merge := d.merge()
	open := d.holdUpTheCopy()
	d.suffer([]fault{
		{when: copying, name: "the two servers can't reach each other, for more than a minute", inject: cut(active, standby), lasts: 65 * time.Second, spares: true,
			seen: upgradeSays(v1alpha1.ReasonReplicationBroken, "is tried again", "orders-17")},
		{when: copying, name: "the controller can't reach the server that copies", inject: cut((*database).controller, standby), spares: true,
			seen: upgradeSays(v1alpha1.ReasonServerUnreachable, "orders-17")},
		{when: copying, name: "the disk of the new server is full", inject: fill("data-orders-17-0"), spares: true,
			seen: upgradeSays(v1alpha1.ReasonDiskFull, "orders-17")},
		{when: copying, name: "the server that serves is killed", inject: kill(active, "postgres")},
	})
	open()
	d.suffer([]fault{
		{when: copied, name: "the new server is killed", inject: kill(standby, "postgres"), spares: true},
		{when: copied, name: "the old server keeps too little WAL, and the slot is lost", inject: (*database).loseTheSlot,
			seen: upgradeSays(v1alpha1.ReasonSlotLost, "max_slot_wal_keep_size", "revert the version")},
	})
	_, err := d.app.Revert(t.Context(), merge)
	d.must(err)
	d.must(d.app.AwaitUpgrade(t.Context(), patience, "the upgrade is taken back", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "" && len(u.Status.History) > 0 && u.Status.History[0].Outcome == "Aborted"
	}))
	left, err := d.app.Leftovers(t.Context(), d.active)
	d.must(err)
	if len(left) > 0 {
		t.Errorf("left on %s: %v", d.active, left)
	}
	d.prove()
}

// holdUpTheCopy returns when rows are being copied and one table has to wait for its turn,
// until it is let go: somebody has locked it on the new server.
func (d *database) holdUpTheCopy() (letGo func()) {
	d.t.Helper()
	ctx := d.t.Context()
	session := func(instance, statements string) *pgx.Conn {
		conn, err := d.app.Superuser(ctx, instance, testenv.Databases[0])
		d.must(err)
		_, err = conn.Exec(ctx, statements)
		d.must(err)
		return conn
	}
	end := func(conn *pgx.Conn) { _ = conn.Close(context.WithoutCancel(ctx)) }
	d.awaitStep("AwaitGreen")
	// a slot isn't made before the transactions that are under way have ended
	early := session(d.active, "BEGIN; SELECT pg_current_xact_id()")
	defer end(early)
	d.awaitStep("Publish")
	lock := session(d.standby, "BEGIN; LOCK TABLE ledger.entry IN SHARE MODE")
	end(early)
	d.must(d.app.AwaitUpgrade(ctx, patience, "tables are copied", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Step == "CopyData" && u.Status.Copy != nil && u.Status.Copy.TablesCopied > 0
	}))
	return func() { end(lock) }
}

// fill the volume of a claim.
func fill(claim string) func(*database) chaos.Heal {
	return func(d *database) chaos.Heal {
		heal, err := chaos.FillVolume(d.t.Context(), stage, d.app.Namespace, claim)
		d.must(err)
		return heal
	}
}

// loseTheSlot lets the old server throw away WAL that the new one, cut off, lacks.
func (d *database) loseTheSlot() chaos.Heal {
	heal := cut(active, standby)(d)
	d.must(d.app.Run(d.t.Context(), d.active, "postgres", "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()",
		"CREATE TABLE wal AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)", "SELECT pg_switch_wal()", "INSERT INTO wal TABLE wal", "SELECT pg_switch_wal()",
		"INSERT INTO wal TABLE wal", "SELECT pg_switch_wal()", "CHECKPOINT"))
	return heal
}
