package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// standbyReader reads blue's rows where nobody waits for them.
type standbyReader struct {
	conn *pgx.Conn
	// sees waits for a marker on the standby.
	sees *replication.Marker
}

// sameCluster is an error if a server isn't a standby of another, or the other itself. A nil standby is fine.
func sameCluster(ctx context.Context, primary postgres.Server, standby *postgres.Server) error {
	if standby == nil {
		return nil
	}
	of, err := postgres.IdentityOf(ctx, primary)
	if err != nil {
		return err
	}
	id, err := postgres.IdentityOf(ctx, *standby)
	if err != nil {
		return fmt.Errorf("the standby to compare rows on: %w", err)
	}
	if id.System != of.System {
		return fmt.Errorf("%s is no standby of %s: its system identifier is %s, not %s; correct limits.verifyStandby or leave it out",
			standby.Address(), primary.Instance, id.System, of.System)
	}
	return nil
}

// withStandby runs do with a session on the standby, if there is one.
func (v *verifier) withStandby(ctx context.Context, database string, do func() error) error {
	if v.options.Standby == nil {
		return do()
	}
	return postgres.WithSession(ctx, *v.options.Standby, database, func(conn *pgx.Conn) error {
		if err := postgres.WithoutTimeout(ctx, conn); err != nil {
			return err
		}
		sees, err := replication.NewMarkerWait(ctx, conn)
		if err != nil {
			return err
		}
		v.standby = &standbyReader{conn, sees}
		return do()
	})
}

// settledByStandby says whether green has what a standby of blue has, which has replayed all that blue had committed
// when it was asked; the rows are counted then. What isn't settled has to be compared with blue itself: also where the
// standby cancels the query, since it holds up its replay, or has no such table yet.
func (v *verifier) settledByStandby(ctx context.Context, t verifiedTable, sql string) (settled bool, err error) {
	if v.standby == nil {
		return false, nil
	}
	if err := v.reaches(ctx, v.standby.sees); err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = fmt.Errorf("the standby %s doesn't replay within %s what %s commits: %w", v.options.Standby.Address(), v.options.Patience, v.blueName, err)
		}
		return false, err
	}
	there, err := readDigests(ctx, v.standby.conn, sql)
	if postgres.RecoveryConflict(err) || postgres.NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	green, err := v.onGreen(ctx, sql)
	if postgres.NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rows := there[0].Count
	if green.equals(there) {
		settled = true
		v.count(t, rows)
		v.report.OnStandby += rows
	}
	return settled, v.pace(ctx, rows)
}
