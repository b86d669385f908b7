package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Census tells whether the tables of a database, their columns and its sequences are those that
// they were, by one scan of pg_class on a warm session. Not for concurrent use.
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

// Changed since the first time; a column's type, rows and indexes don't count.
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
