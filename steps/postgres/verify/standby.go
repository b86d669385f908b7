package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// standbyReader reads blue's rows on a standby, where that disturbs no application.
type standbyReader struct {
	conn *pgx.Conn
	// sees waits for a marker to appear on the standby.
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

// equalOnStandby says whether green has the same rows as a standby of blue, after the standby has replayed
// everything that blue had committed before; the rows are counted then. Otherwise they have to be compared with blue
// itself: also if the standby cancels the query because it delays its replay, or doesn't have the table yet.
func (v *verifier) equalOnStandby(ctx context.Context, t verifiedTable, sql string) (equal bool, err error) {
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
		equal = true
		v.count(t, rows)
		v.report.OnStandby += rows
	}
	return equal, v.pace(ctx, rows)
}
