package tablecopy

import (
	"math"
	"testing"
	"time"
)

func TestWhatIsLeftOfACopyIsEstimatedByWhatEachKindOfWorkTakes(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		make func(*estimator)
		want float64
	}{
		"half of the rows by two workers, and indexes at the same pace": {func(e *estimator) {
			e.kinds[copying].work, e.kinds[copying].done, e.kinds[copying].busy = 200*mib, 100*mib, 20*time.Second
			e.kinds[building].work = 100 * mib
		}, 20},
		"all rows, and of many indexes the first, which took three times as long": {func(e *estimator) {
			e.kinds[copying].work, e.kinds[copying].done, e.kinds[copying].busy = 200*mib, 200*mib, 40*time.Second
			e.kinds[building].work, e.kinds[building].done, e.kinds[building].busy = 1000*mib, 500*mib, 300*time.Second
		}, 145},
		"one large index, which should be half built, while the other worker is idle": {func(e *estimator) {
			e.kinds[copying].work, e.kinds[copying].done, e.kinds[copying].busy = 200*mib, 200*mib, 40*time.Second
			e.kinds[building].work = 100 * mib
			e.indexes[1] = &pieceOfWork{cost: 100 * mib, ready: true, began: time.Now().Add(-10 * time.Second)}
			e.open[&span{building, 100 * mib, time.Now().Add(-10 * time.Second)}] = true
		}, 10},
		"two indexes that take longer than they should, and two that wait": {func(e *estimator) {
			e.kinds[copying].work, e.kinds[copying].done, e.kinds[copying].busy = 200*mib, 200*mib, 40*time.Second
			e.kinds[building].work = 400 * mib
			for range 2 {
				e.open[&span{building, 100 * mib, time.Now().Add(-40 * time.Second)}] = true
			}
		}, 41.5},
		"statistics of a partitioned table, by one session at the end": {func(e *estimator) {
			e.kinds[copying].work, e.kinds[copying].done, e.kinds[copying].busy = 200*mib, 100*mib, 20*time.Second
			e.last = 50 * mib
		}, 20},
		"one large index that waits for the second half of its table": {func(e *estimator) {
			e.kinds[copying].work, e.kinds[copying].done, e.kinds[copying].busy = 200*mib, 100*mib, 20*time.Second
			e.kinds[building].work = 100 * mib
			e.indexes[1] = &pieceOfWork{cost: 100 * mib}
		}, 30},
	} {
		e := &estimator{jobs: 2, open: map[*span]bool{}, indexes: map[uint32]*pieceOfWork{}}
		c.make(e)
		got, known := e.left(0)
		if !known || math.Abs(got.Seconds()-c.want) > c.want/20 {
			t.Errorf("%s: %s, not %v s", name, got, c.want)
		}
	}
	if _, known := (&estimator{jobs: 2}).left(0); known {
		t.Error("before anything is done")
	}
}
