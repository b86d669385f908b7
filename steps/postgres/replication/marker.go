package replication

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

//go:embed sql/marker.sql
var markerSQL string

// markerPoll is the time between two checks for a marker.
const markerPoll = 500 * time.Microsecond

// EnsureMarker makes the marker table in an application database. A publication FOR ALL
// TABLES carries it; its rows are never copied.
func EnsureMarker(ctx context.Context, s postgres.Server, db string) error {
	err := postgres.WithSession(ctx, s, db, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", fence.RegisterLock); err != nil {
				return err
			}
			// An event trigger of the application's must not forbid it.
			if _, err := tx.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, markerSQL)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("create the marker table in %q on %s: %w", db, s.Instance, err)
	}
	return nil
}

// Marker is a warm session that writes markers on one side, or waits for them on the
// other. Not for concurrent use.
type Marker struct{ conn *pgx.Conn }

// NewMarker prepares a session in an application database for markers: both statements
// are planned, so that neither costs more than a round trip later.
func NewMarker(ctx context.Context, conn *pgx.Conn) (*Marker, error) {
	if _, err := conn.Prepare(ctx, "gitover_marker_commit", "INSERT INTO gitover.marker (instance, id) VALUES ($1, $2)"); err != nil {
		return nil, fmt.Errorf("prepare marker: %w", err)
	}
	return NewMarkerWait(ctx, conn)
}

// NewMarkerWait prepares a session only for waiting, which works on a standby, too.
func NewMarkerWait(ctx context.Context, conn *pgx.Conn) (*Marker, error) {
	if _, err := conn.Prepare(ctx, "gitover_marker_await", "SELECT EXISTS (SELECT FROM gitover.marker WHERE instance = $1 AND id = $2)"); err != nil {
		return nil, fmt.Errorf("prepare marker: %w", err)
	}
	return &Marker{conn: conn}, nil
}

// Commit writes a marker of instance and returns its unique id.
func (m *Marker) Commit(ctx context.Context, instance string) (int64, error) {
	id, err := markerID()
	if err != nil {
		return 0, err
	}
	if _, err := m.conn.Exec(ctx, "gitover_marker_commit", instance, id); err != nil {
		return 0, fmt.Errorf("commit marker: %w", err)
	}
	return id, nil
}

// Await returns when the marker of instance is visible here; ctx bounds the wait.
func (m *Marker) Await(ctx context.Context, instance string, id int64) error {
	for {
		if found, err := m.has(ctx, instance, id); found || err != nil {
			return err
		}
		if err := postgres.Pause(ctx, markerPoll); err != nil {
			return fmt.Errorf("await marker: %w", err)
		}
	}
}

func (m *Marker) has(ctx context.Context, instance string, id int64) (found bool, err error) {
	if err := m.conn.QueryRow(ctx, "gitover_marker_await", instance, id).Scan(&found); err != nil {
		return false, fmt.Errorf("await marker: %w", err)
	}
	return found, nil
}

// Forget removes the markers that instance wrote before, where instance publishes.
func (m *Marker) Forget(ctx context.Context, instance string) error {
	if _, err := m.conn.Exec(ctx, "DELETE FROM gitover.marker WHERE instance = $1", instance); err != nil {
		return fmt.Errorf("remove old markers: %w", err)
	}
	return nil
}

// CommitMarker writes a marker in db of from, in a session of its own.
func CommitMarker(ctx context.Context, from postgres.Server, db string) (id int64, err error) {
	err = withMarker(ctx, from, db, func(m *Marker) error {
		id, err = m.Commit(ctx, from.Instance)
		return err
	})
	return id, err
}

// AwaitMarker waits until a marker that CommitMarker wrote on from is visible in db of to;
// ctx bounds the wait.
func AwaitMarker(ctx context.Context, from, to postgres.Server, db string, id int64) error {
	return withMarker(ctx, to, db, func(m *Marker) error { return m.Await(ctx, from.Instance, id) })
}

// HasMarker says whether a marker of instance is visible in db of s. Reads only.
func HasMarker(ctx context.Context, s postgres.Server, db, instance string, id int64) (found bool, err error) {
	err = withMarker(ctx, s, db, func(m *Marker) error {
		found, err = m.has(ctx, instance, id)
		return err
	})
	return found, err
}

func withMarker(ctx context.Context, s postgres.Server, db string, use func(*Marker) error) error {
	err := postgres.WithSession(ctx, s, db, func(conn *pgx.Conn) error {
		m, err := NewMarker(ctx, conn)
		if err != nil {
			return err
		}
		return use(m)
	})
	if err != nil {
		return fmt.Errorf("marker in %q on %s: %w", db, s.Instance, err)
	}
	return nil
}

// markerID returns a random positive number; 63 random bits do not repeat.
func markerID() (int64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(b[:]) >> 1), nil
}
