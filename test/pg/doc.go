// Package pg starts real PostgreSQL servers of a given major version for tests.
//
// The programs come from unpacked root file systems, <repository>/.cache/images/postgres-<major>/rootfs,
// which `go run ./test/cluster/cmd/stage images postgres-15 postgres-17 …` makes; the environment variable
// GITOVER_POSTGRES_ROOTFS may name another place, with %d for the major version. Each server
// runs in a mount namespace and a chroot of its own as an unprivileged user, listens on a
// loopback port only, and dies with the test: by t.Cleanup, or by its parent-death signal
// when the test process is killed. No mounts, processes or files stay behind.
//
// Without root or without a root file system tests skip and say so; with GITOVER_INTEGRATION=1
// that is a failure.
package pg
