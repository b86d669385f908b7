package preflight

import (
	"fmt"

	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/postgres"
)

// SmallVolume is the rule of a volume that the data doesn't fit on. If it is acknowledged, no copy waits for room.
const SmallVolume = "small_volume"

// Volumes names those that are too small for a copy of what blue keeps: of green, whose volume holds nothing yet, and of blue, which keeps WAL
// meanwhile. What isn't known is no finding, nor is green's volume where nothing limits that of blue.
func Volumes(blue, green []disk.Volume, kept disk.Used, req Request) (findings []Finding) {
	add := func(name string, r disk.Room, detail string) {
		findings = append(findings, ruleNamed(name).finding(evidence{Object: r.Claim, Detail: detail}, "", req))
	}
	human := postgres.HumanBytes
	here := disk.RoomsOf(blue, kept)
	if free := here.WAL.Free; here.WAL.Known() && (free < kept.MaxWAL || free < here.WAL.Reserve()) {
		add("blue_volume", here.WAL, here.WAL.String())
	}
	there := disk.RoomsOf(green, disk.Used{}).Data
	if unlimited := len(blue) > 0 && !here.Data.Known(); !there.Known() || unlimited {
		return findings
	}
	need := kept.Data
	switch wal := min(kept.MaxWAL, there.Capacity/10); {
	case need > there.Capacity:
		add(SmallVolume, there, fmt.Sprintf("holds %s, and the old instance keeps %s of data", human(there.Capacity), human(need)))
	case need+wal+there.Reserve() > there.Capacity:
		add("tight_volume", there, fmt.Sprintf("holds %s; the old instance keeps %s of data, and WAL comes on top", human(there.Capacity), human(need)))
	}
	return findings
}
