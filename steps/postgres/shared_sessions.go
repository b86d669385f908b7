package postgres

import (
	"cmp"
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

// sessionsKept is how many idle sessions a look keeps: those of the databases that it currently reads, on
// both sides.
const sessionsKept = 32

// ShareSessions makes one look at servers log in to each database only once: calls with the returned context share
// sessions. The caller calls end when the look is over, and doesn't fence before: that would end the sessions. A look
// that is part of another shares its sessions.
func ShareSessions(ctx context.Context) (_ context.Context, end func()) {
	if shared, _ := ctx.Value(sharedKey{}).(*sharedSessions); shared != nil {
		return ctx, func() {}
	}
	shared := &sharedSessions{}
	return context.WithValue(ctx, sharedKey{}, shared), shared.end
}

type sharedKey struct{}

type sharedSessions struct {
	mu sync.Mutex
	// idle ones, the last used last.
	idle  []sharedSession
	ended bool
}

type sharedSession struct {
	place sessionPlace
	conn  *pgx.Conn
}

// sessionPlace is the server and database of a session.
type sessionPlace struct {
	address, user, database, sslMode, ca string
	password                             Password
}

func placeOf(s Server, database string) sessionPlace {
	return sessionPlace{s.Address(), s.User, cmp.Or(database, s.MaintenanceDatabase, "postgres"), s.SSLMode, string(s.CA), s.Password}
}

// session that no other caller uses, with the settings of a new one.
func session(ctx context.Context, s Server, database string) (_ *pgx.Conn, release func(), err error) {
	shared, _ := ctx.Value(sharedKey{}).(*sharedSessions)
	place := placeOf(s, database)
	if shared != nil {
		for conn := shared.take(place); conn != nil; conn = shared.take(place) {
			if _, err := conn.Exec(ctx, "RESET ALL; "+sessionSettings); err == nil {
				return conn, func() { shared.give(place, conn) }, nil
			}
			closeSession(conn) // it ended since it was used
		}
	}
	conn, err := newSession(ctx, s, database)
	if err != nil {
		return nil, nil, err
	}
	if shared == nil {
		return conn, func() { closeSession(conn) }, nil
	}
	return conn, func() { shared.give(place, conn) }, nil
}

func (s *sharedSessions) take(place sessionPlace) *pgx.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		if conn := s.idle[i].conn; s.idle[i].place == place {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			return conn
		}
	}
	return nil
}

// give a session back. It isn't used again if a transaction is open in it.
func (s *sharedSessions) give(place sessionPlace, conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() != 'I' {
		closeSession(conn)
		return
	}
	s.mu.Lock()
	surplus := conn
	if !s.ended {
		surplus = nil
		s.idle = append(s.idle, sharedSession{place, conn})
		if len(s.idle) > sessionsKept {
			surplus = s.idle[0].conn
			s.idle = s.idle[1:]
		}
	}
	s.mu.Unlock()
	if surplus != nil {
		closeSession(surplus)
	}
}

func (s *sharedSessions) end() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.ended = nil, true
	s.mu.Unlock()
	for _, one := range idle {
		closeSession(one.conn)
	}
}
