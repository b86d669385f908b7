package pg

import (
	"slices"

	"github.com/gitover/gitover/steps/postgres"
)

// WithoutImage are the supported major versions of which Debian has no packages any more, or never had. Their programs are
// npm's alone; stories are told of the others.
var WithoutImage = []Minor{{14, "14.23.0-beta.17"}, {16, "16.14.0-beta.17"}}

// Majors are the supported major versions that tests start servers of, which are those with an image, the oldest first.
func Majors() (all []int) {
	for major := postgres.Oldest; major <= postgres.Latest; major++ {
		if !slices.ContainsFunc(WithoutImage, func(m Minor) bool { return m.Major == major }) {
			all = append(all, major)
		}
	}
	return all
}

// Ends are the oldest and the latest version.
func Ends() []int { return []int{postgres.Oldest, postgres.Latest} }

// EveryPair is every upgrade and every downgrade between Majors.
func EveryPair() (pairs [][2]int) {
	for _, from := range Majors() {
		for _, to := range Majors() {
			if from != to {
				pairs = append(pairs, [2]int{from, to})
			}
		}
	}
	return pairs
}
