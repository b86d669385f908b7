package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	// sliceRows is about how many rows are compared at once. A short look leaves
	// applications little time to change what is being looked at.
	sliceRows = 50_000
	// mostSlices of one table.
	mostSlices = 100_000
	// verifyWorkers compare side by side; each keeps a session on either side busy.
	verifyWorkers = 2
)

// slices cuts a large table into ranges of integers, or of UUIDs, that lead one of its unique
// indexes, so that each is read through the index. These sort alike everywhere, which
// text does not. A table without one stays whole.
func (t verifiedTable) slices(ctx context.Context, conn *pgx.Conn) ([]verifiedTable, error) {
	t.first = true
	if t.Slice == "" || t.Estimate < 2*sliceRows {
		return []verifiedTable{t}, nil
	}
	// no min and max of UUIDs before 18
	var ends [2]string
	for i, order := range []string{"ASC", "DESC"} {
		// qualified: a bare name would be the text that is selected
		query := fmt.Sprintf("SELECT t.%[1]s::text FROM ONLY %[2]s AS t ORDER BY t.%[1]s %[3]s LIMIT 1", ident(t.Slice), t.name(), order)
		if err := conn.QueryRow(ctx, query).Scan(&ends[i]); errors.Is(err, pgx.ErrNoRows) {
			return []verifiedTable{t}, nil
		} else if err != nil {
			return nil, fmt.Errorf("range of table %s: %w", t.name(), err)
		}
	}
	var bounds [2]int64
	for i, end := range ends {
		var err error
		if bounds[i], err = t.number(end); err != nil {
			return nil, fmt.Errorf("range of table %s: %w", t.name(), err)
		}
	}
	return t.cut(bounds[0], bounds[1]), nil
}

// number of a value of Slice, in the same order: that of a UUID is its first half.
func (t verifiedTable) number(value string) (int64, error) {
	if !t.SliceUUID {
		return strconv.ParseInt(value, 10, 64)
	}
	half, err := strconv.ParseUint(strings.ReplaceAll(value, "-", "")[:16], 16, 64)
	return int64(half ^ 1<<63), err
}

// bound is the value of Slice that begins with a number.
func (t verifiedTable) bound(number int64) string {
	if !t.SliceUUID {
		return strconv.FormatInt(number, 10)
	}
	half := fmt.Sprintf("%016x", uint64(number)^1<<63)
	return fmt.Sprintf("'%s-%s-%s-0000-000000000000'::uuid", half[:8], half[8:12], half[12:])
}

// cut makes slices of equal width. The first and the last are open, for rows that come
// meanwhile.
func (t verifiedTable) cut(low, high int64) []verifiedTable {
	number := min(t.Estimate/sliceRows, mostSlices)
	var bounds []int64
	for i := int64(1); i < number; i++ {
		// in floating point, since the distance may exceed an integer
		bound := int64(float64(low) + (float64(high)-float64(low))*float64(i)/float64(number))
		if bound > low && (len(bounds) == 0 || bound > bounds[len(bounds)-1]) {
			bounds = append(bounds, bound)
		}
	}
	column := "t." + ident(t.Slice)
	var all []verifiedTable
	for i := 0; i <= len(bounds); i++ {
		s := t
		s.first = i == 0
		switch {
		case len(bounds) == 0:
		case i == 0:
			s.within = fmt.Sprintf("%s < %s", column, t.bound(bounds[0]))
		case i == len(bounds):
			s.within = fmt.Sprintf("%s >= %s", column, t.bound(bounds[i-1]))
		default:
			s.within = fmt.Sprintf("%s >= %s AND %s < %s", column, t.bound(bounds[i-1]), column, t.bound(bounds[i]))
		}
		all = append(all, s)
	}
	return all
}

// where joins the slice's range and another filter.
func (t verifiedTable) where(filter string) string {
	switch {
	case t.within == "" && filter == "":
		return ""
	case t.within == "":
		return " WHERE " + filter
	case filter == "":
		return " WHERE " + t.within
	}
	return " WHERE " + t.within + " AND " + filter
}

// compareAll compares slices side by side and adds up what they found.
func compareAll(ctx context.Context, blue, green Server, database string, o VerifyOptions, work []verifiedTable) (VerifyReport, error) {
	var mu sync.Mutex
	var sum VerifyReport
	queue := make(chan verifiedTable)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(queue)
		for _, t := range work {
			select {
			case queue <- t:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(verifyWorkers, max(1, len(work))) {
		group.Go(func() error {
			v := verifier{options: o, blueName: blue.Instance}
			err := v.open(ctx, blue, green, database, func() error {
				for t := range queue {
					if err := v.table(ctx, t); err != nil {
						return fmt.Errorf("table %s: %w", t.name(), err)
					}
				}
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			sum.Tables += v.report.Tables
			sum.Rows += v.report.Rows
			sum.InFlight += v.report.InFlight
			sum.Mismatches = append(sum.Mismatches, v.report.Mismatches...)
			return err
		})
	}
	return sum, group.Wait()
}
