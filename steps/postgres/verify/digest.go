package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// verifiedTable is one table with its columns. Without Key a row is identified by all its
// columns.
type verifiedTable struct {
	Schema, Table string
	Columns, Key  []string
	// Slice is a column of integers, or of UUIDs, that leads a unique index, Estimate the number of rows as the planner
	// knows it, and Size in bytes.
	Slice          string
	SliceUUID      bool
	Estimate, Size int64
	// KeyShown: the key's values may be shown to people who may not see rows.
	KeyShown bool
	// lower and upper end of the range of Slice that is compared, without the upper one itself; nil if open.
	lower, upper *int64
	// sample: others of the table's ranges aren't compared.
	sample bool
}

func (t verifiedTable) name() string { return postgres.Ident(t.Schema, t.Table) }

// rowDigest sums up a group of rows, independent of their order. Version changes with every
// write to one of them, also if the contents are the same afterwards.
type rowDigest struct {
	Group, Count, Hash, Version int64
}

// A hash of a row's text: the session's settings make it the same on every version. The hash
// function is PostgreSQL's own, the same since 11 on machines of one byte order.
func hashOf(columns []string, seed int) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = "t." + postgres.Ident(c)
	}
	return fmt.Sprintf(`hashtextextended(ROW(%s)::text COLLATE "C", %d)`, strings.Join(quoted, ", "), seed)
}

// key is the hash that identifies a row.
func (t verifiedTable) key() string { return t.keyHash(1) }

// keyHash of a row's key, of all its columns if it has none.
func (t verifiedTable) keyHash(seed int) string {
	if len(t.Key) == 0 {
		return hashOf(t.Columns, seed)
	}
	return hashOf(t.Key, seed)
}

// selection is the part of a table that still has to be compared: rows whose groups were chosen, one grouping after
// the other.
type selection struct {
	filter string
	args   []any
}

// group puts each remaining row into one of n groups by its key, each time by another hash of the key.
func (l selection) group(t verifiedTable, n int64) string {
	return fmt.Sprintf("mod(%s, %d)", t.keyHash(1+len(l.args)), n)
}

// narrowed to some of its groups.
func (l selection) narrowed(t verifiedTable, n int64, groups []int64) selection {
	return l.and(l.group(t, n), groups)
}

// and: only rows for which the expression is one of the values. A subquery is hashed on every version, an array isn't.
func (l selection) and(expression string, values []int64) selection {
	next := selection{args: append(slices.Clip(l.args), values)}
	next.filter = fmt.Sprintf("%s IN (SELECT unnest($%d::bigint[]))", expression, len(next.args))
	if l.filter != "" {
		next.filter = l.filter + " AND " + next.filter
	}
	return next
}

// prime below 2^63, by which sums of hashes are taken.
const prime = 9223372036854775783

// sum is the query for one digest of all rows, which takes little more time than reading them: it doesn't read the
// version, which matters only for rows that differ.
func (t verifiedTable) sum() string {
	return fmt.Sprintf("SELECT 0::bigint, count(*), coalesce(mod(sum(%s), %d), 0)::bigint, 0::bigint FROM ONLY %s AS t%s",
		hashOf(t.Columns, 0), int64(prime), t.name(), t.where(""))
}

// digests is the query for one digest a group, of the rows that filter selects (all if
// empty). With OFFSET 0 a row is hashed only once, for two sums.
func (t verifiedTable) digests(group, filter string) string {
	return fmt.Sprintf(`SELECT g, count(*), mod(sum(h), %[1]d)::bigint, mod(sum(hashint8extended(h, x)), %[1]d)::bigint
FROM (SELECT %[2]s AS g, %[3]s AS h, t.xmin::text::bigint AS x FROM ONLY %[4]s AS t%[5]s OFFSET 0) AS r GROUP BY g`,
		int64(prime), group, hashOf(t.Columns, 0), t.name(), t.where(filter))
}

// count is the query for the number of rows, as a digest.
func (t verifiedTable) count() string {
	return "SELECT 0::bigint, count(*), 0::bigint, 0::bigint FROM ONLY " + t.name()
}

