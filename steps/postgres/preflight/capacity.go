package preflight

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Capacity is a setting of blue, and what the upgrade needs it to be.
type Capacity struct {
	Setting            string
	Configured, Needed int64
}

// tooLow is the evidence of the rule "capacity": the settings that aren't enough.
var tooLow = `SELECT c.name, c.setting || ', needed ' || c.need, format('ALTER SYSTEM SET %I = %s;', c.name, c.need)
FROM (` + "\n" + query("capacity") + `) AS c(name, setting, need) WHERE c.setting < c.need`

// CapacityOf blue for the upgrade that is planned. Reads only.
func CapacityOf(ctx context.Context, blue postgres.Server, req Request) (needs []Capacity, err error) {
	p := pass{request: req}
	err = postgres.WithSession(ctx, blue, "", func(conn *pgx.Conn) error {
		if err := p.tell(ctx, conn); err != nil {
			return err
		}
		needs, err = postgres.Collect[Capacity](ctx, conn, query("capacity"))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("capacity of %s: %w", blue.Instance, err)
	}
	return needs, nil
}
