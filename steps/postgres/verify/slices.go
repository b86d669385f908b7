package verify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
)

const (
	// sliceRows is the smallest number of rows for a slice.
	sliceRows = 50_000
	// mostSlices of one table.
	mostSlices = 100_000
	// verifyWorkers run in parallel; each keeps a session on each side busy.
	verifyWorkers = 2
)

// sliceCount of a table. A short query leaves applications little time to change the rows that are compared; but a
// slice is read through an index, which takes longer than reading the same amount in physical order. A sample consists
// of many small slices, and a pace needs small ones.
func (t verifiedTable) sliceCount(o Options) int64 {
	count := t.Estimate / sliceRows
	if o.SamplePercent == 0 && o.Pace == nil {
		count = min(count, t.Size/o.BytesAtOnce)
	}
	return min(max(count, 1), mostSlices)
}

// slices cuts a large table into ranges of the integers or UUIDs that lead one of its unique indexes. These sort the same
// everywhere, unlike text. from, if not empty, is the low of an earlier slice, at which to continue: rows below it are
// done.
func (t verifiedTable) slices(ctx context.Context, conn *pgx.Conn, count int64, from string) ([]verifiedTable, error) {
	if t.Slice == "" || count < 2 && from == "" {
		return []verifiedTable{t}, nil
	}
	if low, onward := t.after(from); onward {
		t.lower = &low
	}
	return t.inSlices(ctx, conn, count)
}

// inSlices cuts a table, or a slice of one, by its current values.
func (t verifiedTable) inSlices(ctx context.Context, conn *pgx.Conn, count int64) ([]verifiedTable, error) {
	var ends [2]int64
	// no min and max of UUIDs before 18
	for i, order := range []string{"ASC", "DESC"} {
		// qualified: a bare name would be the text that is selected
		query := fmt.Sprintf("SELECT t.%[1]s::text FROM ONLY %[2]s AS t%[3]s ORDER BY t.%[1]s %[4]s LIMIT 1", postgres.Ident(t.Slice), t.name(), t.where(""), order)
		var end string
		err := conn.QueryRow(ctx, query).Scan(&end)
		if errors.Is(err, pgx.ErrNoRows) {
			return []verifiedTable{t}, nil
		}
		if err == nil {
			ends[i], err = t.number(end)
		}
		if err != nil {
			return nil, fmt.Errorf("range of table %s: %w", t.name(), err)
		}
	}
	return t.cut(count, ends[0], ends[1]), nil
}

// after is the number from which on a table is still to be compared; false if from isn't a value of the column by
// which it is cut now.
func (t verifiedTable) after(from string) (int64, bool) {
	value, found := strings.CutPrefix(from, postgres.Ident(t.Slice)+" >= ")
	if !found {
		return 0, false
	}
	number, err := t.number(strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'::uuid"))
	return number, err == nil
}

// number of a value of Slice, in the same order: that of a UUID is its first half.
func (t verifiedTable) number(value string) (int64, error) {
	if !t.SliceUUID {
		return strconv.ParseInt(value, 10, 64)
	}
	half, err := strconv.ParseUint(strings.ReplaceAll(value, "-", "")[:16], 16, 64)
	return int64(half ^ 1<<63), err
}

// bound is the lowest value of Slice with this number.
func (t verifiedTable) bound(number int64) string {
	if !t.SliceUUID {
		return strconv.FormatInt(number, 10)
	}
	half := fmt.Sprintf("%016x", uint64(number)^1<<63)
	return fmt.Sprintf("'%s-%s-%s-0000-000000000000'::uuid", half[:8], half[8:12], half[12:])
}

// cut divides the range of a table, or of a slice, into count slices of equal width. Open outermost ends stay open, for
// rows that are inserted meanwhile.
func (t verifiedTable) cut(count, low, high int64) []verifiedTable {
	bounds, last := []*int64{t.lower}, low
	for i := int64(1); i < count; i++ {
		// in floating point, since the distance may exceed an integer
		bound := int64(float64(low) + (float64(high)-float64(low))*float64(i)/float64(count))
		if bound > last {
			bounds, last = append(bounds, &bound), bound
		}
	}
	bounds = append(bounds, t.upper)
	var all []verifiedTable
	for i := range bounds[1:] {
		t.lower, t.upper = bounds[i], bounds[i+1]
		all = append(all, t)
	}
	return all
}

// first range of a table, or all of it.
func (t verifiedTable) first() bool { return t.lower == nil }

// low is the lower end as a condition; empty if it is open.
func (t verifiedTable) low() string {
	if t.lower == nil {
		return ""
	}
	return fmt.Sprintf("%s >= %s", postgres.Ident(t.Slice), t.bound(*t.lower))
}

// where joins the slice's range and another filter.
func (t verifiedTable) where(filter string) string {
	var conditions []string
	if low := t.low(); low != "" {
		conditions = append(conditions, "t."+low)
	}
	if t.upper != nil {
		conditions = append(conditions, fmt.Sprintf("t.%s < %s", postgres.Ident(t.Slice), t.bound(*t.upper)))
	}
	if filter != "" {
		conditions = append(conditions, filter)
	}
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// compareAll compares slices in parallel and adds up their results.
func compareAll(ctx context.Context, blue, green postgres.Server, database string, o Options, work []verifiedTable) (Report, error) {
	sum := summary{work: work, found: make([]*Report, len(work)), tell: o.Progress}
	queue := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(queue)
		for i := range work {
			select {
			case queue <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(verifyWorkers, max(1, len(work))) {
		group.Go(func() error {
			v := verifier{options: o, blueName: blue.Instance}
			return v.open(ctx, blue, green, database, func() error {
				for i := range queue {
					v.report = Report{}
					if err := v.table(ctx, work[i]); err != nil {
						return fmt.Errorf("table %s: %w", work[i].name(), err)
					}
					sum.add(i, v.report)
				}
				return nil
			})
		})
	}
	err := group.Wait()
	return sum.all, err
}

// summary adds up the results of slices, in their order: a slice that is done before an earlier one isn't
// reported yet, since a comparison that continues at a place takes everything before it as done.
type summary struct {
	work []verifiedTable
	tell func(Report, Place)

	mu    sync.Mutex
	found []*Report
	next  int
	all   Report
}

func (s *summary) add(slice int, found Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found[slice] = &found
	before := s.next
	for ; s.next < len(s.work) && s.found[s.next] != nil; s.next++ {
		r := s.found[s.next]
		s.all.Tables += r.Tables
		s.all.Rows += r.Rows
		s.all.Sampled += r.Sampled
		s.all.OnStandby += r.OnStandby
		s.all.InFlight += r.InFlight
		s.all.Mismatches = append(s.all.Mismatches, r.Mismatches...)
	}
	if s.tell != nil && s.next > before && s.next < len(s.work) {
		t := s.work[s.next]
		s.tell(s.all, Place{Schema: t.Schema, Table: t.Table, Bound: t.low()})
	}
}
