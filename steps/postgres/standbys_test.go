package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/test/pg"
)

// TestStandbysThatNoCommitWaitsForAreNamed on either side; replication of ours is no standby.
func TestStandbysThatNoCommitWaitsForAreNamed(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[1:3]...), func(t *testing.T, blue, green *pg.Server) {
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", "CREATE TABLE t (a int PRIMARY KEY)")
		replicate(t, blue, green)
		named := func() (names []string) {
			findings, err := preflight.Check(t.Context(), blue.Server, request(green.Major, "d"))
			must(t, err)
			pair, err := preflight.CheckPair(t.Context(), blue.Server, green.Server, request(green.Major, "d"))
			must(t, err)
			for _, f := range append(findings, pair...) {
				if strings.HasSuffix(f.Name, "_standbys") || strings.HasSuffix(f.Name, "any_standby") {
					names = append(names, f.Name)
				}
			}
			return names
		}
		if names := named(); len(names) > 0 {
			t.Errorf("there are no standbys: %v", names)
		}
		for _, s := range []*pg.Server{blue, green} {
			s.Standby(t)
		}
		if names := named(); !slices.Equal(names, []string{"async_standbys", "green_async_standbys"}) {
			t.Errorf("found %v", names)
		}
		synchronous := func(names string) {
			for _, s := range []*pg.Server{blue, green} {
				s.Exec("", "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
				s.Exec("", "SELECT pg_reload_conf()")
			}
		}
		synchronous("walreceiver")
		eventually(t, "all are synchronous", func() bool { return len(named()) == 0 })
		synchronous("*")
		eventually(t, "a list that takes anybody is named", func() bool {
			names := named()
			return slices.Contains(names, "any_standby") && slices.Contains(names, "green_any_standby")
		})
	})
}
