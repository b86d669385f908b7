package parallel

import (
	"fmt"

	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
)

// Room is what the volumes of both sides allow a copy.
type Room struct {
	// Pace of each database's copy.
	tablecopy.Pace
	// Green is the volume that sets the pace; Blue the one with blue's WAL.
	Green, Blue disk.Room
	// TooSmall says that what is left to copy doesn't fit, and how much that is; empty if it does, or that isn't known.
	TooSmall string
	atMost   int64
}

// RoomFor a copy of databases with the pace of the spec, as far as the volumes of both sides tell, and what the copies have measured last.
func RoomFor(spec tablecopy.Pace, all []Database, blue, green []disk.Volume) Room {
	r := Room{Pace: spec}
	var now *tablecopy.Disks
	age, running, waits := silentAfter, int64(0), false
	for _, d := range all {
		if !d.Running() || !d.Recorded {
			continue
		}
		running++
		waits = waits || d.Record.Pace.NoRoom()
		if d.Record.Progress.Disks != nil && d.Record.Age < age {
			now, age = d.Record.Progress.Disks, d.Record.Age
		}
	}
	if now == nil {
		return r
	}
	rooms := disk.RoomsOf(green, now.Target)
	r.Blue = disk.RoomsOf(blue, now.Source).WAL
	r.TooSmall = rooms.TooSmall(now.Source.Data - now.Target.Data)
	limit, wait, by := rooms.Limit(waits)
	r.Green = by
	switch {
	case wait:
		r.Paused = tablecopy.NoRoom + "the volume " + by.Claim + " is nearly full"
	case limit > 0:
		r.atMost = max(limit/running, 1<<20)
		if r.BytesPerSecond == 0 || r.atMost < r.BytesPerSecond {
			r.BytesPerSecond = r.atMost
		}
	}
	return r
}

// Slowed says that it is slower because of the room there is; empty if it isn't.
func (r Room) Slowed() string {
	if r.atMost == 0 || r.BytesPerSecond != r.atMost {
		return ""
	}
	return fmt.Sprintf("; with %s it writes %s/s at most", r.Green, postgres.HumanBytes(r.atMost))
}
