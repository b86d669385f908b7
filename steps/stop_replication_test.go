package steps

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// A site's own event trigger refuses to let go of what replicates.
func TestWhatStoppingReplicationCannotRemoveIsSaidWithItsReason(t *testing.T) {
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	run := &Run{
		Upgrade: &v1alpha1.PgUpgrade{}, Now: time.Now,
		Status: &v1alpha1.PgUpgradeStatus{Workflow: Abort, Step: StopReplication, From: blue.Instance, To: green.Instance, Databases: []string{"d"}},
		Server: func(_ context.Context, instance string) (postgres.Server, error) {
			if instance == blue.Instance {
				return blue.Server, nil
			}
			return green.Server, nil
		},
	}
	run.Upgrade.UID = "12345678-1234-1234-1234-123456789012"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("", "CREATE DATABASE d")
		must(postgres.EnsureMarker(t.Context(), s.Server, "d"))
	}
	must(postgres.CreatePublication(t.Context(), blue.Server, "d", run.Names()))
	must(postgres.CreateSlot(t.Context(), blue.Server, "d", run.Names(), green.Instance))
	must(postgres.CreateSubscription(t.Context(), green.Server, postgres.SubscribeOptions{Publisher: blue.Server, Database: "d", Names: run.Names()}))
	const refuse = "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not on my watch'; END $$; " +
		"CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('DROP PUBLICATION', 'DROP SUBSCRIPTION') EXECUTE FUNCTION refuse(); ALTER EVENT TRIGGER refuse ENABLE ALWAYS"
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("d", refuse)
	}
	err := stopReplicationRun(t.Context(), run)
	if err == nil {
		t.Fatal("nothing is said of what stays")
	}
	name := run.Names().Subscription("d", green.Instance)
	for _, says := range []string{
		"not removed on " + green.Instance, "not removed on " + blue.Instance, "not on my watch",
		"in database \"d\"", `DROP SUBSCRIPTION IF EXISTS "` + name + `"`, `DROP PUBLICATION IF EXISTS "` + run.Names().Publication() + `"`,
	} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q doesn't say %q", err, says)
		}
	}
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("d", "DROP EVENT TRIGGER refuse")
	}
	must(stopReplicationRun(t.Context(), run))
	if v, err := stopReplicationDone(t.Context(), run); err != nil || !v.Done {
		t.Errorf("%+v, %v", v, err)
	}
}
