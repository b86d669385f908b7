package catalogue

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gitover/gitover/test/cluster/image"
	"github.com/gitover/gitover/test/pg"
)

// versions are all that there are images of, in order.
func versions() (all []int) {
	for _, recipe := range image.Recipes {
		if number, is := strings.CutPrefix(recipe.Name, "postgres-"); is {
			if major, err := strconv.Atoi(number); err == nil {
				all = append(all, major)
			}
		}
	}
	slices.Sort(all)
	return all
}

// stopsFlag has every schema take another way, as in -stops 17,13,18.
var stopsFlag = flag.String("stops", "", "major versions in the order of travel, with commas; every schema goes this way")

// resumeFlag goes on where an earlier run was stopped.
var resumeFlag = flag.Bool("resume", false, "leave out the schemas that went through in an earlier run, by its report")

// TestSchemasThatNobodyHereWroteGoThrough takes every schema up through all versions and down again; without
// GITOVER_FULL a few, there and back between two.
func TestSchemasThatNobodyHereWroteGoThrough(t *testing.T) {
	pg.Rootfs(t, 15) // skips where there is none
	full := pg.Full
	report := &Report{Versions: versions()}
	if *resumeFlag {
		must(t, report.resume(filepath.Join(pg.Cache(t, "catalogue"), "report.json"), func(name string) int {
			i := slices.IndexFunc(schemas, func(s schema) bool { return s.name == name })
			if i < 0 {
				return 0
			}
			return len(route(report.Versions, schemas[i].since)) - 1
		}))
	}
	save := func(t *testing.T) {
		if pg.Full {
			path := filepath.Join(pg.Cache(t, "catalogue"), "report.json")
			must(t, report.write(path))
			t.Logf("%d schemas, %d moves, %d failures: %s", len(report.Schemas), len(report.Moves), len(report.Failures), path)
		}
	}
	for _, s := range schemas {
		if report.has(s.name) {
			t.Logf("%s went through in an earlier run", s.name)
			continue
		}
		if !full && !s.quick && *stopsFlag == "" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			stops := []int{15, 17}
			switch {
			case *stopsFlag != "":
				stops = parse(t, *stopsFlag)
			case full:
				stops = route(report.Versions, s.since)
			}
			r := report.of(s)
			t.Cleanup(func() { save(t) })
			travel(t, s, stops, r)
		})
	}
}

func parse(t *testing.T, list string) (stops []int) {
	for _, word := range strings.Split(list, ",") {
		major, err := strconv.Atoi(word)
		must(t, err)
		stops = append(stops, major)
	}
	return stops
}

// route goes up and down again.
func route(versions []int, since int) []int {
	up := slices.DeleteFunc(slices.Clone(versions), func(v int) bool { return v < since })
	down := slices.Clone(up[:len(up)-1])
	slices.Reverse(down)
	return append(up, down...)
}

func travel(t *testing.T, s schema, stops []int, r *record) {
	move := fmt.Sprint("at ", stops[0])
	t.Cleanup(func() {
		if t.Failed() && r.failures() == 0 {
			r.failed(move, "it stopped; the test's output says why")
		}
	})
	j := begin(t, s, stops[0], r)
	for _, major := range stops[1:] {
		move = fmt.Sprintf("%d to %d", j.active.Major, major)
		j.moveTo(major)
		if j.other != nil { // blocked
			return
		}
	}
}
