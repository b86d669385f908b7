package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitover/gitover/test/pg"
)

// read returns the files of a tar archive, and what its links lead to.
func read(t *testing.T, content []byte) (files map[string][]byte, links map[string]string) {
	t.Helper()
	files, links = map[string][]byte{}, map[string]string{}
	archive := tar.NewReader(bytes.NewReader(content))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, links
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name], links[header.Name] = body, header.Linkname
	}
}

func TestAnArchiveHasOneLayerAndAConfigurationPerReference(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "bin"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "bin/a"), []byte("program"), 0o755))
	must(t, os.Link(filepath.Join(root, "bin/a"), filepath.Join(root, "bin/b")))
	must(t, os.Symlink("a", filepath.Join(root, "bin/c")))
	path := filepath.Join(t.TempDir(), "image.tar")
	refs := []Ref{{Image: "x:1", Cmd: []string{"a"}}, {Image: "y:1", User: "999"}}
	must(t, writeArchive(path, directory(root), refs))
	content, err := os.ReadFile(path)
	must(t, err)
	files, _ := read(t, content)
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	must(t, json.Unmarshal(files["manifest.json"], &manifest))
	if len(manifest) != 2 || manifest[0].RepoTags[0] != "x:1" || manifest[0].Layers[0] != manifest[1].Layers[0] {
		t.Fatalf("manifest: %+v", manifest)
	}
	if config := string(files[manifest[1].Config]); !strings.Contains(config, `"User":"999"`) {
		t.Errorf("configuration: %s", config)
	}
	layer, links := read(t, files[manifest[0].Layers[0]])
	if string(layer["bin/a"]) != "program" || links["bin/b"] != "bin/a" || links["bin/c"] != "a" {
		t.Errorf("layer: %v, links: %v", layer, links)
	}

	again := filepath.Join(t.TempDir(), "image.tar")
	must(t, writeArchive(again, directory(root), refs))
	second, err := os.ReadFile(again)
	must(t, err)
	if !bytes.Equal(content, second) {
		t.Error("equal inputs made different archives")
	}
}

func TestABinaryImageIsMadeAnewOnlyWhenItsProgramChanged(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(program, []byte("one"), 0o755))
	b := Builder{Dir: t.TempDir()}
	binary := Binary{Name: "x", Program: program, Ref: Ref{Image: "x:dev"}}
	for _, step := range []struct {
		content string
		changed bool
	}{{"one", true}, {"one", false}, {"two", true}, {"two", false}} {
		must(t, os.WriteFile(program, []byte(step.content), 0o755))
		changed, err := b.BuildBinary(binary)
		must(t, err)
		if changed != step.changed {
			t.Errorf("program %q: changed is %t", step.content, changed)
		}
	}
	must(t, os.Remove(filepath.Join(b.Dir, "x", "key"))) // as an interrupted build leaves it
	if changed, err := b.BuildBinary(binary); err != nil || !changed {
		t.Errorf("a half-made image wasn't made again: %v", err)
	}
}

func TestEveryImageIsFoundByItsNames(t *testing.T) {
	for name, recipe := range map[string]string{
		"postgres-17": "postgres-17", "postgres:17": "postgres-17", "gitover.local/postgres:18": "postgres-18", "pgbouncer": "postgres-17",
	} {
		found, err := Find(name)
		must(t, err)
		if found.Name != recipe {
			t.Errorf("%s is made by %s, not by %s", name, found.Name, recipe)
		}
	}
	if _, err := Find("postgres-9"); err == nil || !strings.Contains(err.Error(), "postgres-13") {
		t.Errorf("an unknown image: %v", err)
	}
}

func TestEverySupportedVersionHasAnImageUnlessTestsSayNot(t *testing.T) {
	for _, major := range pg.Majors() {
		if _, err := Find(fmt.Sprint("postgres-", major)); err != nil {
			t.Errorf("%v: add a recipe for PostgreSQL %d", err, major)
		}
	}
}

func TestPackagesOfAnotherSuiteChangeTheKey(t *testing.T) {
	one, other := postgres("19", "forky"), pinned(postgres("19", "forky"), "experimental", "libpq5")
	if one.packagesKey() == other.packagesKey() {
		t.Error("packages of another suite made no other key")
	}
	if p := other.Pin.preferences(); !strings.Contains(p, "Package: libpq5\\nPin: release a=experimental\\nPin-Priority: 900") || !strings.Contains(p, "Pin-Priority: -1") {
		t.Errorf("apt is told %s", p)
	}
}

func TestARecipesKeyFollowsItsPackagesAndScripts(t *testing.T) {
	one, other := postgres("15", "bookworm"), postgres("15", "bookworm")
	other.Packages = append(other.Packages, "more")
	first, err := one.key()
	must(t, err)
	second, err := other.key()
	must(t, err)
	if first == second || one.packagesKey() == other.packagesKey() {
		t.Error("another package made no other key")
	}
	other = postgres("15", "bookworm")
	other.Refs[0].Cmd = []string{"else"}
	if third, err := other.key(); err != nil || third == first || other.packagesKey() != one.packagesKey() {
		t.Errorf("another command should change the key, not the packages' (%v)", err)
	}
}

func TestTheMachinesOwnMirrorIsFoundAmongItsRepositories(t *testing.T) {
	got, err := debianArchive([]string{"http://near.example/debian-security/", "http://near.example/debian/", "http://other.example/node"})
	must(t, err)
	if got != "http://near.example/debian" {
		t.Error(got)
	}
	if _, err := debianArchive([]string{"http://near.example/ubuntu/"}); err == nil || !strings.Contains(err.Error(), "STAGE_APT_MIRROR") {
		t.Errorf("no archive: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
