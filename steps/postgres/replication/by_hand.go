package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/gitover/gitover/steps/postgres"
)

// removalPatience bounds the removal of one thing: a slot whose reader reconnects again and again
// must be reported to a human, and not prevent the removal of everything else.
const removalPatience = 30 * time.Second

func patiently(ctx context.Context, remove func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	return remove(ctx)
}

// byHand tells a human about something that could not be removed.
func byHand(err error, database, sql string) string {
	where := ""
	if database != "" {
		where = fmt.Sprintf(" in database %q", database)
	}
	return fmt.Sprintf("%v (by hand%s: %s;)", err, where, sql)
}

// dropSlotByHand ends the slot's reader first, since a slot in use can't be dropped.
func dropSlotByHand(slot string) string {
	name := postgres.Literal(slot)
	return "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = " + name + " AND active; SELECT pg_drop_replication_slot(" + name + ")"
}

// RemovalByHand is the SQL for a server that could not be queried for what an upgrade has on
// it: only slots hold WAL, and they can be dropped from any database.
func RemovalByHand(n postgres.Names) string {
	return "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE starts_with(slot_name::text, " + postgres.Literal(n.Prefix()) + ");"
}
