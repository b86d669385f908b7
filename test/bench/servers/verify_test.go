package servers

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres/verify"
	"github.com/gitover/gitover/test/pg"
)

// BenchmarkVerify of tables that follow, beside what a session on each side at once needs to read and hash the same
// rows: whoever compares contents has to do that, and the slower side says how fast it goes.
func BenchmarkVerify(b *testing.B) {
	cases := []struct {
		name, make string
		tables     []string
	}{
		{"2,000,000 narrow rows", `CREATE TABLE narrow (id bigint PRIMARY KEY, customer int, what text);
			INSERT INTO narrow SELECT g, g % 1000, 'row ' || g FROM generate_series(1, 2000000) g`, []string{"narrow"}},
		{"300,000 rows of 1 KiB, by UUID", `CREATE TABLE wide (id uuid PRIMARY KEY, at timestamptz, a numeric, b jsonb, c text);
			INSERT INTO wide SELECT gen_random_uuid(), now(), g / 7.0, jsonb_build_object('n', g), repeat(md5(g::text), 30) FROM generate_series(1, 300000) g`, []string{"wide"}},
		{"500,000 rows without a key", `CREATE TABLE keyless (a int, b text); ALTER TABLE keyless REPLICA IDENTITY FULL;
			INSERT INTO keyless SELECT g, md5(g::text) FROM generate_series(1, 500000) g`, []string{"keyless"}},
	}
	r := newReport(b, "verify")
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			blue, green := pg.Start(b, 15, pg.Settings{"wal_level": "logical", "max_wal_size": "4GB"}), pg.Start(b, 17, pg.Settings{"wal_level": "logical", "max_wal_size": "4GB"})
			blue.Exec("", "CREATE DATABASE orders")
			blue.Exec("orders", c.make)
			blue.Exec("orders", "VACUUM ANALYZE")
			pg.Replicate(b, blue, green, names, nil)
			pg.BuildRest(b, blue, green, names, "orders")
			green.Exec("orders", "VACUUM ANALYZE")
			for b.Loop() {
				reference := seconds(b, func() error { return scanBoth(b, c.tables, blue, green) })
				var rows int64
				took := seconds(b, func() error {
					found, err := verify.Compare(b.Context(), blue.Server, green.Server, "orders", verify.Options{})
					if rows = found.Rows; err == nil && len(found.Mismatches) > 0 {
						err = fmt.Errorf("they differ: %v", found.Mismatches)
					}
					return err
				})
				r.Against(c.name, "verification", "rows/s", float64(rows)/took, "each side's hash of its rows at once, the slower", float64(rows)/reference)
			}
		})
	}
	r.Add("all", "most memory of this process", "MiB", mostMemory(b))
	write(b, r)
}

// scanBoth sides at once.
func scanBoth(b *testing.B, tables []string, sides ...*pg.Server) error {
	group, ctx := errgroup.WithContext(b.Context())
	for _, s := range sides {
		group.Go(func() error {
			conn, err := s.Connect(ctx, "orders")
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(ctx) }()
			for _, table := range tables {
				var sum string
				err = conn.QueryRow(ctx, `SELECT sum(hashtextextended(t::text COLLATE "C", 0))::text FROM `+table+" t").Scan(&sum)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
