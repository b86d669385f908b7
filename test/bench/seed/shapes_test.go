package seed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/test/pg"
)

// shape is a database of a kind.
type shape struct {
	name string
	make func(b *testing.B, s *pg.Server, mebibytes int)
	// floor: its tables are few enough for a stream each.
	floor bool
}

const database = "shop"

var shapes = []shape{
	{"one large table", func(_ *testing.B, s *pg.Server, mebibytes int) {
		s.Exec(database, "CREATE TABLE large (id bigint, customer int, at timestamptz, amount numeric(12,2), note text)")
		fill(s, "large", mebibytes*8700, "SELECT g, g %% 50000, timestamptz '2020-01-01' + g * interval '1 s', (g %% 100000) / 7.0, md5(g::text) || ' note' FROM generate_series(%d, %d) g")
		s.Exec(database, "ALTER TABLE large ADD PRIMARY KEY (id)")
	}, true},
	{"wide rows", func(_ *testing.B, s *pg.Server, mebibytes int) {
		s.Exec(database, "CREATE TABLE wide (id bigint, document text, blob bytea)")
		// texts compress to about a half; the bytes don't
		fill(s, "wide", mebibytes*30, `SELECT g, (SELECT string_agg(md5((g::bigint * i)::text) || ' some words that come again', '') FROM generate_series(1, 500) i),
			(SELECT decode(string_agg(md5((g + i)::text), ''), 'hex') FROM generate_series(1, 900) i) FROM generate_series(%d, %d) g`)
		s.Exec(database, "ALTER TABLE wide ADD PRIMARY KEY (id)")
	}, true},
	{"index-heavy", func(_ *testing.B, s *pg.Server, mebibytes int) {
		s.Exec(database, "CREATE TABLE heavy (id bigint, customer int, at timestamptz, code uuid, name text, state smallint)")
		fill(s, "heavy", mebibytes*4200, "SELECT g, (g::bigint * 7919) %% 100000, timestamptz '2020-01-01' + ((g::bigint * 31) %% 1000000) * interval '1 min', md5(g::text)::uuid, md5((g::bigint * 3)::text), g %% 5 FROM generate_series(%d, %d) g")
		s.Exec(database, "ALTER TABLE heavy ADD PRIMARY KEY (id); CREATE INDEX ON heavy (customer, at); CREATE INDEX ON heavy (at); CREATE UNIQUE INDEX ON heavy (code); CREATE INDEX ON heavy (name); CREATE INDEX ON heavy (lower(name), state)")
	}, true},
	{"partitions", func(_ *testing.B, s *pg.Server, mebibytes int) {
		s.Exec(database, "CREATE TABLE events (id bigint, customer int, at timestamptz, what text) PARTITION BY HASH (id)")
		for i := range 32 {
			s.Exec(database, fmt.Sprintf("CREATE TABLE events_%d PARTITION OF events FOR VALUES WITH (MODULUS 32, REMAINDER %d)", i, i))
		}
		fill(s, "events", mebibytes*8300, "SELECT g, g %% 1000, timestamptz '2020-01-01' + g * interval '1 s', md5(g::text) FROM generate_series(%d, %d) g")
		s.Exec(database, "ALTER TABLE events ADD PRIMARY KEY (id); CREATE INDEX ON events (customer)")
	}, true},
	{"500 tables", func(_ *testing.B, s *pg.Server, mebibytes int) { many(s, 500, max(mebibytes*8, 100)) }, false},
	{"5,000 tables", func(_ *testing.B, s *pg.Server, _ int) { many(s, 5000, 100) }, false},
}

// fill so many rows, a million in a transaction.
func fill(s *pg.Server, table string, rows int, query string) {
	for first := 1; first <= rows; first += 1_000_000 {
		s.Exec(database, "INSERT INTO "+table+" "+fmt.Sprintf(query, first, min(first+999_999, rows)))
	}
}

// many tables with a key and an index.
func many(s *pg.Server, tables, rows int) {
	for first := 0; first < tables; first += 100 {
		s.Exec(database, fmt.Sprintf(`DO $do$ BEGIN FOR i IN %d..%d LOOP
			EXECUTE format('CREATE TABLE t%%s (id int, a int, at timestamptz, t text)', i);
			EXECUTE format('INSERT INTO t%%s SELECT g, g %%%% 10, now(), md5(g::text) FROM generate_series(1, %d) g', i);
			EXECUTE format('ALTER TABLE t%%s ADD PRIMARY KEY (id)', i); EXECUTE format('CREATE INDEX ON t%%s (a)', i); END LOOP; END $do$`, first, first+99, rows))
	}
}

// sum of what is in a database: tables, their rows and indexes, for a look that each contestant has brought everything.
func sum(s *pg.Server) string {
	return strings.TrimSpace(s.Query(database, `SELECT string_agg(n || ' ' || kind, ', ' ORDER BY kind) FROM (SELECT count(*) AS n, relkind::text AS kind FROM pg_class c
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'i', 'I') AND relname NOT LIKE 'load%' GROUP BY 2
		UNION ALL SELECT sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM ONLY %I', relname), false, true, '')))[1]::text::bigint)::bigint, 'rows'
		FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'load%') k`))
}
