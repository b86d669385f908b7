package breakglass

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/replication"
)

func TestTrafficReturnsByHandInASoakAndGitoverIsLeftForGood(t *testing.T) {
	s := newSite(t)
	s.move()
	s.awaitWrites()
	if out := sql(t, s.servers[greenName], "orders", "replication.sql", nil); strings.Count(out, "|t|") != len(databases) {
		t.Errorf("replication.sql shows slots that are active in each database: %s", out)
	}
	s.pooler.StopAgent()
	s.stopWhatActs()
	s.servers[greenName].Exec("orders", "SELECT nextval('never'), nextval('never')")
	s.moveByHand(greenName, blueName)
	s.awaitWrites()
	s.oneSideWrites()
	for sequence, want := range map[string]string{"never": "2 true", `odd " name`: "41 true"} {
		quoted := `"` + strings.ReplaceAll(sequence, `"`, `""`) + `"`
		if got := s.servers[blueName].Query("orders", "SELECT last_value || ' ' || is_called FROM "+quoted); got != want {
			t.Errorf("sequence %s: %s, want %s", sequence, got, want)
		}
	}
	s.lost = greenName
	s.servers[greenName].Kill()
	s.leave(blueName)
	s.awaitWrites()
	s.balances()
}

// moveByHand is the page's list, in its order.
func (s *site) moveByHand(from, to string) {
	t, id := s.t, "by-hand-1"
	t.Helper()
	both := variables{"switch": id, "old": from, "new": to, "databases": "{" + strings.Join(databases, ",") + "}"}
	sql(t, s.servers[from], "gitover", "close.sql", both)
	for _, db := range databases {
		statements := sql(t, s.servers[from], db, "sequences.sql", nil)
		if out, err := psql(t, s.servers[to].Server, s.servers[to].Major, db, statements, nil); err != nil {
			t.Fatalf("the sequences of %s: %v\n%s", db, err, out)
		}
	}
	lines := strings.Split(sql(t, s.servers[from], "gitover", "drain.sql", variables{"switch": id}), "\n")
	both["hash"] = lines[len(lines)-1]
	sql(t, s.servers[to], "gitover", "ready.sql", both)
	answers(t, sql(t, s.servers[from], "gitover", "decide.sql", variables{"switch": id}), "commit")
	s.open(from, to, id)
	s.lead(to)
}

// leave removes Gitover from a server, and looks for what is left of it.
func (s *site) leave(name string) {
	t, server := s.t, s.servers[name]
	t.Helper()
	given, err := replication.GivenIdentities(t.Context(), server.Server, "orders", s.names)
	must(t, err)
	if len(given) == 0 {
		t.Error("no table was given a replica identity, so nothing shows that the former one comes back")
	}
	for _, db := range databases {
		sql(t, server, db, "leave-database.sql", nil)
	}
	sql(t, server, "gitover", "leave-slots.sql", nil)
	sql(t, server, "postgres", "leave-server.sql", nil)
	for what, query := range map[string]string{
		"slots":              "SELECT count(*) FROM pg_replication_slots",
		"subscriptions":      "SELECT count(*) FROM pg_subscription",
		"publications":       "SELECT count(*) FROM pg_publication",
		"schemas":            "SELECT count(*) FROM pg_namespace WHERE nspname ~ 'gitover'",
		"roles":              "SELECT count(*) FROM pg_roles WHERE rolname ~ 'gitover'",
		"databases":          "SELECT count(*) FROM pg_database WHERE datname = 'gitover'",
		"replica identities": "SELECT count(*) FROM pg_class WHERE relname = 'keyless' AND relreplident <> 'd'",
	} {
		for _, db := range databases {
			if got := server.Query(db, query); got != "0" {
				t.Errorf("%s of Gitover's are left in %s: %s", what, db, got)
			}
		}
	}
}
