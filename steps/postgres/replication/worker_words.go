package replication

import (
	"context"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// WorkerWords is PostgreSQL's last error of a subscription's worker; empty if the server's log isn't a file of
// its own, has no error, or isn't in English.
func WorkerWords(ctx context.Context, subscriber postgres.Server, database, name string) string {
	var origin string
	var tail []byte
	err := postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("log_tail"), name).Scan(&origin, &tail)
	})
	if err != nil { // the error text is only a help; the trouble is reported without it, too
		return ""
	}
	return lastWords(strings.ToValidUTF8(string(tail), "?"), origin)
}

// aboutReplication are errors that are logged without the origin's name, or before there is one. An
// application's errors, which may hold its data, match neither.
var aboutReplication = regexp.MustCompile(`^(logical replication |could not (connect to the publisher|receive data from WAL stream|start WAL streaming))`)

// lastWords of a worker in a log: the first line of a message only, since the details of an error hold data.
func lastWords(log, origin string) (words string) {
	mine, last := `replication origin "`+origin+`"`, ""
	for line := range strings.Lines(log) {
		if _, message, found := strings.Cut(line, "ERROR:  "); found {
			last = strings.TrimSpace(message)
			if aboutReplication.MatchString(last) {
				words = last
			}
			continue
		}
		if _, context, found := strings.Cut(line, "CONTEXT:  "); found && last != "" && strings.Contains(context, mine) {
			words = last
		}
	}
	return words
}
