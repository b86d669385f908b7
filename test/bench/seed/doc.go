// Package seed measures how long a new server takes to get all rows, indexes and statistics of another one: by Gitover's copy, and by its peers, in
// the same run on the same servers. `make bench-seed` runs it. SIZE is the size of the large shapes in MiB, PAIRS the versions (15-17,17-18), SHAPES
// some of the shapes.
package seed
