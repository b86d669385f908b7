package controllers

import (
	"fmt"
	"os"
	"regexp"
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
	ofEnv := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return otherwise
	}
	many, tables := ofEnv("GITOVER_DATABASES", 3), ofEnv("GITOVER_TABLES", 20)
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
			n += len(ours.FindAllString(s.Log(), -1))
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
	look("the first look", 2+4*len(databases)) // sessions of many databases aren't kept: servers have few connections
	look("another", 2)
}

// ours are Gitover's own logins in a server's log.
var ours = regexp.MustCompile(`(?m)connection authorized: user=postgres .*application_name=gitover\b`)

func awaitLinks(b *rollbackPath, databases []string) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		links, activeErr, err := replication.Links(b.t.Context(), b.active.Server, b.follower.Server, b.names, databases)
		b.must(activeErr)
		b.must(err)
		waiting := 0
		for _, db := range databases {
			if l := links[db]; !l.SlotExists || !l.SlotActive || l.SlotLost || !l.Subscription.Running || l.Stale {
				waiting++
			}
		}
		if waiting == 0 {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%d of %d databases aren't replicated: %+v", waiting, len(databases), links)
		}
	}
}
