package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gitover/gitover/test/cluster/run"
)

// packagesFormat and finishFormat are part of every recipe's key: raise one when
// this file changes what debootstrap or finish make.
const (
	packagesFormat = "1"
	finishFormat   = "2"
)

// postgresID is the official image's user and group ID of postgres; the hook that
// creates the user has the same.
const postgresID = 999

// testingSuite has no security archive of its own.
const testingSuite = "forky"

// Builder makes images under Dir: <Dir>/<recipe>/rootfs is the unpacked tree
// and <Dir>/<recipe>/image.tar the archive.
type Builder struct {
	Dir   string // image cache
	Tools string // where a borrowed mmdebstrap is unpacked
	Logs  string
}

// Rootfs is where the unpacked root file system of a recipe is.
func (b Builder) Rootfs(recipe Recipe) string { return filepath.Join(b.Dir, recipe.Name, "rootfs") }

// Archive is where the importable archive of a recipe or binary image is.
func (b Builder) Archive(name string) string { return filepath.Join(b.Dir, name, "image.tar") }

// Cached tells whether a recipe's image is there and up to date.
func (b Builder) Cached(recipe Recipe) bool {
	key, err := recipe.key()
	if err != nil {
		return false
	}
	stored, err := os.ReadFile(filepath.Join(b.Dir, recipe.Name, "key"))
	return err == nil && string(stored) == key
}

