package analysis

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

//go:embed sql
var files embed.FS

var query = postgres.Queries(files)

// sql runs the check's query as the check's own role.
func (s Sources) sql(ctx context.Context, check *v1alpha1.AnalysisCheck) Result {
	spec := check.SQL
	server, err := s.Server(ctx)
	if err != nil {
		return unknown("%v", err)
	}
	secret, err := s.Secret(ctx, spec.SecretRef.Name)
	if err != nil {
		return unknown("%v", err)
	}
	if len(secret["username"]) == 0 {
		return unknown("Secret %s has no key %q; it names the role that runs the query", spec.SecretRef.Name, "username")
	}
	server.User, server.Password, server.Secret = string(secret["username"]), postgres.Password(secret["password"]), spec.SecretRef.Name
	value, err := ask(ctx, server, spec, timeoutOf(check))
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, context.DeadlineExceeded), postgres.Canceled(err):
		return unknown("no result within %s", timeoutOf(check))
	case errors.As(err, &refused):
		return unknown("PostgreSQL says: %s (SQLSTATE %s)", refused.Message, refused.Code)
	case err != nil:
		return unknown("%v", err)
	}
	return s.judgedSQL(value, check.ThresholdRange)
}

func (Sources) judgedSQL(value any, wanted *v1alpha1.ThresholdRange) Result {
	if truth, ok := value.(bool); ok && wanted == nil {
		verdict := v1alpha1.CheckPassed
		if !truth {
			verdict = v1alpha1.CheckFailed
		}
		return Result{Verdict: verdict, Value: strconv.FormatBool(truth), Wanted: "true"}
	}
	measured, err := toNumber(value)
	if err != nil {
		return unknown("%v", err)
	}
	if wanted == nil {
		return unknown("the query returns %s; set thresholdRange, or return a boolean", number(measured))
	}
	return judged(measured, wanted)
}

// ask returns the only value of the query. Whatever the query does, it can't write: the transaction can't, and is never committed.
func ask(ctx context.Context, server postgres.Server, spec *v1alpha1.SQLCheck, timeout time.Duration) (value any, err error) {
	conn, err := server.Connect(ctx, spec.Database)
	if err != nil {
		return nil, err
	}
	defer func() { // which ends the transaction, too, whatever has become of ctx
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = conn.Close(ending)
	}()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	var superuser bool
	err = tx.QueryRow(ctx, query("begin"), strconv.FormatInt(timeout.Milliseconds(), 10)).Scan(nil, nil, nil, &superuser)
	if err != nil {
		return nil, err
	}
	if superuser {
		return nil, fmt.Errorf("role %q of Secret %s is a superuser; make one that may read what the query needs, and no more", server.User, server.Secret)
	}
	rows, err := tx.Query(ctx, spec.Query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return only(rows)
}

// only value of a result.
func only(rows pgx.Rows) (value any, err error) {
	n := 0
	for rows.Next() {
		if n++; n > 1 {
			return nil, errors.New("the query returns several rows; return one")
		}
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		if len(values) != 1 {
			return nil, fmt.Errorf("the query returns %d columns; return one", len(values))
		}
		value = values[0]
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("the query returns no row")
	}
	return value, nil
}

func toNumber(value any) (float64, error) {
	switch v := value.(type) {
	case nil:
		return 0, errors.New("the query returns NULL")
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case int16:
		return float64(v), nil
	case int32:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case float32:
		return float64(v), nil
	case float64:
		return v, nil
	case pgtype.Numeric:
		f, err := v.Float64Value()
		if err != nil || !f.Valid {
			return 0, errors.New("the query returns a number that is too large")
		}
		return f.Float64, nil
	}
	return 0, errors.New("the query returns neither a number nor a boolean; cast it")
}
