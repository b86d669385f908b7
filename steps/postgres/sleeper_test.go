package postgres_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

// sleeper is how a server is reached by a controller that falls asleep as it says a word: what it said last stays on
// the way until it wakes, and its connection stays open.
type sleeper struct {
	postgres.Server
	asleep, awake chan struct{}
	wake          func()
}

func newSleeper(t *testing.T, s *pg.Server, word string) *sleeper {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	z := &sleeper{Server: s.Server, asleep: make(chan struct{}), awake: make(chan struct{})}
	z.wake = sync.OnceFunc(func() { close(z.awake) })
	fall := sync.OnceFunc(func() { close(z.asleep) })
	z.Port = listener.Addr().(*net.TCPAddr).Port
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
			if err != nil {
				near.Close()
				continue
			}
			carrying.Go(func() { defer near.Close(); _, _ = io.Copy(near, far) })
			carrying.Go(func() {
				defer far.Close()
				buffer := make([]byte, 64<<10)
				for {
					n, err := near.Read(buffer)
					if bytes.Contains(buffer[:n], []byte(word)) {
						fall()
						<-z.awake
					}
					if _, failed := far.Write(buffer[:n]); failed != nil || err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { z.wake(); listener.Close(); carrying.Wait() })
	return z
}

// TestAControllerThatSleptEmptiesNoTable that another has filled meanwhile.
func TestAControllerThatSleptEmptiesNoTable(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[:2]...), func(t *testing.T, blue, green *pg.Server) {
		for _, s := range []*pg.Server{blue, green} {
			s.Exec("", "CREATE DATABASE d CONNECTION LIMIT 0")
			s.Exec("d", "CREATE TABLE t (a int PRIMARY KEY)")
		}
		blue.Exec("d", "INSERT INTO t SELECT generate_series(1, 1000)")
		green.Exec("d", "INSERT INTO t VALUES (-1)") // as an attempt before left it
		ctx := t.Context()
		must(t, replication.EnsureMarker(ctx, blue.Server, "d"))
		must(t, replication.EnsureMarker(ctx, green.Server, "d"))
		must(t, replication.CreatePublication(ctx, blue.Server, "d", names))
		must(t, replication.CreateSlot(ctx, blue.Server, "d", names, green.Instance))
		copyOf := replication.SubscribeOptions{Publisher: blue.Server, Database: "d", Names: names, CopyData: true}
		z := newSleeper(t, green, "TRUNCATE")
		slept := make(chan error, 1)
		go func() { slept <- replication.CreateSubscription(ctx, z.Server, copyOf) }()
		<-z.asleep
		eventually(t, "another controller subscribes", func() bool { return replication.CreateSubscription(ctx, green.Server, copyOf) == nil })
		awaitReady(t, green, "d")
		z.wake()
		t.Logf("the sleeper: %v", <-slept)
		if rows := green.Query("d", "SELECT count(*) FROM t"); rows != "1000" {
			t.Errorf("%s rows are left of 1000", rows)
		}
	})
}

// TestAControllerThatSleptClosesNothingThatServes, whatever it was about to close.
func TestAControllerThatSleptClosesNothingThatServes(t *testing.T) {
	blue := pg.Start(t, 15, pg.Logical)
	blue.Exec("", "CREATE DATABASE d")
	all, err := postgres.ApplicationDatabases(t.Context(), blue.Server, nil, nil)
	must(t, err)
	for word, effect := range map[string]func(postgres.Server) error{
		"close_new": func(s postgres.Server) error {
			return transfer.CreateDatabases(t.Context(), blue.Server, s, postgres.Moved(all))
		},
		"CONNECTION LIMIT": func(s postgres.Server) error { return fence.Claim(t.Context(), s, "run", nil) },
	} {
		t.Run(word, func(t *testing.T) {
			green := pg.Start(t, 17, pg.Logical)
			green.Exec("", "CREATE DATABASE d")
			if word == "close_new" {
				prepare(t, green)
			}
			z := newSleeper(t, green, word)
			slept := make(chan error, 1)
			go func() { slept <- effect(z.Server) }()
			<-z.asleep
			// another controller goes on, up to the switch
			must(t, fence.Claim(t.Context(), green.Server, "run", nil))
			prepare(t, green)
			must(t, transfer.CreateDatabases(t.Context(), blue.Server, green.Server, postgres.Moved(all)))
			green.Exec(postgres.MaintenanceDatabase, `SELECT gitover.ready('s', 'blue', 'green', encode(sha256('key'), 'hex'));
				DO $$ BEGIN IF gitover.open('s', 'somebody', 'key') <> 'opened' THEN RAISE 'not opened'; END IF; END $$`)
			z.wake()
			err := <-slept
			t.Logf("the sleeper: %v", err)
			if word == "close_new" && (err == nil || !strings.Contains(err.Error(), "led to this server already")) {
				t.Errorf("nobody told the sleeper: %v", err)
			}
			if limit := green.Query("", "SELECT datconnlimit FROM pg_database WHERE datname = 'd'"); limit != fmt.Sprint(-1) {
				t.Errorf("applications may open %s connections", limit)
			}
		})
	}
}

// TestAServerThatSomebodyUsesIsNotClaimedAndNotClosed: it may serve.
func TestAServerThatSomebodyUsesIsNotClaimedAndNotClosed(t *testing.T) {
	s := pg.Start(t, 17, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", "CREATE TABLE t (a int)")
	err := fence.Claim(t.Context(), s.Server, "run", nil)
	if err == nil || !strings.Contains(err.Error(), "already holds 1 tables") {
		t.Errorf("%v", err)
	}
	if limit := s.Query("", "SELECT datconnlimit FROM pg_database WHERE datname = 'd'"); limit != "-1" {
		t.Errorf("applications may open %s connections", limit)
	}
	// such as the tables that an operator's image makes in the database postgres
	s.Exec("", "CREATE DATABASE moves")
	must(t, fence.Claim(t.Context(), s.Server, "run", []string{"d", `"it's{$do$"`}))
	if claimed, err := fence.Claimed(t.Context(), s.Server, "run"); err != nil || !claimed {
		t.Errorf("tables of a database that is left out are in the way: %t, %v", claimed, err)
	}
	if limits := s.Query("", "SELECT string_agg(datname || ' ' || datconnlimit, ', ' ORDER BY 1) FROM pg_database WHERE datname IN ('d', 'moves')"); limits != "d -1, moves 0" {
		t.Errorf("nothing opens a database again that the upgrade leaves out: %s", limits)
	}
}
