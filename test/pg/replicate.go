package pg

import (
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// AgentRole and AgentPassword are what Prepare gives agents.
const (
	AgentRole     = "gitover_agent"
	AgentPassword = "agents'-secret"
)

// Prepare makes a server's register.
func Prepare(t testing.TB, s *Server) {
	t.Helper()
	must(t, fence.EnsureRegister(t.Context(), s.Server, AgentRole, AgentPassword))
}

// Replicate brings every application database of blue to green as the workflow's steps do, up to tables that follow:
// roles, databases, the first half of the schema, the data. same looks at the schemas before the data is copied; nil
// for nothing.
func Replicate(t testing.TB, blue, green *Server, names postgres.Names, same func(database string)) []postgres.Database {
	t.Helper()
	ctx := t.Context()
	Prepare(t, green)
	must(t, transfer.CopyRoles(ctx, blue.Server, green.Server))
	all, err := postgres.ApplicationDatabases(ctx, blue.Server, nil, nil)
	must(t, err)
	dbs := postgres.Moved(all)
	must(t, transfer.CreateDatabases(ctx, blue.Server, green.Server, dbs))
	for _, d := range dbs {
		CopySchema(t, copy.PreData, blue, green, d.Name)
		if same != nil {
			same(d.Name)
		}
		Subscribe(t, blue, green, names, d.Name, true)
	}
	for _, d := range dbs {
		AwaitReady(t, green, names, d.Name)
	}
	return dbs
}

// Subscribe has a database of green follow blue's; a second time, as a controller that was killed does.
func Subscribe(t testing.TB, blue, green *Server, names postgres.Names, database string, copyData bool) {
	t.Helper()
	ctx := t.Context()
	must(t, replication.EnsureMarker(ctx, blue.Server, database))
	must(t, replication.EnsureMarker(ctx, green.Server, database))
	for range 2 {
		must(t, replication.CreatePublication(ctx, blue.Server, database, names))
		must(t, replication.CreateSlot(ctx, blue.Server, database, names, green.Instance))
		must(t, replication.CreateSubscription(ctx, green.Server, replication.SubscribeOptions{
			Publisher: blue.Server, Database: database, Names: names, CopyData: copyData,
		}))
	}
}

// BuildRest makes the second half of a database's schema on green, while replication is held back.
func BuildRest(t testing.TB, blue, green *Server, names postgres.Names, database string) {
	t.Helper()
	subscription := names.Subscription(database, green.Instance)
	must(t, replication.SetSubscriptionEnabled(t.Context(), green.Server, database, subscription, false))
	CopySchema(t, copy.PostData, blue, green, database)
	must(t, replication.SetSubscriptionEnabled(t.Context(), green.Server, database, subscription, true))
}

// AwaitReady returns when every table of a database follows. It fails after a minute in which no further table did.
func AwaitReady(t testing.TB, green *Server, names postgres.Names, database string) {
	t.Helper()
	const patience = time.Minute
	deadline, tick := time.NewTimer(patience), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for best := 0; ; {
		state, err := replication.SubscriptionState(t.Context(), green.Server, database, names.Subscription(database, green.Instance))
		must(t, err)
		if state.ReplicationReady() {
			return
		}
		if ready := state.Ready + state.Copied; ready > best {
			best = ready
			deadline.Reset(patience)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("no progress for a minute: tables of %s follow; %+v\n%s", database, state, LastLines(green.Log(), 20))
		}
	}
}

// LastLines are the end of a text, which may be long.
func LastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
