package ledger

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// outcomeOf an error that a statement without an explicit transaction, or a COMMIT, ended
// with. Only an answer of severity ERROR, or the certainty that nothing was sent, proves
// that nothing was committed.
func outcomeOf(err error) Outcome {
	if err == nil || errors.Is(err, errWrongCount) {
		return Acknowledged
	}
	// pgx 5.12 says "conn closed", and that it is safe to retry, also when the server hung up
	// instead of answering: https://github.com/jackc/pgx, MultiResultReader.NextResult drops the error
	// of its first look. No transaction of a client begins on a closed connection.
	if errors.Is(err, pgconn.ErrConnClosed) {
		return Unknown
	}
	if errors.Is(err, pgx.ErrTxCommitRollback) || pgconn.SafeToRetry(err) {
		return Refused
	}
	var answer *pgconn.PgError
	if errors.As(err, &answer) && answer.Severity == "ERROR" && !strings.HasPrefix(answer.Code, "08") && answer.Code != "40003" {
		return Refused
	}
	return Unknown
}

// errWrongCount: an acknowledged write met no row, or several. The client's own book says
// that there must be exactly one, so this is a loss or a doubling that shows at once.
var errWrongCount = errors.New("wrong number of rows")
