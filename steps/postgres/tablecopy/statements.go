package tablecopy

import (
	"fmt"
	"strings"

	"github.com/gitover/gitover/steps/postgres"
)

// settings of a session on the source. Rows are read in the order of the disk, so that they lie in it on the target, too.
func sourceSettings(encoding string) string {
	return commonSettings(encoding) + "; SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0"
}

// settings of a session on the target. Its commits don't wait for the disk: what a crash takes back, it takes back with the mark that it was
// done. Triggers and foreign keys don't fire.
func targetSettings(encoding string) string {
	return commonSettings(encoding) + "; SET synchronous_commit = off; SET session_replication_role = replica; SET check_function_bodies = off"
}

func commonSettings(encoding string) string {
	return postgres.TextSettings[1:] + "; SET search_path = ''; SET standard_conforming_strings = on; SET jit = off; SET client_min_messages = warning; SET client_encoding = " +
		postgres.Literal(encoding) + "; " + noticed + lasting
}

// noticed: the server ends what a session does whose machine is gone or can't be reached, within half a minute.
const noticed = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4; "

// lasting sessions are ended by no clock of the server.
const lasting = `SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
WHERE name IN ('transaction_timeout', 'idle_session_timeout', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')`

// beginSource opens a transaction at a moment, locks the tables of a batch against what a SELECT can't run beside, and returns the names of
// those whose file isn't that of the moment any more, if that matters.
func beginSource(snapshot string, batch []part, files map[uint32]int64, check bool) string {
	var names, found []string
	for _, p := range batch {
		names = append(names, "ONLY "+p.Name)
		if check || p.sliced() {
			found = append(found, fmt.Sprintf("(%d::oid, %d::bigint, %s)", p.Source, files[p.Source], postgres.Literal(p.Name)))
		}
	}
	sql := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT " + postgres.Literal(snapshot) +
		"; LOCK TABLE " + strings.Join(names, ", ") + " IN ACCESS SHARE MODE"
	if len(found) > 0 {
		sql += "; SELECT name FROM (VALUES " + strings.Join(found, ", ") + ") AS v (oid, file, name) WHERE pg_catalog.pg_relation_filenode(oid)::bigint IS DISTINCT FROM file"
	}
	return sql
}

// out reads a batch.
func out(batch []part) string {
	var statements []string
	for _, p := range batch {
		from := p.Name
		if len(p.Columns) > 0 {
			from += " (" + p.columns() + ")"
		}
		if p.sliced() {
			from = "(SELECT " + p.columns() + " FROM ONLY " + p.Name + " WHERE " + p.where() + ")"
		}
		statements = append(statements, "COPY "+from+" TO STDOUT WITH (FORMAT "+p.format()+")")
	}
	return strings.Join(append(statements, "COMMIT"), "; ")
}

// where a part's rows are.
func (p part) where() string {
	where := fmt.Sprintf("ctid >= '(%d,0)'::pg_catalog.tid", p.First)
	if p.End >= 0 {
		where += fmt.Sprintf(" AND ctid < '(%d,0)'::pg_catalog.tid", p.End)
	}
	return where
}

// renewed: the table gets a new file, for frozen rows.
func (p part) renewed() bool {
	return !p.sliced() && p.Emptied && (p.Extension || p.Bytes >= smallTable)
}

// in writes a batch and marks it done, in one transaction. It fails if a part is done, or its table's moment is another one by now.
func in(batch []part, moment string) string {
	statements := []string{"BEGIN"}
	var renew []string
	for _, p := range batch {
		switch {
		case p.renewed():
			renew = append(renew, "ONLY "+p.Name)
		case p.Extension && !p.sliced():
			statements = append(statements, "DELETE FROM ONLY "+p.Name)
		}
	}
	if len(renew) > 0 {
		statements = append(statements, "TRUNCATE "+strings.Join(renew, ", "))
	}
	for _, p := range batch {
		to := p.Name
		if len(p.Columns) > 0 {
			to += " (" + p.columns() + ")"
		}
		freeze := ""
		if p.renewed() {
			freeze = ", FREEZE"
		}
		statements = append(statements, "COPY "+to+" FROM STDIN WITH (FORMAT "+p.format()+freeze+")")
	}
	return strings.Join(append(statements, done(batch, moment), "COMMIT"), "; ")
}

// taken begins what the target says when a part can't be marked.
const taken = "gitover copy: the part is done already, or begun again: "

// done marks the parts of a batch; it fails unless it has marked each.
func done(batch []part, moment string) string {
	and := ""
	if batch[0].sliced() {
		and = " AND p.moment = " + postgres.Literal(moment)
	}
	return fmt.Sprintf(`WITH marked AS (UPDATE gitover.copy_part AS p SET done = true, moment = %s FROM (VALUES %s) AS v (relation, part)
WHERE p.relation = v.relation AND p.part = v.part AND NOT p.done%s RETURNING 1) SELECT CASE count(*) WHEN %d THEN 0 ELSE (%s || count(*))::int END FROM marked`,
		postgres.Literal(moment), values(batch), and, len(batch), postgres.Literal(taken))
}

// countDone of the parts of a batch, of which those of a divided table count only at this moment.
func countDone(batch []part, moment string) string {
	and := ""
	if batch[0].sliced() {
		and = " AND p.moment = " + postgres.Literal(moment)
	}
	return fmt.Sprintf("SELECT count(*) FROM gitover.copy_part AS p JOIN (VALUES %s) AS v (relation, part) ON p.relation = v.relation AND p.part = v.part WHERE p.done%s",
		values(batch), and)
}

func values(batch []part) string {
	var parts []string
	for _, p := range batch {
		parts = append(parts, fmt.Sprintf("(%d::oid, %d)", p.Target, p.Number))
	}
	return strings.Join(parts, ", ")
}

// plural of a number of things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
