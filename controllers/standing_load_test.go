package controllers

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// TestALookAtManyDatabasesCostsTwoLogins while nothing is due in one of them: a soak goes on for days. GITOVER_DATABASES and
// GITOVER_TABLES make it as large as you like; what it costs is told.
func TestALookAtManyDatabasesCostsTwoLogins(t *testing.T) {
	many, tables := pg.Number("GITOVER_DATABASES", 3), pg.Number("GITOVER_TABLES", 20)
	enough := strconv.Itoa(many + 10)
	b := newRollbackPath(t, pg.Settings{"log_connections": "on", "max_replication_slots": enough, "max_wal_senders": enough, "max_worker_processes": enough,
		"max_logical_replication_workers": enough, "max_connections": strconv.Itoa(many + 60), "shared_buffers": "256MB"})
	databases := []string{"d"}
	for _, s := range []*pg.Server{b.active, b.follower} {
		s.Exec("", "CREATE DATABASE shop")
		for first := 0; first < tables; first += 100 { // locks of one transaction are few
			s.Exec("shop", fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
				EXECUTE format('CREATE TABLE t%%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, b text, c int, d timestamptz, UNIQUE (a, c))', i); END LOOP; END $$`,
				first, min(first+100, tables)-1))
		}
		b.must(replication.EnsureMarker(t.Context(), s.Server, "shop"))
	}
	for i := range many {
		db := fmt.Sprintf("shop%d", i)
		databases = append(databases, db)
		for _, s := range []*pg.Server{b.active, b.follower} {
			s.Exec("", "CREATE DATABASE "+db+" TEMPLATE shop")
		}
		b.must(fence.FenceStandby(t.Context(), b.follower.Server, []string{db}))
		b.must(replication.CreatePublication(t.Context(), b.active.Server, db, b.names))
		b.must(replication.CreateSlot(t.Context(), b.active.Server, db, b.names, b.follower.Instance))
		b.must(replication.CreateSubscription(t.Context(), b.follower.Server, replication.SubscribeOptions{Publisher: b.active.Server, Database: db, Names: b.names}))
	}
	logins := func() (n int) {
		for _, s := range []*pg.Server{b.active, b.follower} {
			n += s.Logins()
		}
		return n
	}
	awaitLinks(b, databases)
	look := func(what string, most int) {
		t.Helper()
		before, begun := logins(), time.Now()
		ctx, end := postgres.ShareSessions(t.Context())
		trouble, activeErr, err := b.replication().keepUp(ctx, databases)
		end()
		took := time.Since(begun)
		b.must(activeErr)
		b.must(err)
		n := logins() - before
		t.Logf("%d databases, %d tables in each, %s: %d logins, %v", len(databases), tables, what, n, took.Round(time.Millisecond))
		if trouble != "" || n > most {
			t.Errorf("%s: %d logins, at most %d; trouble %q", what, n, most, trouble)
		}
	}
	most := 2 + 2*len(databases)
	if many > 15 { // sessions of so many aren't kept: servers have few connections
		most = 2 + 4*len(databases)
	}
	look("the first look", most)
	look("another", 2)
}

func awaitLinks(b *rollbackPath, databases []string) {
	b.t.Helper()
	var links map[string]replication.Link
	waiting := 0
	eventually(b.t, time.Minute, func() bool {
		var activeErr, err error
		links, activeErr, err = replication.Links(b.t.Context(), b.active.Server, b.follower.Server, b.names, databases)
		b.must(activeErr)
		b.must(err)
		waiting = 0
		for _, db := range databases {
			if l := links[db]; !l.SlotExists || !l.SlotActive || l.SlotLost || !l.Subscription.Running || l.Stale {
				waiting++
			}
		}
		return waiting == 0
	}, func() string {
		return fmt.Sprintf("all databases are replicated; %d of %d aren't: %+v", waiting, len(databases), links)
	})
}
