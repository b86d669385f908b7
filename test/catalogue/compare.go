package catalogue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/test/pg"
)

// compare waits until the other side has what the active one has, and looks for rows that differ: by the product's own
// comparison, and by ours, which shares nothing with it.
func (j *journey) compare() {
	j.t.Helper()
	j.awaitSame()
	ctx, cancel := context.WithTimeout(j.t.Context(), time.Minute)
	defer cancel()
	report, err := verify.Compare(ctx, j.active.Server, j.other.Server, database, verify.Options{})
	must(j.t, err)
	for _, m := range report.Mismatches {
		j.failed("Gitover's comparison: %s", m)
	}
	j.sameRows()
}

// awaitSame returns when the other side has what was written to the active one until now.
func (j *journey) awaitSame() {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), time.Minute)
	defer cancel()
	id, err := replication.CommitMarker(ctx, j.active.Server, database)
	must(j.t, err)
	if err := replication.AwaitMarker(ctx, j.active.Server, j.other.Server, database, id); err != nil {
		j.t.Fatalf("%s: %s doesn't get what %s wrote: %v\n%s", j.move, j.other.Instance, j.active.Instance, err, pg.LastLines(j.other.Log(), 20))
	}
}

// sameRows compares each table by the text of its rows, whatever their order.
func (j *journey) sameRows() {
	j.t.Helper()
	ours, theirs := j.rows(j.active), j.rows(j.other)
	for _, table := range slices.Sorted(maps.Keys(ours)) {
		if ours[table] != theirs[table] {
			j.failed("table %s: %d rows on %s, %d on %s, or others", table, ours[table].count, j.active.Instance, theirs[table].count, j.other.Instance)
		}
	}
	if len(ours) != len(theirs) {
		j.failed("%d tables on %s, %d on %s", len(ours), j.active.Instance, len(theirs), j.other.Instance)
	}
}

// digest of a table: the number of rows, and the sum of their hashes.
type digest struct {
	count int
	sum   uint64
}

const tablesSQL = `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')`

func (j *journey) rows(s *pg.Server) map[string]digest {
	j.t.Helper()
	ctx := j.t.Context()
	conn, err := s.Connect(ctx, database)
	must(j.t, err)
	defer conn.Close(context.WithoutCancel(ctx))
	found, err := conn.Query(ctx, tablesSQL)
	must(j.t, err)
	tables, err := pgx.CollectRows(found, pgx.RowTo[string])
	must(j.t, err)
	digests := map[string]digest{}
	for _, table := range tables {
		var text bytes.Buffer
		_, err := conn.PgConn().CopyTo(ctx, &text, fmt.Sprintf("COPY (SELECT * FROM ONLY %s) TO STDOUT", table))
		must(j.t, err)
		var d digest
		for line := range bytes.Lines(text.Bytes()) {
			sum := sha256.Sum256(line)
			d.count++
			d.sum += binary.BigEndian.Uint64(sum[:])
		}
		digests[table] = d
	}
	return digests
}

// sameSequences compares what sequences will give next. Nobody writes meanwhile.
func (j *journey) sameSequences() {
	j.t.Helper()
	read := func(s *pg.Server) map[transfer.SequenceName]transfer.SequenceValue {
		conn, err := s.Connect(j.t.Context(), database)
		must(j.t, err)
		defer conn.Close(context.WithoutCancel(j.t.Context()))
		reader, err := transfer.NewSequenceReader(j.t.Context(), conn)
		must(j.t, err)
		values, err := reader.Read(j.t.Context())
		must(j.t, err)
		return values
	}
	ours, theirs := read(j.active), read(j.other)
	for name, value := range ours {
		if theirs[name] != value {
			j.failed("sequence %v is at %v on %s, at %v on %s", name, value, j.active.Instance, theirs[name], j.other.Instance)
		}
	}
}

// sameDump compares what the newer version's pg_dump says of both schemas.
func (j *journey) sameDump() {
	j.t.Helper()
	tools := max(j.active.Major, j.other.Major)
	dump := func(s *pg.Server) []string {
		j.t.Helper()
		out := pg.Output(j.t, tools, nil, pg.Environ(s.Server, database), "pg_dump", "--schema-only",
			"--no-publications", "--no-subscriptions", "--exclude-schema=gitover")
		return normalise(out)
	}
	for _, difference := range differences(dump(j.active), dump(j.other)) {
		j.failed("pg_dump of %s and %s: %s", j.active.Instance, j.other.Instance, difference)
	}
}

var (
	// said is what a dump says of itself and of the server.
	said = regexp.MustCompile(`^(--.*|SET .*|\\(un)?restrict .*|SELECT pg_catalog\.set_config.*|)$`)
	// note is one that late minor releases keep among a column's options, and only their own pg_dump leaves out.
	note = regexp.MustCompile(`^ALTER TABLE .* SET \(pg_attver=\d+\);$|pg_attver=\d+, |, pg_attver=\d+`)
	// notNullName is what versions from 18 on call a constraint that has no name before.
	// castArray is a cast of a whole array of literals, which after a restore is one of each: castOne are these.
	castArray   = regexp.MustCompile(`\(ARRAY\[('(?:[^']|'')*'::[\w ]+(?:\(\d+\))?(?:, '(?:[^']|'')*'::[\w ]+(?:\(\d+\))?)*)\]\)::([\w ]+)\[\]`)
	castOne     = regexp.MustCompile(`'(?:[^']|'')*'::[\w ]+(?:\(\d+\))?`)
	notNullName = regexp.MustCompile(` CONSTRAINT (?:\w+|"(?:[^"]|"")*") NOT NULL`)
)

// normalise is the lines of a dump, in order, without what differs between servers that mean the same. README.md lists it.
func normalise(dump string) []string {
	var lines []string
	for line := range strings.Lines(dump) {
		line = note.ReplaceAllString(strings.TrimRight(line, "\n"), "")
		if !said.MatchString(line) {
			lines = append(lines, castEach(notNullName.ReplaceAllString(line, " NOT NULL")))
		}
	}
	return lines
}

// castEach writes casts of arrays as arrays of casts.
func castEach(line string) string {
	return castArray.ReplaceAllStringFunc(line, func(found string) string {
		m := castArray.FindStringSubmatch(found)
		return "ARRAY[" + castOne.ReplaceAllString(m[1], "($0)::"+m[2]) + "]"
	})
}

// differences are the first few lines that only one side has.
func differences(a, b []string) []string {
	const most = 4
	count := map[string]int{}
	for _, line := range a {
		count[line]++
	}
	for _, line := range b {
		count[line]--
	}
	var found []string
	for _, line := range slices.Sorted(maps.Keys(count)) {
		switch n := count[line]; {
		case n > 0:
			found = append(found, "only the first says: "+line)
		case n < 0:
			found = append(found, "only the second says: "+line)
		}
	}
	if len(found) > most {
		found = append(found[:most], fmt.Sprintf("and %d more", len(found)-most))
	}
	if len(found) == 0 && !slices.Equal(a, b) {
		found = []string{"the same lines in another order"}
	}
	return found
}
