package steps

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// rotate changes the superuser's password on a server and in what Gitover reads as its Secret, and cuts the
// connections that outlive that.
func rotate(s *pg.Server, password string) {
	s.Exec("", "ALTER ROLE postgres PASSWORD '"+password+"'")
	s.Password = postgres.Password(password)
	s.Exec("", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
}

func TestReplicationGoesOnAfterTheSuperusersPasswordWasChanged(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPairWith(t, versions[0], versions[1], pg.Settings{"wal_level": "logical", "log_statement": "all"})
			p.run.Status.Verification = nil
			p.done(CopyData)
			for i, step := range []string{CopyData, CatchUp, Verify, Approve} {
				rotate(p.blue, fmt.Sprintf("rotated-%d", i))
				p.blue.Exec("d", fmt.Sprintf("INSERT INTO first VALUES (%d)", i))
				var said string
				p.until(step, "acting", func(v Verdict) bool { said = v.Message; return v.RunNeeded })
				if !strings.Contains(said, p.green.Instance+" still connects to "+p.blue.Instance) {
					t.Errorf("%s: %s", step, said)
				}
				p.until(step, "done or waiting", func(v Verdict) bool { return !v.RunNeeded })
				p.arrives("SELECT count(*) FROM first", fmt.Sprint(i+1))
			}
			if strings.Contains(p.green.Log(), "rotated-") {
				t.Error("a password is in the log")
			}
		})
	}
}

func TestASecretThatIsAheadOfItsServerDoesNotEndReplication(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	old := p.blue.Password
	p.blue.Password = "not yet"
	step, _ := Find(Upgrade, CatchUp)
	if err := step.Run(t.Context(), p.run); !postgres.AuthenticationFailed(err) {
		t.Errorf("%v", err)
	}
	p.blue.Password = old
	p.blue.Exec("", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
	p.blue.Exec("d", "INSERT INTO first VALUES (1)")
	p.arrives("SELECT count(*) FROM first", "1")
}