// nameOf is the query for the name of a row: its key if that may be shown, or else its ctid; ” when
// it isn't there.
func (t verifiedTable) nameOf() string {
	place := "t.ctid::text"
	if t.KeyShown {
		list := make([]string, len(t.Key))
		for i, c := range t.Key {
			list[i] = "t." + postgres.Ident(c)
		}
		place = fmt.Sprintf("ROW(%s)::text", strings.Join(list, ", "))
	}
	return fmt.Sprintf("SELECT coalesce((SELECT %s FROM ONLY %s AS t WHERE %s = $1 LIMIT 1), '')", place, t.name(), t.key())
}

// words for a row that differs. Many people read conditions and events, so they hold no
// contents: a key that isn't a number or UUID is shown as a hash.
func (t verifiedTable) words(place string, key int64) string {
	switch {
	case t.KeyShown:
		return "row " + place
	case len(t.Key) > 0:
		return fmt.Sprintf("row with key hash %08x at ctid %s", uint64(key)>>32, place)
	}
	return "row at ctid " + place
}

// reading holds the digests of one moment by group.
type reading map[int64]rowDigest

// comparison is green's reading between two of blue's.
type comparison struct{ before, green, after reading }

// equal reads blue, waits until green has everything of that, and reads green: it returns how many rows blue
// has, and whether green has the same. Later writes to blue don't invalidate that.
func (v *verifier) equal(ctx context.Context, t verifiedTable) (rows int64, same bool, err error) {
	before, err := readDigests(ctx, v.blue, t.sum())
	if err != nil {
		return 0, false, err
	}
	rows = before[0].Count
	green, err := v.onGreen(ctx, t.sum())
	if err != nil {
		return 0, false, err
	}
	return rows, green.equals(before), v.pace(ctx, rows)
}

// read reads blue, waits until green has everything of that, reads green, and reads blue again; then it waits as long
// as the pace requires for that many rows, or for those that it found if 0.
func (v *verifier) read(ctx context.Context, rows int64, sql string, args ...any) (c comparison, err error) {
	if c.before, err = readDigests(ctx, v.blue, sql, args...); err != nil {
		return c, err
	}
	rows = cmp.Or(rows, c.before[0].Count)
	if c.green, err = v.onGreen(ctx, sql, args...); err != nil {
		return c, err
	}
	if c.green.equals(c.before) {
		c.after = c.before
		return c, v.pace(ctx, rows)
	}
	if c.after, err = readDigests(ctx, v.blue, sql, args...); err != nil {
		return c, err
	}
	return c, v.pace(ctx, 2*rows)
}

// onGreen reads green once it has applied everything that blue has committed until now.
func (v *verifier) onGreen(ctx context.Context, sql string, args ...any) (reading, error) {
	if err := v.barrier(ctx); err != nil {
		return nil, err
	}
	return readDigests(ctx, v.green, sql, args...)
}

func readDigests(ctx context.Context, conn *pgx.Conn, sql string, args ...any) (reading, error) {
	found, err := postgres.Collect[rowDigest](ctx, conn, sql, args...)
	if err != nil {
		return nil, err
	}
	r := make(reading, len(found))
	for _, d := range found {
		r[d.Group] = d
	}
	return r, nil
}

// rows in the groups, on the side that has more.
func (c comparison) rows(groups []int64) (n int64) {
	for _, g := range groups {
		n += max(c.before[g].Count, c.green[g].Count, c.after[g].Count)
	}
	return n
}

// equals says whether both have the same rows in every group.
func (r reading) equals(other reading) bool {
	if len(r) != len(other) {
		return false
	}
	for group, d := range r {
		o, ok := other[group]
		if !ok || o.Count != d.Count || o.Hash != d.Hash {
			return false
		}
	}
	return true
}

// judge returns the groups that differ on green although they didn't change on blue, and those
// that are hot: they changed on blue, so nothing is known about them.
func (c comparison) judge() (suspects, hot []int64) {
	seen := map[int64]bool{}
	for _, r := range []reading{c.before, c.green, c.after} {
		for group := range r {
			if seen[group] {
				continue
			}
			seen[group] = true
			before, green, after := c.before[group], c.green[group], c.after[group]
			switch {
			case before != after:
				hot = append(hot, group)
			case before.Count != green.Count || before.Hash != green.Hash:
				suspects = append(suspects, group)
			}
		}
	}
	return suspects, hot
}
