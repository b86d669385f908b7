package steps

import (
	"strings"
	"testing"

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
