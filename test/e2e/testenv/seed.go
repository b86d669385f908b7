package testenv

import (
	"context"
	_ "embed"
	"fmt"
)

//go:embed seed/awkward.sql
var awkward string

// SeedAwkward puts tables of every awkward kind into the first database of an instance.
func (a *App) SeedAwkward(ctx context.Context, instance string) error {
	return a.Run(ctx, instance, Databases[0], awkward)
}

// fingerprints of the tables that no workload writes to: rows and their contents, which a
// move between servers must not change.
const fingerprints = `
SELECT format('%s: %s rows, %s', t.name, x.rows, x.hash)
FROM (SELECT c.oid::regclass::text AS name FROM pg_class c
      WHERE c.relnamespace = 'awkward'::regnamespace AND c.relkind IN ('r', 'm')) AS t,
     LATERAL (SELECT (xpath('//n/text()', d))[1]::text AS rows, (xpath('//h/text()', d))[1]::text AS hash
              FROM query_to_xml(format('SELECT count(*) AS n, coalesce(sum(hashtextextended(r::text, 0)), 0) AS h FROM ONLY %s AS r', t.name), false, true, '') AS d) AS x
ORDER BY t.name`

// sequencesAt is where the sequences stand that no workload draws from.
const sequencesAt = `
SELECT format('%I: %s', sequencename, last_value) FROM pg_sequences WHERE schemaname = 'awkward' ORDER BY 1`

// Fingerprint of what SeedAwkward made, as an instance holds it now.
func (a *App) Fingerprint(ctx context.Context, instance string) ([]string, error) {
	tables, err := a.Strings(ctx, instance, Databases[0], fingerprints)
	if err != nil {
		return nil, fmt.Errorf("fingerprint of %s: %w", instance, err)
	}
	sequences, err := a.Strings(ctx, instance, Databases[0], sequencesAt)
	return append(tables, sequences...), err
}
