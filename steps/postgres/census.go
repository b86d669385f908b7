package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Census tells whether tables or sequences of a database were made or dropped, or columns added, by one
// scan of pg_class on a warm session. Other DDL isn't seen. Not for concurrent use.
type Census struct {
	conn  *pgx.Conn
	first string
}

// NewCensus counts for the first time.
func NewCensus(ctx context.Context, conn *pgx.Conn) (*Census, error) {
	c := &Census{conn: conn}
	var err error
	c.first, err = c.count(ctx)
	return c, err
}

// Changed since the first time.
func (c *Census) Changed(ctx context.Context) (bool, error) {
	now, err := c.count(ctx)
	return now != c.first, err
}

func (c *Census) count(ctx context.Context) (text string, err error) {
	if err = c.conn.QueryRow(ctx, query("census"), Schema).Scan(&text); err != nil {
		err = fmt.Errorf("count tables and sequences: %w", err)
	}
	return text, err
}
