package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

const (
	defaultCalls  = 50
	defaultFactor = "2"
)

// statement of an application, as pg_stat_statements has it.
type statement struct {
	User, Text   string
	ID, Calls    int64
	Milliseconds float64
}

// statements compares what statements take on the instance that serves with what they took on the one that served before. The value
// is the factor of the statement that got worse most. The text of a statement is in no message.
func (s Sources) statements(ctx context.Context, check *v1alpha1.AnalysisCheck) Result {
	spec := check.Statements
	calls := cmp.Or(spec.MinCalls, defaultCalls)
	former, before, err := seen(ctx, s.Former, spec.Database, calls)
	if err != nil {
		return unknown("%v", err)
	}
	server, now, err := seen(ctx, s.Server, spec.Database, calls)
	if err != nil {
		return unknown("%v", err)
	}
	floor := ptr.Deref(spec.MinTime, metav1.Duration{Duration: time.Millisecond}).Duration
	worst, was, compared := slowest(before, now, float64(floor)/float64(time.Millisecond))
	if compared == 0 {
		return unknown("no statement ran at least %d times on %s and on %s in database %q", calls, former, server, spec.Database)
	}
	wanted := check.ThresholdRange
	if wanted == nil {
		wanted = &v1alpha1.ThresholdRange{Max: ptr.To(resource.MustParse(defaultFactor))}
	}
	if was == nil {
		r := judged(0, wanted)
		r.Value = fmt.Sprintf("none of %d statements takes %s or more", compared, floor)
		return r
	}
	r := judged(worst.Milliseconds/was.Milliseconds, wanted)
	r.Value += fmt.Sprintf(" times (queryid %d of %s: %s ms on average, %s ms on %s)", worst.ID, server, number(worst.Milliseconds), number(was.Milliseconds), former)
	return r
}

// slowest is the statement that got worse by the greatest factor, with what it was before, of those that take the floor or more now;
// nil if there's none. compared counts those that both have. Queryids differ between versions; user and text are the same.
func slowest(before, now []statement, floor float64) (worst, was *statement, compared int) {
	type key struct{ user, text string }
	known := make(map[key]*statement, len(before))
	for i := range before {
		known[key{before[i].User, before[i].Text}] = &before[i]
	}
	for i := range now {
		old := known[key{now[i].User, now[i].Text}]
		if old == nil || old.Milliseconds <= 0 {
			continue
		}
		compared++
		if now[i].Milliseconds < floor {
			continue
		}
		if was == nil || now[i].Milliseconds*was.Milliseconds > worst.Milliseconds*old.Milliseconds {
			worst, was = &now[i], old
		}
	}
	return worst, was, compared
}

// seen are the statements of a database that a server has seen that often, with the server's name.
func seen(ctx context.Context, of func(context.Context) (postgres.Server, error), database string, calls int32) (string, []statement, error) {
	server, err := of(ctx)
	if err != nil {
		return "", nil, err
	}
	var found []statement
	err = postgres.WithSession(ctx, server, database, func(conn *pgx.Conn) error {
		var schema string
		err := conn.QueryRow(ctx, query("statements_schema")).Scan(&schema)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("pg_stat_statements is not installed in database %q of %s; add it to shared_preload_libraries, and CREATE EXTENSION", database, server.Instance)
		}
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "SET search_path = "+postgres.Ident(schema)); err != nil {
			return err
		}
		found, err = postgres.Collect[statement](ctx, conn, query("statements"), calls)
		return err
	})
	return server.Instance, found, err
}
