package switchover_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// TestWhoGoesPastThePoolersLosesNoRow has clients that connect straight to the first server, write
// one row and connect again, as fast as they can: superusers, whom no connection limit binds, and
// applications. What they were told is committed is on whatever side is active, and from
// the fence on the old side takes nothing from them.
func TestWhoGoesPastThePoolersLosesNoRow(t *testing.T) {
	for _, pair := range pg.Pairs([2]int{postgres.Oldest, postgres.Latest}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(t *testing.T) {
			s := newStage(t, pair[0], pair[1])
			l := s.startLedger()
			s.makeRole("root SUPERUSER")
			s.makeTable("past")
			s.awaitGuard()
			past := s.startPast("root", "root", "app", "app")
			for range 2 {
				past.write()
				result := s.move()
				t.Logf("held %v, fence %v, %d sessions ended", result.Held, result.Parts.Fence, len(result.Terminated))
				s.oneSideOpen()
				past.compare()
				past.refused()
			}
			past.write()
			past.end()
			past.compare()
			l.balances()
		})
	}
}

// TestASuperuserCanNotWriteBehindTheFence tries at every point between the fence and the end.
func TestASuperuserCanNotWriteBehindTheFence(t *testing.T) {
	s := newStage(t, 15, 17)
	s.makeRole("root SUPERUSER")
	in := s.input()
	way := s.way("root", "by-hand", true)
	in.Trace = func(at switchover.Point) {
		_, err := pgx.ConnectConfig(t.Context(), way)
		behind := slices.Index(switchover.Points, at) > slices.Index(switchover.Points, switchover.PointFence)
		if behind && !postgres.ConnectionsDisabled(err) {
			t.Errorf("at %s: %v", at, err)
		}
	}
	_, err := switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
	conn, err := pgx.ConnectConfig(t.Context(), way)
	must(t, err)
	defer conn.Close(context.Background())
	var refused *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "INSERT INTO ledger (client, n) VALUES (0, 0)"); !errors.As(err, &refused) || refused.Code != "25006" {
		t.Errorf("afterwards, on the side that was left: %v", err)
	}
}

// past is clients that know one server only.
type past struct {
	s     *stage
	stop  context.CancelFunc
	group sync.WaitGroup

	mu           sync.Mutex
	acknowledged map[int64]bool
	codes        map[string]int
}

func (s *stage) startPast(users ...string) *past {
	ctx, cancel := context.WithCancel(context.Background())
	p := &past{s: s, stop: cancel, acknowledged: map[int64]bool{}, codes: map[string]int{}}
	s.t.Cleanup(cancel)
	for i, user := range users {
		way := s.way(user, "past", true)
		p.group.Go(func() {
			for n := int64(i); ctx.Err() == nil; n += int64(len(users)) {
				p.try(way, n)
			}
		})
	}
	return p
}

// try connects again and writes one row.
func (p *past) try(way *pgx.ConnConfig, id int64) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, way)
	if err == nil {
		defer conn.Close(context.Background())
		_, err = conn.Exec(ctx, "INSERT INTO past VALUES ($1)", id)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.acknowledged[id] = true
		return
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		p.codes[way.User+" "+refused.Code]++
	}
}

func (p *past) count(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if key == "" {
		return len(p.acknowledged)
	}
	return p.codes[key]
}

// write returns when some more rows were acknowledged, if their server is the one that serves.
func (p *past) write() {
	p.s.t.Helper()
	if p.s.active != p.first() {
		return
	}
	before := p.count("")
	eventually(p.s.t, "rows are written past the poolers", func() bool { return p.count("") > before+20 })
}

// refused returns when both kinds of clients were told no by a server that was left.
func (p *past) refused() {
	p.s.t.Helper()
	if p.s.active == p.first() {
		return
	}
	for _, key := range []string{"root 25006", "app 53300"} {
		before := p.count(key)
		eventually(p.s.t, key, func() bool { return p.count(key) > before })
	}
}

// first is the server that all of them know.
func (p *past) first() string {
	for name := range p.s.servers {
		if name[len(name)-2:] == "-0" {
			return name
		}
	}
	return ""
}

func (p *past) end() {
	p.stop()
	p.group.Wait()
	p.s.t.Logf("%d rows acknowledged; refused: %v", len(p.acknowledged), p.codes)
}

// compare looks for every row acknowledged so far on the active side.
func (p *past) compare() {
	p.s.t.Helper()
	p.mu.Lock()
	var ids []int64
	for id := range p.acknowledged {
		ids = append(ids, id)
	}
	p.mu.Unlock()
	conn, err := p.s.servers[p.s.active].Connect(context.Background(), "orders")
	must(p.s.t, err)
	defer conn.Close(context.Background())
	var missing []int64
	must(p.s.t, conn.QueryRow(context.Background(), "SELECT array_agg(id) FROM unnest($1::bigint[]) id WHERE id NOT IN (SELECT id FROM past)", ids).Scan(&missing))
	if len(missing) > 0 {
		p.s.t.Errorf("%s lacks %d of %d rows that were acknowledged: %v", p.s.active, len(missing), len(ids), missing)
	}
}
