package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Progress of the initial copy of one database. Bytes are those of the tables on blue,
// without indexes.
type Progress struct {
	TablesTotal, TablesCopied int
	BytesTotal, BytesCopied   int64
}

// tableSize is one table by qualified name.
type tableSize struct {
	Table string
	Bytes int64
	// State as pg_subscription_rel has it, on green.
	State string
}

// CopyProgress compares the published tables of blue with those that the subscription on green
// has copied. A table that is being copied counts with its size on green so far.
func CopyProgress(ctx context.Context, blue, green postgres.Server, database string, n postgres.Names) (Progress, error) {
	total, err := tableSizes(ctx, blue, database, "published_tables", n.Publication())
	if err != nil {
		return Progress{}, err
	}
	copied, err := tableSizes(ctx, green, database, "subscribed_tables", n.Subscription(database, green.Instance))
	if err != nil {
		return Progress{}, err
	}
	return progress(total, copied), nil
}

func progress(total, copied []tableSize) (p Progress) {
	there := map[string]tableSize{}
	for _, t := range copied {
		there[t.Table] = t
	}
	for _, t := range total {
		p.TablesTotal++
		p.BytesTotal += t.Bytes
		switch c := there[t.Table]; c.State {
		case "f", "s", "r":
			p.TablesCopied++
			p.BytesCopied += t.Bytes
		case "d":
			p.BytesCopied += min(c.Bytes, t.Bytes)
		}
	}
	return p
}

func tableSizes(ctx context.Context, s postgres.Server, database, file, name string) (sizes []tableSize, err error) {
	err = postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		sizes, err = postgres.Collect[tableSize](ctx, conn, query(file), name, postgres.Schema)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("table sizes in database %q of %s: %w", database, s.Instance, err)
	}
	return sizes, nil
}
