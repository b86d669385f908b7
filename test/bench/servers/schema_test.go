package servers

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

const (
	manyTables    = 5_000
	manySequences = 10_000
)

// manyObjects have as many sequences again as those of the tables' identity columns.
func manyObjects(s *pg.Server, condition string) {
	pg.ManyTables(s, manyTables, condition)
	for first := manyTables; first < manySequences; first += 1000 {
		s.Exec("orders", fmt.Sprintf("DO $$ BEGIN FOR i IN %d..%d LOOP EXECUTE 'CREATE SEQUENCE s' || i; END LOOP; END $$", first, first+999))
	}
}

// BenchmarkSchemas of 5,000 tables and 10,000 sequences, as they are on 15 and, once restored, on 17.
func BenchmarkSchemas(b *testing.B) {
	blue, green := pg.Start(b, 15, pg.Settings{"wal_level": "logical", "max_locks_per_transaction": "512"}), pg.Start(b, 17, nil)
	manyObjects(blue, "s IN (''new'', ''paid'')")
	manyObjects(green, "s::text = ANY (ARRAY[(''new''::varchar)::text, (''paid''::varchar)::text])")
	for b.Loop() {
		measureSchemas(b, blue, green)
	}
}

func measureSchemas(b *testing.B, blue, green *pg.Server) {
	ctx, r := b.Context(), newReport(b, "schema")
	size := fmt.Sprintf("%d tables, %d sequences", manyTables, manySequences)
	const dump = "pg_dump --schema-only of the one side"
	reference := seconds(b, func() error {
		pg.Output(b, 17, nil, pg.Environ(blue.Server, "orders"), "pg_dump", "--schema-only", "--file=/dev/null")
		return nil
	})
	check := func(s postgres.Server) error {
		_, err := preflight.Check(ctx, s, preflight.Request{Target: 17, Databases: []string{"orders"}, Names: names, RollbackPath: true})
		return err
	}
	r.Against(size, "check", "s", seconds(b, func() error { return check(blue.Server) }), dump, reference)
	r.Add(size, "check", "round trips", roundTrips(b, blue.Server, check))
	compare := func(when string) {
		r.Against(size, "comparison, "+when, "s", seconds(b, func() error {
			drift, err := schema.Compare(ctx, blue.Server, green.Server, "orders", schema.Whole)
			if err == nil && len(drift.Differences) > 0 {
				err = fmt.Errorf("they differ: %q", drift.Differences[:1])
			}
			return err
		}), dump, reference)
	}
	compare("the first time")
	compare("unchanged")
	r.Against(size, "sequences copied on warm sessions", "s", sequences(b, blue, green), dump, reference)
	r.Add(size, "most memory of this process", "MiB", mostMemory(b))
	write(b, r)
}

// sequences is how long a switch takes to read them all and set those that moved, once its sessions are warm.
func sequences(b *testing.B, blue, green *pg.Server) (took float64) {
	session := func(s *pg.Server) *pgx.Conn {
		conn, err := s.Connect(b.Context(), "orders")
		must(b, err)
		b.Cleanup(func() { must(b, conn.Close(context.Background())) })
		return conn
	}
	reader, err := transfer.NewSequenceReader(b.Context(), session(blue))
	must(b, err)
	for n := 1; n < reader.Sessions(); n++ {
		reader.ReadOn(session(blue))
	}
	writer, err := transfer.NewSequenceWriter(b.Context(), session(green))
	must(b, err)
	was, err := reader.Read(b.Context())
	must(b, err)
	must(b, writer.Set(b.Context(), was))
	blue.Exec("orders", "SELECT setval(oid, 7) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace AND oid::bigint % 10 = 0")
	return seconds(b, func() error {
		is, err := reader.Read(b.Context())
		if err != nil {
			return err
		}
		return writer.Set(b.Context(), transfer.MovedSequences(was, is))
	})
}
