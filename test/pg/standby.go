package pg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Standby runs a physical standby of the server until the test ends, which streams from it and has its Instance. It
// has caught up when it is returned.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	return s.standby(t, nil, nil)
}

// SlotsOfStandby is the physical slot of a standby that keeps copies of failover slots.
const SlotsOfStandby = "standby"

// StandbyWithSlots is a Standby, of 17 or later, that keeps copies of failover slots; subscribers get nothing before it has that.
func (s *Server) StandbyWithSlots(t testing.TB) *Server {
	t.Helper()
	b := s.standby(t, []string{"-C", "-S", SlotsOfStandby}, func(conf string) string {
		return strings.Replace(conf, "primary_conninfo = '", "primary_conninfo = 'dbname=postgres ", 1) + "sync_replication_slots = on\nhot_standby_feedback = on\n"
	})
	s.Exec("", "ALTER SYSTEM SET synchronized_standby_slots = '"+SlotsOfStandby+"'")
	s.Exec("", "SELECT pg_reload_conf()")
	return b
}

// HasSlots returns when the standby could continue with all failover slots of its primary.
func (s *Server) HasSlots(primary *Server) {
	s.t.Helper()
	want := primary.Query("", "SELECT count(*) FROM pg_replication_slots WHERE failover")
	s.await("has copies of "+want+" slots", "SELECT count(*) = "+want+" AND "+want+" > 0 FROM pg_replication_slots WHERE synced AND NOT temporary AND invalidation_reason IS NULL")
}

// standby with more arguments of pg_basebackup, and with changed settings.
func (s *Server) standby(t testing.TB, more []string, settings func(string) string) *Server {
	t.Helper()
	b := newServer(t, *s)
	b.Host, b.Port = "127.0.0.1", ReservePort(t)
	cmd := command(t.Context(), s.root, s.Major, b.dir, "KILL", []string{"PGPASSWORD=" + string(s.Password)},
		append([]string{"pg_basebackup", "-h", s.Host, "-p", fmt.Sprint(s.ownPort()), "-U", s.User, "-D", "/mnt/data", "-R", "-X", "stream", "-c", "fast", "--no-sync"}, more...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup of PostgreSQL %d: %v\n%s", s.Major, err, out)
	}
	conf := filepath.Join(b.dir, "data", "postgresql.auto.conf")
	text, err := os.ReadFile(conf)
	if err == nil && settings != nil {
		text = []byte(settings(string(text)))
	}
	if err == nil {
		err = os.WriteFile(conf, fmt.Appendf(text, "port = %d\n", b.Port), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Run()
	b.CatchUp(s)
	return b
}

// ownPort of the server, to which its Port may lead through something else.
func (s *Server) ownPort() int {
	s.t.Helper()
	var port int
	if _, err := fmt.Sscan(s.Shell(s.t.Context(), `sed -n 4p "$1/postmaster.pid"`), &port); err != nil {
		s.t.Fatal(err)
	}
	return port
}

// CatchUp returns when the standby has replayed all that its primary has written.
func (s *Server) CatchUp(primary *Server) {
	s.t.Helper()
	// a commit that waits for the disk takes those before it along that don't
	primary.Exec("", "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, '', '')")
	written := primary.Query("", "SELECT pg_current_wal_flush_lsn()")
	s.await("has replayed "+written, "SELECT pg_last_wal_replay_lsn() >= '"+written+"'")
}

// Promote makes a primary of a standby.
func (s *Server) Promote() {
	s.t.Helper()
	s.Query("", "SELECT pg_promote()")
	s.await("is a primary", "SELECT NOT pg_is_in_recovery()")
}

func (s *Server) await(what, query string) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); s.Query("", query) != "t"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not within 30 s: a standby of PostgreSQL %d %s\n%s", s.Major, what, s.Log())
		}
	}
}
