package verify

import (
	"context"
	"hash/fnv"
)

// sampleFrom: a table with this many slices or more counts as large, so that a sample is meaningful.
const sampleFrom = 20

// sampled are the slices of a table that a sample has: the first, which represents the table, the last, which has the newest
// rows, and some of the others. An interrupted comparison that continues makes the same choice if the slices are the same.
func sampled(slices []verifiedTable, percent int32) []verifiedTable {
	if percent == 0 || len(slices) < sampleFrom {
		return slices
	}
	var chosen []verifiedTable
	for i, s := range slices {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(s.name() + s.low()))
		if i == 0 || i == len(slices)-1 || int32(hash.Sum32()%100) < percent {
			s.sample = true
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// expected rows that are compared.
func (t verifiedTable) expected(samplePercent int32) int64 {
	if samplePercent == 0 || t.Slice == "" || t.Estimate < sampleFrom*sliceRows {
		return t.Estimate
	}
	return t.Estimate * int64(samplePercent) / 100
}

// pace waits so long that reading these rows took as long as it should. Counting them takes too little time to
// matter.
func (v *verifier) pace(ctx context.Context, rows int64) error {
	limit := v.options.Pace
	if limit == nil || v.options.CountsOnly {
		return nil
	}
	for rows > 0 {
		portion := min(rows, int64(limit.Burst()))
		if err := limit.WaitN(ctx, int(portion)); err != nil {
			return err
		}
		rows -= portion
	}
	return nil
}
