package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Census tells whether DDL changed a database or its server's roles, by sums over the catalogs on a
// warm session. What temporary tables, TRUNCATE and maintenance do isn't seen. Not for concurrent use.
type Census struct {
	conn  *pgx.Conn
	first map[string]string
}

// censusSettings: compiling the statement takes longer than running it, and behind a fence old minor
// releases refuse a query its parallel workers.
const censusSettings = "SET jit = off; SET max_parallel_workers_per_gather = 0"

// NewCensus counts for the first time.
func NewCensus(ctx context.Context, conn *pgx.Conn) (*Census, error) {
	if _, err := conn.Exec(ctx, censusSettings); err != nil {
		return nil, fmt.Errorf("settings of a session: %w", err)
	}
	c := &Census{conn: conn}
	var err error
	c.first, err = c.count(ctx)
	return c, err
}

// Changed names the kinds of things that are others than the first time, in order: "columns", "views".
func (c *Census) Changed(ctx context.Context) ([]string, error) {
	now, err := c.count(ctx)
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

func (c *Census) count(ctx context.Context) (map[string]string, error) {
	sums, err := collect[struct{ Kind, Sum string }](ctx, c.conn, query("census"))
	if err != nil {
		return nil, fmt.Errorf("sum the catalogs: %w", err)
	}
	byKind := map[string]string{}
	for _, s := range sums {
		byKind[s.Kind] = s.Sum
	}
	return byKind, nil
}
