// Package image makes container images without a registry and without Docker:
// root file systems of Debian's own packages, and single static binaries, as
// archives that a container runtime imports.
package image

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed entrypoint
var entrypoints embed.FS

// Recipe says how to make a Debian root file system and the image on top of it.
type Recipe struct {
	Name     string   // directory under the image cache
	Suite    string   // Debian suite
	Packages []string // beyond the minimal base
	Drop     []string // paths below the root that the programs run without
	Scripts  []string // files of entrypoint/ that go to /usr/local/bin
	Refs     []Ref    // the images that are made of this root file system
	Pin      *Pin     `json:",omitempty"` // what comes from another suite
}

// Pin takes packages from another suite than the rest, which they must get on with. A suite such as experimental
// serves by itself no package that isn't asked for by name.
type Pin struct {
	Suite    string
	Packages []string
}

// Ref is one image reference and how its containers start.
type Ref struct {
	Image      string   `json:"image"`
	Env        []string `json:"env,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	User       string   `json:"user,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	StopSignal string   `json:"stopSignal,omitempty"`
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// perl is only needed while Debian's packages configure themselves.
var perl = []string{"usr/share/perl", "usr/share/perl5", "usr/lib/x86_64-linux-gnu/perl", "usr/lib/x86_64-linux-gnu/perl-base"}

// Recipes is everything that can be built, in the order of how often it is needed.
var Recipes = []Recipe{
	postgres("15", "bookworm"),
	{
		// One root file system serves two images: the pooler's packages add less
		// than a megabyte, a second trixie would add a minute.
		Name: "postgres-17", Suite: "trixie",
		Packages: []string{"postgresql-17", "postgresql-client-17", "locales", "pgbouncer"},
		Drop:     perl,
		Scripts:  []string{"docker-entrypoint.sh"},
		Refs: []Ref{
			postgresRef("17"),
			{
				Image: "gitover.local/pgbouncer:1.24", User: "999",
				Env: []string{"PATH=" + postgresPath("17"), "LANG=en_US.utf8"},
				Cmd: []string{"pgbouncer", "/etc/pgbouncer/pgbouncer.ini"},
			},
		},
	},
	// What the node itself runs on; the Git server shares it.
	{
		Name: "node", Suite: "trixie",
		Packages: []string{"containerd", "runc", "containernetworking-plugins", "nftables", "iproute2", "conntrack",
			"util-linux", "mount", "e2fsprogs", "kmod", "procps", "ca-certificates", "git", "openssh-server"},
		Refs: []Ref{{
			Image: "gitover.local/git:dev",
			Env:   []string{"PATH=" + systemPath},
			Cmd:   []string{"/usr/local/bin/gitserver"},
		}},
	},
	postgres("13", "bullseye"),
	postgres("18", "forky"),
	// Debian has no release of it yet.
	pinned(postgres("19", "forky"), "experimental", "postgresql-19", "postgresql-client-19", "libpq5"),
	// A peer that benchmarks run beside Gitover's own copy, with programs of the newest servers.
	{
		Name: "pgcopydb", Suite: "forky", Packages: []string{"pgcopydb", "postgresql-client-18"}, Drop: perl,
		Refs: []Ref{{Image: "gitover.local/pgcopydb:dev", Env: []string{"PATH=" + postgresPath("18")}, Cmd: []string{"pgcopydb"}}},
	},
	{
		Name: "haproxy", Suite: "trixie", Packages: []string{"haproxy"}, Drop: perl,
		Refs: []Ref{{
			Image: "gitover.local/haproxy:3.0", Env: []string{"PATH=" + systemPath}, StopSignal: "SIGUSR1",
			Cmd: []string{"haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"},
		}},
	},
	{
		Name: "nginx", Suite: "trixie", Packages: []string{"nginx", "libnginx-mod-stream"}, Drop: perl,
		Refs: []Ref{{
			Image: "gitover.local/nginx:1.26", Env: []string{"PATH=" + systemPath}, StopSignal: "SIGQUIT",
			Cmd: []string{"nginx", "-g", "daemon off;"},
		}},
	},
}

func postgres(major, suite string) Recipe {
	return Recipe{
		Name: "postgres-" + major, Suite: suite,
		Packages: []string{"postgresql-" + major, "postgresql-client-" + major, "locales"},
		Drop:     perl,
		Scripts:  []string{"docker-entrypoint.sh"},
		Refs:     []Ref{postgresRef(major)},
	}
}

func pinned(r Recipe, suite string, packages ...string) Recipe {
	r.Pin = &Pin{Suite: suite, Packages: packages}
	return r
}

// postgresRef has the defaults of the official image.
func postgresRef(major string) Ref {
	return Ref{
		Image: "gitover.local/postgres:" + major,
		Env: []string{
			"PATH=" + postgresPath(major), "PG_MAJOR=" + major,
			"LANG=en_US.utf8", "PGDATA=/var/lib/postgresql/data",
		},
		Entrypoint: []string{"docker-entrypoint.sh"},
		Cmd:        []string{"postgres"},
		StopSignal: "SIGINT",
	}
}

func postgresPath(major string) string { return "/usr/lib/postgresql/" + major + "/bin:" + systemPath }

// Find returns the recipe that is called name, or that makes an image with this
// name ("pgbouncer", "postgres:17" and "gitover.local/postgres:17" all work).
func Find(name string) (Recipe, error) {
	known := []string{}
	for _, recipe := range Recipes {
		known = append(known, recipe.Name)
		if recipe.Name == name {
			return recipe, nil
		}
		for _, ref := range recipe.Refs {
			short := strings.TrimPrefix(ref.Image, "gitover.local/")
			if slices.Contains([]string{ref.Image, short, strings.Split(short, ":")[0]}, name) {
				return recipe, nil
			}
		}
	}
	return Recipe{}, fmt.Errorf("no image is called %q; there are %s", name, strings.Join(known, ", "))
}

// packagesKey changes whenever what Debian's packages make of the root could.
func (r Recipe) packagesKey() string {
	all := fmt.Sprint(packagesFormat, r.Suite, r.Packages)
	if r.Pin != nil {
		all += fmt.Sprint(*r.Pin)
	}
	sum := sha256.Sum256([]byte(all))
	return hex.EncodeToString(sum[:])
}

// key changes whenever the outcome of the recipe could.
func (r Recipe) key() (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, r.packagesKey(), finishFormat)
	if err := json.NewEncoder(hash).Encode(r); err != nil {
		return "", err
	}
	for _, script := range r.Scripts {
		content, err := entrypoints.ReadFile("entrypoint/" + script)
		if err != nil {
			return "", err
		}
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
