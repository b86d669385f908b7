package verify

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"golang.org/x/time/rate"
)

const nasty = `we"ird '\ $1`

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestADigestQueryDependsOnNothingButTheRows(t *testing.T) {
	table := verifiedTable{Schema: "s", Table: nasty, Columns: []string{"id", "b"}, Key: []string{"id"}}
	same(t, table.digests(selection{}.group(table, 64), ""), `SELECT g, count(*), mod(sum(h), 9223372036854775783)::bigint, mod(sum(hashint8extended(h, x)), 9223372036854775783)::bigint
FROM (SELECT mod(hashtextextended(ROW(t."id")::text COLLATE "C", 1), 64) AS g, hashtextextended(ROW(t."id", t."b")::text COLLATE "C", 0) AS h, t.xmin::text::bigint AS x FROM ONLY "s"."we""ird '\ $1" AS t OFFSET 0) AS r GROUP BY g`)
	same(t, table.sum(), `SELECT 0::bigint, count(*), coalesce(mod(sum(hashtextextended(ROW(t."id", t."b")::text COLLATE "C", 0)), 9223372036854775783), 0)::bigint, 0::bigint FROM ONLY "s"."we""ird '\ $1" AS t`)
	const found = `::text FROM ONLY "s"."we""ird '\ $1" AS t WHERE hashtextextended(ROW(t."id")::text COLLATE "C", 1) = $1 LIMIT 1), '')`
	same(t, table.nameOf(), `SELECT coalesce((SELECT t.ctid`+found)
	same(t, table.words("(0,1)", -1<<32), "row with key hash ffffffff at ctid (0,1)")
	table.KeyShown = true
	same(t, table.nameOf(), `SELECT coalesce((SELECT ROW(t."id")`+found)
	same(t, table.words("(7)", 0), "row (7)")
}

func TestRowsThatChangedOnBlueAreNotJudged(t *testing.T) {
	row := func(hash, version int64) rowDigest { return rowDigest{Count: 1, Hash: hash, Version: version} }
	c := comparison{
		before: reading{1: row(1, 1), 2: row(2, 1), 3: row(3, 1), 4: row(4, 1)},
		green:  reading{1: row(1, 9), 2: row(7, 9), 3: row(7, 9), 5: row(5, 9)},
		after:  reading{1: row(1, 1), 2: row(2, 1), 3: row(3, 2), 4: row(4, 1)},
	}
	suspects, hot := c.judge()
	if fmt.Sprint(len(suspects), hot) != "3 [3]" {
		t.Errorf("suspects %v, hot %v", suspects, hot)
	}
}

func TestALargeTableIsCutWithoutGapsOrOverlaps(t *testing.T) {
	table := verifiedTable{Schema: "s", Table: "t", Slice: "id"}
	var got []string
	for _, s := range table.cut(4, -100, 300) {
		got = append(got, s.where(""))
	}
	want := []string{
		` WHERE t."id" < 0`, ` WHERE t."id" >= 0 AND t."id" < 100`,
		` WHERE t."id" >= 100 AND t."id" < 200`, ` WHERE t."id" >= 200`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("slices %q, want %q", got, want)
	}
	// a slice is cut as a table is
	got = nil
	for _, s := range table.cut(4, -100, 300)[1].cut(2, 0, 99) {
		got = append(got, s.where(""))
	}
	if want = []string{` WHERE t."id" >= 0 AND t."id" < 49`, ` WHERE t."id" >= 49 AND t."id" < 100`}; !slices.Equal(got, want) {
		t.Errorf("slices %q, want %q", got, want)
	}
	table.SliceUUID = true
	low, _ := table.number("00000000-0000-0000-0000-000000000001")
	high, _ := table.number("ffffffff-ffff-ffff-ffff-000000000001")
	got = nil
	for _, s := range table.cut(4, low, high) {
		got = append(got, s.where(""))
	}
	want = []string{
		` WHERE t."id" < '40000000-0000-0000-0000-000000000000'::uuid`,
		` WHERE t."id" >= '40000000-0000-0000-0000-000000000000'::uuid AND t."id" < '80000000-0000-0000-0000-000000000000'::uuid`,
		` WHERE t."id" >= '80000000-0000-0000-0000-000000000000'::uuid AND t."id" < 'c0000000-0000-0000-0000-000000000000'::uuid`,
		` WHERE t."id" >= 'c0000000-0000-0000-0000-000000000000'::uuid`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("slices %q, want %q", got, want)
	}
	table.SliceUUID = false
	// few values far apart, the whole range of an integer: never an empty or a reversed slice
	for _, r := range [][2]int64{{5, 5}, {1, 2}, {math.MinInt64, math.MaxInt64}} {
		parts := table.cut(1000, r[0], r[1])
		if len(parts) == 0 || !parts[0].first() {
			t.Errorf("range %v gives %d slices", r, len(parts))
		}
		if len(parts) == 1 && parts[0].where("") != "" {
			t.Errorf("range %v: a lone slice must be the whole table, not %q", r, parts[0].where(""))
		}
	}
}

func TestATableIsCutIntoNoMoreSlicesThanPay(t *testing.T) {
	table := verifiedTable{Estimate: 1_000_000, Size: 1 << 30}
	for _, c := range []struct {
		o    Options
		want int64
	}{
		{Options{BytesAtOnce: 128 << 20}, 8},
		{Options{BytesAtOnce: 1}, 20},
		{Options{BytesAtOnce: 2 << 30}, 1},
		{Options{BytesAtOnce: 2 << 30, SamplePercent: 10}, 20},
		{Options{BytesAtOnce: 2 << 30, Pace: rate.NewLimiter(1, 1)}, 20},
	} {
		if got := table.sliceCount(c.o); got != c.want {
			t.Errorf("%+v: %d slices, want %d", c.o, got, c.want)
		}
	}
}
