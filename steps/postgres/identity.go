package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Identity distinguishes the primary of an instance from one that replaced it: a promoted standby may lack rows
// that the former primary had confirmed.
type Identity struct {
	// System identifier of the data directory, which standbys share.
	System string
	// Timeline of the WAL; each promotion begins a new one.
	Timeline int64
}

// IdentityOf a server. Reads only.
func IdentityOf(ctx context.Context, s Server) (id Identity, err error) {
	err = WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("identity")).Scan(&id.System, &id.Timeline)
	})
	if err != nil {
		return Identity{}, fmt.Errorf("identity of %s: %w", s.Instance, err)
	}
	return id, nil
}

// Replaced says how a server differs from the one that was seen before.
func (id Identity) Replaced(before Identity) string {
	if id.System != before.System {
		return fmt.Sprintf("it has another data directory (system identifier %s, then %s)", before.System, id.System)
	}
	return fmt.Sprintf("a standby was promoted (timeline %d, then %d)", before.Timeline, id.Timeline)
}
