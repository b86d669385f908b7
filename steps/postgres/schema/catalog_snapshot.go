package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// CatalogSnapshot tells whether DDL changed a database or its server's roles, by checksums of the catalogs
// on a warm session. It ignores temporary tables, TRUNCATE and maintenance. Not for concurrent use.
type CatalogSnapshot struct {
	conn  *pgx.Conn
	first map[string]string
	mark  catalogMark
}

// setMark in a session. JIT compilation takes longer than running the statement, and behind a fence old
// minor releases refuse parallel workers.
const setMark = "SELECT set_config('gitover.counted_from', $1, false), set_config('jit', 'off', false), set_config('max_parallel_workers_per_gather', '0', false)"

// NewCatalogSnapshot sums the catalogs for the first time.
func NewCatalogSnapshot(ctx context.Context, conn *pgx.Conn) (*CatalogSnapshot, error) {
	// before the sums: DDL that commits in between causes another count, and isn't missed
	mark, err := markCatalogs(ctx, conn)
	if err != nil {
		return nil, err
	}
	first, err := count(ctx, conn)
	return &CatalogSnapshot{conn: conn, first: first, mark: mark}, err
}

// Changed names the kinds of objects that changed since the first time, in order: "columns", "views". The catalogs are
// summed again only if a row of them was written.
func (c *CatalogSnapshot) Changed(ctx context.Context) ([]string, error) {
	answer, err := touched(ctx, c.conn)
	if err != nil || answer == c.mark.answer {
		return nil, err
	}
	now, err := count(ctx, c.conn)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for kind := range now {
		if now[kind] != c.first[kind] {
			kinds = append(kinds, kind)
		}
	}
	for kind := range c.first {
		if _, stays := now[kind]; !stays { // the last of them is gone
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds, nil
}

func count(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	sums, err := postgres.Collect[struct{ Kind, Sum string }](ctx, conn, query("catalog_snapshot"))
	if err != nil {
		return nil, fmt.Errorf("sum the catalogs: %w", err)
	}
	byKind := map[string]string{}
	for _, s := range sums {
		byKind[s.Kind] = s.Sum
	}
	return byKind, nil
}

// catalogMark is a moment: queries find the rows of catalogs that were written after it. Any later session may use
// it.
type catalogMark struct {
	// since is the oldest transaction that ran then.
	since string
	// answer of catalogs_touched while no row is written.
	answer string
}

// markCatalogs makes a mark, and sets it in the session.
func markCatalogs(ctx context.Context, conn *pgx.Conn) (m catalogMark, err error) {
	if err := conn.QueryRow(ctx, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text").Scan(&m.since); err != nil {
		return m, fmt.Errorf("read the oldest running transaction: %w", err)
	}
	m.answer, err = m.ask(ctx, conn)
	return m, err
}

// ask sets the mark in a session, and runs the query.
func (m catalogMark) ask(ctx context.Context, conn *pgx.Conn) (answer string, err error) {
	if _, err := conn.Exec(ctx, setMark, m.since); err != nil {
		return "", fmt.Errorf("settings of a session: %w", err)
	}
	return touched(ctx, conn)
}

// touched runs the query for the mark that was set in the session.
func touched(ctx context.Context, conn *pgx.Conn) (answer string, err error) {
	if err := conn.QueryRow(ctx, query("catalogs_touched")).Scan(&answer); err != nil {
		return "", fmt.Errorf("look for written rows of catalogs: %w", err)
	}
	return answer, nil
}
