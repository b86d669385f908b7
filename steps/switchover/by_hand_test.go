package switchover_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/switchover"
)

// connect opens a session through the first pooler, or with direct past it.
func (s *stage) connect(user, application string, direct bool) *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.ConnectConfig(context.Background(), s.way(user, application, direct))
	must(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (s *stage) way(user, application string, direct bool) *pgx.ConnConfig {
	s.t.Helper()
	config, err := pgx.ParseConfig("sslmode=disable connect_timeout=5")
	must(s.t, err)
	config.Host, config.Port, config.Database = "127.0.0.1", uint16(s.poolers[0].Admin.Port), "orders"
	if direct {
		config.Port = uint16(s.servers[s.active].Port)
	}
	config.User, config.Password = user, user
	if user == "app" {
		config.Password = appPassword
	}
	config.RuntimeParams["application_name"] = application
	return config
}

// move makes a switch that must succeed.
func (s *stage) move() switchover.Result {
	s.t.Helper()
	s.awaitGuard()
	in := s.input()
	result, err := switchover.Switch(s.t.Context(), in)
	must(s.t, err)
	s.switched(in)
	return result
}

// obstacles of a switch that must not happen: found by its guard, or while traffic was held.
func (s *stage) obstacles() []switchover.Obstacle {
	s.t.Helper()
	_, err := switchover.Switch(s.t.Context(), s.input())
	s.say(nil)
	var aborted *switchover.AbortedError
	if errors.As(err, &aborted) {
		err = aborted.Why
	}
	var waiting *switchover.WaitingError
	if !errors.As(err, &waiting) {
		s.t.Fatalf("nobody is named: %v", err)
	}
	s.t.Log(err)
	return waiting.Obstacles
}

// named fails unless one obstacle of the kind tells all of words, and none tells a query.
func (s *stage) named(obstacles []switchover.Obstacle, kind switchover.ObstacleKind, words ...string) {
	s.t.Helper()
	found := false
	for _, o := range obstacles {
		all := o.Kind == kind
		for _, w := range words {
			all = all && strings.Contains(o.Message, w)
		}
		found = found || all
		if strings.Contains(o.Message, "secret of mine") {
			s.t.Errorf("a query is shown: %s", o.Message)
		}
	}
	if !found {
		s.t.Errorf("no %s that says %q: %v", kind, words, obstacles)
	}
}

// wasEnded fails unless the switch ended the application's session. On a busy machine it also
// ends some that the poolers are about to close.
func (s *stage) wasEnded(result switchover.Result, application string) {
	s.t.Helper()
	for _, session := range result.Terminated {
		if session.Application == application {
			return
		}
	}
	s.t.Errorf("%s was not ended, but %v", application, result.Terminated)
}

// runs returns when the application's session is in that state for long enough to be seen.
func (s *stage) runs(application, state string) {
	s.t.Helper()
	eventually(s.t, application+" is "+state, func() bool {
		return s.servers[s.active].Query("", "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"+application+
			"' AND state = '"+state+"' AND clock_timestamp() - xact_start > '20ms'") == "1"
	})
}

// configure changes a line of the pooler's configuration, or of its list of users, for good.
func (p *pooler) configure(file, line, to string) {
	t := p.stage.t
	t.Helper()
	path := filepath.Join(p.Dir, file)
	text, err := os.ReadFile(path)
	must(t, err)
	if !strings.Contains(string(text), line) {
		t.Fatalf("no %q in %s", line, text)
	}
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), line, to, 1)), 0o644))
	console, err := p.Admin.Connect(t.Context())
	must(t, err)
	defer console.Close(context.Background())
	must(t, console.Reload(t.Context()))
}

// makeRole makes a role on both sides, as an upgrade has done by then.
func (s *stage) makeRole(definition string) {
	name, _, _ := strings.Cut(definition, " ")
	s.servers[s.active].Exec("", "CREATE ROLE "+definition+" LOGIN PASSWORD '"+name+"'")
	verifier := s.servers[s.active].Query("", "SELECT rolpassword FROM pg_authid WHERE rolname = '"+name+"'")
	s.other().Exec("", "CREATE ROLE "+definition+" LOGIN PASSWORD '"+verifier+"'")
}

// makeTable makes a table on both sides, and returns when the other side follows it.
func (s *stage) makeTable(name string) {
	for _, server := range s.servers {
		server.Exec("orders", "CREATE TABLE "+name+" (id bigint PRIMARY KEY); GRANT ALL ON "+name+" TO app")
	}
	s.awaitGuard()
}
