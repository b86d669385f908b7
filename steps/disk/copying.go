package disk

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/gitover/gitover/steps/postgres"
)

// lasting seconds: a copy that comes near the reserve writes no faster than what is left lasts for.
const lasting = 30

// slowest limit in bytes a second.
const slowest = 1 << 20

// Limit of a copy that writes to a volume: bytes a second at most, 0 for none, and whether it is to wait. One that waits already does so until there is
// half as much again as the reserve, so that it doesn't stop and go.
func (r Room) Limit(waits bool) (bytesPerSecond int64, wait bool) {
	if !r.Known() {
		return 0, false
	}
	left := r.Free - r.Reserve()
	if waits && left < r.Reserve()/2 || left <= 0 {
		return 0, true
	}
	if left > r.Reserve() {
		return 0, false
	}
	bytesPerSecond = slowest
	for bytesPerSecond*2 <= left/lasting { // steps, so that it doesn't change at every look
		bytesPerSecond *= 2
	}
	return bytesPerSecond, false
}

// Limit is the lower one of both volumes, and the one that sets it.
func (r Rooms) Limit(waits bool) (bytesPerSecond int64, wait bool, by Room) {
	for _, room := range []Room{r.Data, r.WAL} {
		limit, stop := room.Limit(waits)
		if stop {
			return 0, true, room
		}
		if limit > 0 && (bytesPerSecond == 0 || limit < bytesPerSecond) {
			bytesPerSecond, by = limit, room
		}
	}
	return bytesPerSecond, false, by
}

// TooSmall says which volume of a new server what is to come doesn't fit on: so many bytes of data, beside its WAL. Empty: it fits, or isn't known.
func (r Rooms) TooSmall(toCome int64) string {
	if !r.Data.Known() || toCome <= r.Data.Free {
		return ""
	}
	return fmt.Sprintf("%s, and about %s are to come", r.Data, postgres.HumanBytes(toCome))
}

// Fills says that WAL, of which a slot keeps so many bytes since so many seconds, fills a volume before a copy ends that takes so many more. Empty: it
// doesn't, or that isn't known.
func (r Room) Fills(kept int64, since, left float64) string {
	if !r.Known() || since <= 0 || kept <= 0 {
		return ""
	}
	rate := float64(kept) / since
	free := float64(r.Free - r.Reserve()/2)
	if free > 0 && rate*left <= free {
		return ""
	}
	if seconds := max(free, 0) / rate; left > 0 || free <= 0 {
		return fmt.Sprintf("%s, which WAL fills in about %s at %s/s", r, duration.HumanDuration(time.Duration(seconds*float64(time.Second))), postgres.HumanBytes(int64(rate)))
	}
	return ""
}
