package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// RefreshScope says which materialized views RefreshMaterializedViews refreshes.
type RefreshScope bool

// Scopes.
const (
	// EmptyViews only: those that a restored schema left without rows.
	EmptyViews RefreshScope = false
	// AllViews, since their rows on the other server may be newer than the last refresh here.
	AllViews RefreshScope = true
)

// materializedView of one database.
type materializedView struct {
	Name      string
	Populated bool
}

func materializedViews(ctx context.Context, conn *pgx.Conn) ([]materializedView, error) {
	return postgres.Collect[materializedView](ctx, conn, query("materialized_views"))
}

// RefreshMaterializedViews fills the materialized views of database on "to" from the replicated rows there, in the
// order of their dependencies, and empties those that aren't populated on "from". A second run does it again
// (AllViews) or continues (EmptyViews). limit bounds the refreshing of all of them (*RefreshTooLongError), not the
// login; 0 leaves it to ctx.
func RefreshMaterializedViews(ctx context.Context, from, to postgres.Server, database string, scope RefreshScope, limit time.Duration) error {
	wanted, err := populated(ctx, from, database)
	if err == nil && len(wanted) > 0 {
		err = postgres.WithSession(ctx, to, database, func(conn *pgx.Conn) error { return refreshWithin(ctx, conn, wanted, scope, limit) })
	}
	if err != nil {
		return fmt.Errorf("refresh materialized views of database %q on %s: %w", database, to.Instance, err)
	}
	return nil
}

// UnlikeViews counts the materialized views of database that are populated on only one of two servers. Reads only.
func UnlikeViews(ctx context.Context, from, to postgres.Server, database string) (unlike int, err error) {
	wanted, err := populated(ctx, from, database)
	if err != nil || len(wanted) == 0 {
		return 0, err
	}
	have, err := populated(ctx, to, database)
	for view, filled := range wanted {
		if there, known := have[view]; known && there != filled {
			unlike++
		}
	}
	return unlike, err
}

// populated says which materialized views are populated.
func populated(ctx context.Context, s postgres.Server, database string) (found map[string]bool, err error) {
	err = postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		views, err := materializedViews(ctx, conn)
		found = make(map[string]bool, len(views))
		for _, view := range views {
			found[view.Name] = view.Populated
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("materialized views of database %q on %s: %w", database, s.Instance, err)
	}
	return found, nil
}

// RefreshTooLongError is the refusal to wait for a materialized view any longer.
type RefreshTooLongError struct {
	View  string
	Limit time.Duration
}

func (e *RefreshTooLongError) Error() string {
	return fmt.Sprintf("view %s: refreshing takes longer than %s", e.View, e.Limit)
}

func refreshWithin(ctx context.Context, conn *pgx.Conn, wanted map[string]bool, scope RefreshScope, limit time.Duration) error {
	if err := postgres.WithoutTimeout(ctx, conn); err != nil {
		return err
	}
	views, err := materializedViews(ctx, conn)
	if err != nil {
		return err
	}
	limited := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	view, err := refresh(limited, conn, views, wanted, scope)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return &RefreshTooLongError{View: view, Limit: limit}
	}
	return err
}

// refresh returns the name of the view at which it failed.
func refresh(ctx context.Context, conn *pgx.Conn, views []materializedView, wanted map[string]bool, scope RefreshScope) (at string, err error) {
	for _, view := range views {
		filled, known := wanted[view.Name]
		statement := "REFRESH MATERIALIZED VIEW " + view.Name
		switch {
		case !known, !filled && !view.Populated, filled && view.Populated && scope == EmptyViews:
			continue
		case !filled:
			statement += " WITH NO DATA"
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			return view.Name, fmt.Errorf("view %s: %w", view.Name, err)
		}
	}
	return "", nil
}
