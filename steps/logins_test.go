package steps

import (
	"fmt"
	"maps"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// TestALookAtCatchUpLogsInOnceToEachDatabase of each server, and once more to each server: there is one a second.
// GITOVER_DATABASES makes them as many as you like; from 16 on, what is looked at again once the lag is small costs more.
func TestALookAtCatchUpLogsInOnceToEachDatabase(t *testing.T) {
	many := pg.Number("GITOVER_DATABASES", 3)
	settings := maps.Clone(manySlots)
	maps.Copy(settings, pg.Settings{"max_logical_replication_workers": "120", "max_worker_processes": "130"})
	p := newPairFilled(t, 15, 17, settings, func(p *pair) {
		for i := 1; i < many; i++ {
			db := fmt.Sprintf("d%d", i)
			p.databases = append(p.databases, db)
			for _, s := range []*pg.Server{p.blue, p.green} {
				s.Exec("", "CREATE DATABASE "+db+" TEMPLATE d")
			}
		}
	})
	p.done(CopyData)
	p.done(CatchUp)
	for _, s := range []*pg.Server{p.blue, p.green} {
		s.Exec("", "ALTER SYSTEM SET log_connections = on")
		s.Exec("", "SELECT pg_reload_conf()")
	}
	logins := func() int { return p.blue.Logins() + p.green.Logins() }
	step, _ := Find(Upgrade, CatchUp)
	before, looks := logins(), 0
	for logins() == before && looks < 100 { // until the servers have read their settings
		looks++
		p.look(step)
	}
	before = logins()
	p.look(step)
	n := logins() - before
	t.Logf("%d databases: %d logins a look", many, n)
	if n == 0 || n > 2*many+2 && many < 16 {
		t.Errorf("%d logins, want one for each database and server, and at most one more for each server", n)
	}
}

func (p *pair) look(step *Step) {
	p.t.Helper()
	ctx, end := postgres.ShareSessions(p.t.Context())
	defer end()
	if _, err := step.Done(ctx, p.run); err != nil {
		p.t.Fatal(err)
	}
}
