package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// A site's own event trigger refuses to let go of what replicates.
func TestWhatStoppingReplicationCannotRemoveIsSaidWithItsReason(t *testing.T) {
	run, blue, green := twoServers(t, Abort, StopReplication)
	follow(t, run, blue, green)
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
	if err := stopReplicationRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if v, err := stopReplicationDone(t.Context(), run); err != nil || !v.Done {
		t.Errorf("%+v, %v", v, err)
	}
}

// Where green's manifests are refused, its operator never makes the Secret by which Gitover would ask it.
func TestAnAbortCleansBlueWhereGreenWasNeverMade(t *testing.T) {
	run, blue, green := twoServers(t, Abort, StopReplication)
	run.Proxy = &v1alpha1.PgProxy{Status: v1alpha1.PgProxyStatus{Active: blue.Instance}}
	if err := replication.CreatePublication(t.Context(), blue.Server, "d", run.Names()); err != nil {
		t.Fatal(err)
	}
	server := run.Server
	run.Server = func(ctx context.Context, instance string) (postgres.Server, error) {
		if instance == green.Instance {
			return postgres.Server{}, fmt.Errorf("%w: create it", postgres.ErrNoSecret)
		}
		return server(ctx, instance)
	}
	v, err := stopReplicationDone(t.Context(), run)
	if err != nil || v.Done {
		t.Fatalf("the publication on %s is not to remove: %+v, %v", blue.Instance, v, err)
	}
	if err := stopReplicationRun(t.Context(), run); err == nil || !strings.Contains(err.Error(), "clean up "+green.Instance) {
		t.Errorf("nothing is said of %s: %v", green.Instance, err)
	}
	if v, err := stopReplicationDone(t.Context(), run); err != nil || !v.Done {
		t.Errorf("%+v, %v", v, err)
	}
	run.Proxy.Status.Active = green.Instance
	if _, err := stopReplicationDone(t.Context(), run); !errors.Is(err, postgres.ErrNoSecret) {
		t.Errorf("the side that serves needn't answer: %v", err)
	}
}
