package pg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// enter runs a program inside a root file system: its own mount namespace, so that the
// mounts vanish with it, the directory given at /mnt, an empty /tmp, and an unprivileged
// user, which initdb and psql want to find in /etc/passwd. Every link execs the next, so the process started is the program itself.
const enter = `set -e
root=$1 dir=$2 uid=$3 signal=$4; shift 4
mount --make-rprivate /
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
echo "postgres:x:$uid:$uid::/tmp:/bin/sh" >"$root/tmp/.passwd"
mount --bind "$root/tmp/.passwd" "$root/etc/passwd"
mount --bind "$dir" "$root/mnt"
exec chroot "$root" /usr/bin/setpriv --reuid "$uid" --regid "$uid" --clear-groups --pdeathsig "$signal" -- "$@"`

// command prepares program (of the chroot's PATH, or absolute) with args and exactly env.
// dir appears as /mnt; the program gets signal when this process dies.
func command(ctx context.Context, root string, major int, dir, signal string, env []string, args ...string) *exec.Cmd {
	script := append([]string{"--mount", "sh", "-c", enter, "enter", root, dir, strconv.Itoa(uid), signal}, args...)
	cmd := exec.CommandContext(ctx, "unshare", script...)
	cmd.Env = append([]string{
		fmt.Sprintf("PATH=%s:/usr/sbin:/usr/bin:/sbin:/bin", binaries(major)),
		"LANG=C.UTF-8", "HOME=/tmp", "TMPDIR=/tmp", "TZ=UTC",
	}, env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// private makes a directory that the servers' user owns.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chown(dir, uid, uid)
}