// Build makes the root file system and the archive of a recipe, unless they are
// there already. Keys are written last, so that what was half made is made again.
func (b Builder) Build(ctx context.Context, recipe Recipe) error {
	if b.Cached(recipe) {
		return nil
	}
	unlock, err := run.Lock(ctx, filepath.Join(b.Dir, "."+recipe.Name+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if b.Cached(recipe) { // somebody else's build was waited for
		return nil
	}
	key, err := recipe.key()
	if err != nil {
		return err
	}
	if err := b.packages(ctx, recipe); err != nil {
		return fmt.Errorf("image %s: %w", recipe.Name, err)
	}
	if err := finish(b.Rootfs(recipe), recipe); err != nil {
		return fmt.Errorf("image %s: %w", recipe.Name, err)
	}
	if err := writeArchive(b.Archive(recipe.Name), directory(b.Rootfs(recipe)), recipe.Refs); err != nil {
		return fmt.Errorf("image %s: %w", recipe.Name, err)
	}
	return os.WriteFile(filepath.Join(b.Dir, recipe.Name, "key"), []byte(key), 0o644)
}

// packages fills the root file system, unless it has the recipe's packages. An
// old one steps aside and stays whole: a running node may stand on it.
func (b Builder) packages(ctx context.Context, recipe Recipe) error {
	root := b.Rootfs(recipe)
	keyFile := filepath.Join(b.Dir, recipe.Name, "packages")
	if stored, err := os.ReadFile(keyFile); err == nil && string(stored) == recipe.packagesKey() {
		return nil
	}
	fresh := root + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clearing a half-made image: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	if err := b.debootstrap(ctx, recipe, fresh); err != nil {
		return err
	}
	if err := os.Rename(root, fmt.Sprintf("%s.old.%d", root, os.Getpid())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, root); err != nil {
		return err
	}
	return os.WriteFile(keyFile, []byte(recipe.packagesKey()), 0o644)
}

// Sweep removes root file systems that stepped aside. Nothing may run on them.
func (b Builder) Sweep() error {
	old, err := filepath.Glob(filepath.Join(b.Dir, "*", "rootfs.old.*"))
	if err != nil {
		return err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing an old root file system: %w", err)
		}
	}
	return nil
}

// excluded keeps documentation, translations and the JIT compiler out: half of
// the bytes, and PostgreSQL runs without JIT when its library isn't there.
var excluded = []string{
	"/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*",
	"/usr/lib/*/libLLVM*", "/usr/lib/llvm*", "/usr/lib/postgresql/*/lib/bitcode/*", "/usr/lib/postgresql/*/lib/llvmjit*",
}

// afterExtraction takes what is excluded out of the essential packages, which tar has unpacked,
// and tells dpkg, which unpacks all the others. mmdebstrap's own way (--dpkgopt=path-exclude)
// needs Python and a second program in PATH.
func afterExtraction() string {
	script := "set -e\nmkdir -p \"$1/etc/dpkg/dpkg.cfg.d\"\n"
	for _, path := range excluded {
		script += fmt.Sprintf("rm -rf \"$1\"%s\necho 'path-exclude=%s' >> \"$1/etc/dpkg/dpkg.cfg.d/excluded\"\n", path, path)
	}
	return script
}

// beforePackages gives postgres the official image's user id and keeps Debian
// from creating a cluster of its own.
const beforePackages = `
grep -q '^postgres:' "$1/etc/passwd" || {
	echo 'postgres:x:999:999::/var/lib/postgresql:/bin/bash' >> "$1/etc/passwd"
	echo 'postgres:*:19000:0:99999:7:::' >> "$1/etc/shadow"
	echo 'postgres:x:999:' >> "$1/etc/group"
}
mkdir -p "$1/etc/postgresql-common"
echo 'create_main_cluster = false' > "$1/etc/postgresql-common/createcluster.conf"`

// afterPackages makes the official image's locale. An image without the locales
// package keeps C.UTF-8 only.
const afterPackages = `
if [ -d "$1/usr/share/i18n" ]; then
	chroot "$1" localedef -i en_US -c -f UTF-8 en_US.UTF-8 && rm -rf "$1/usr/share/i18n"
fi`

// preferences tells apt which packages come from the pinned suite: those, and nothing else.
func (p Pin) preferences() string {
	return fmt.Sprintf(`
mkdir -p "$1/etc/apt/preferences.d"
printf 'Package: *\nPin: release a=%[1]s\nPin-Priority: -1\n\nPackage: %[2]s\nPin: release a=%[1]s\nPin-Priority: 900\n' >"$1/etc/apt/preferences.d/pinned"`,
		p.Suite, strings.Join(p.Packages, " "))
}

func (b Builder) debootstrap(ctx context.Context, recipe Recipe, root string) error {
	program, env, err := b.mmdebstrap(ctx)
	if err != nil {
		return err
	}
	archive, err := mirror(ctx)
	if err != nil {
		return err
	}
	args := []string{
		program, "--mode=root", "--variant=minbase", "--format=directory",
		"--include=" + strings.Join(recipe.Packages, ","),
		"--dpkgopt=force-unsafe-io",
		`--aptopt=Acquire::Retries "4"`, `--aptopt=Acquire::http::Timeout "30"`,
		`--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::Languages "none"`,
		"--extract-hook=" + afterExtraction(), "--essential-hook=" + beforePackages, "--customize-hook=" + afterPackages,
	}
	if recipe.Suite == testingSuite {
		// A testing suite's index expires within days; a mirror may be slower.
		args = append(args, `--aptopt=Acquire::Check-Valid-Until "false"`)
	}
	if recipe.Pin != nil {
		args = append(args, "--setup-hook="+recipe.Pin.preferences())
	}
	args = append(args, recipe.Suite, root, "deb "+archive+" "+recipe.Suite+" main")
	if recipe.Pin != nil {
		args = append(args, "deb "+archive+" "+recipe.Pin.Suite+" main")
	}
	if recipe.Suite != testingSuite {
		args = append(args, "deb "+archive+"-security "+recipe.Suite+"-security main")
	}
	command := run.Command{Args: args, Env: env, Log: filepath.Join(b.Logs, "image-"+recipe.Name+".log")}
	if err := command.Run(ctx); err != nil {
		return fmt.Errorf("packages of Debian %s from %s (set STAGE_APT_MIRROR if this mirror doesn't answer): %w",
			recipe.Suite, archive, err)
	}
	return nil
}

// mmdebstrap finds the program, or unpacks it from its Debian package without
// installing anything.
func (b Builder) mmdebstrap(ctx context.Context) (program string, env []string, err error) {
	env = []string{"SOURCE_DATE_EPOCH=1700000000", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	if program, err := exec.LookPath("mmdebstrap"); err == nil {
		return program, env, nil
	}
	program = filepath.Join(b.Tools, "mmdebstrap", "usr", "bin", "mmdebstrap")
	if _, err := os.Stat(program); err == nil {
		return program, env, nil
	}
	unpack := run.Command{
		Args: []string{"sh", "-ec", `
			rm -rf "$1"; mkdir -p "$1/download"; cd "$1/download"
			chown -R _apt "$1/download" 2>/dev/null || true
			apt-get download mmdebstrap || { apt-get update && apt-get download mmdebstrap; }
			dpkg-deb -x mmdebstrap_*.deb "$1"`, "sh", filepath.Join(b.Tools, "mmdebstrap")},
		Log: filepath.Join(b.Logs, "mmdebstrap.log"),
	}
	if err := unpack.Run(ctx); err != nil {
		return "", nil, fmt.Errorf("getting mmdebstrap from Debian (does the apt mirror of this machine answer?): %w", err)
	}
	return program, env, nil
}

// finish puts the entrypoints in and takes out what only the installation needed.
// It may run again on what it has made.
func finish(root string, recipe Recipe) error {
	for _, path := range append([]string{"var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "var/log/dpkg.log"}, recipe.Drop...) {
		if err := os.RemoveAll(filepath.Join(root, path)); err != nil {
			return err
		}
	}
	for _, script := range recipe.Scripts {
		content, err := entrypoints.ReadFile("entrypoint/" + script)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, "usr/local/bin", script), content, 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "docker-entrypoint-initdb.d"), 0o755); err != nil {
		return err
	}
	return finishPostgres(root)
}

// finishPostgres does to Debian's PostgreSQL what the official image does:
// servers listen on all addresses, and any user may make the socket.
func finishPostgres(root string) error {
	samples, err := filepath.Glob(filepath.Join(root, "usr/share/postgresql/*/postgresql.conf.sample"))
	if err != nil {
		return err
	}
	for _, sample := range samples {
		content, err := os.ReadFile(sample)
		if err != nil {
			return err
		}
		listening := strings.Replace(string(content), "#listen_addresses = 'localhost'", "listen_addresses = '*'", 1)
		if err := os.WriteFile(sample, []byte(listening), 0o644); err != nil {
			return err
		}
	}
	for _, dir := range []string{"run/postgresql", "var/lib/postgresql/data"} {
		path := filepath.Join(root, dir)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, postgresID, postgresID); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o777|os.ModeSetgid|os.ModeSticky); err != nil {
			return err
		}
	}
	return nil
}
