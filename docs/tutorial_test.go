package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// TestTheTutorialsManifestsBuild runs the lines that make the fleet's directory, as a reader does, and builds what comes out.
func TestTheTutorialsManifestsBuild(t *testing.T) {
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(line string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", line)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GITOVER="+checkout, "REPO=https://git.example.com/you/fleet.git")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	page := read(t, "docs/tutorial.md")
	made := regexp.MustCompile(`(?m)^\$ ((?:cp -r|sed -i) .*)$`).FindAllStringSubmatch(page, -1)
	if len(made) != 2 {
		t.Fatalf("%d lines that make manifests found, 2 expected", len(made))
	}
	for _, line := range made {
		run(line[1])
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, "apps", "orders"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	loaded := regexp.MustCompile(`(?m)^\$ kind load docker-image .*$`).FindString(page)
	images := regexp.MustCompile(`(?m)^ +(?:- )?image: (\S+)$`).FindAllSubmatch(text, -1)
	if len(images) < 3 {
		t.Errorf("only %d images found", len(images))
	}
	for _, match := range images {
		if image := strings.TrimPrefix(string(match[1]), "docker.io/library/"); !strings.Contains(loaded+" ", " "+image+" ") {
			t.Errorf("the manifests want the image %s, which isn't loaded: %s", image, loaded)
		}
	}
	if !bytes.Contains(text, []byte("newName: docker.io/library/postgres")) {
		t.Error("the PgUpgrade has other images than the first instance")
	}
	applied := regexp.MustCompile(`(?m)^\$ (sed ".*) \| kubectl apply -f -$`).FindStringSubmatch(page)
	if applied == nil || !strings.Contains(run(applied[1]), "url: https://git.example.com/you/fleet.git\n") {
		t.Error("the GitRepository doesn't lead to the reader's repository")
	}
}

// TestPicturesNeedNothingElse: any viewer of Markdown shows them, on a light page and on a dark one.
func TestPicturesNeedNothingElse(t *testing.T) {
	pictures, err := filepath.Glob("*.svg")
	if err != nil || len(pictures) < 3 {
		t.Fatalf("pictures: %v %v", pictures, err)
	}
	for _, picture := range pictures {
		text := read(t, filepath.Join("docs", picture))
		for _, needs := range []string{"<script", "<style", "href", "@font-face", "<foreignObject", "url(http"} {
			if strings.Contains(text, needs) {
				t.Errorf("%s has %q, which some viewers leave out", picture, needs)
			}
		}
		if !strings.Contains(text, `fill="#ffffff"/>`) || !strings.Contains(text, "<title") {
			t.Errorf("%s has no background of its own, or no title", picture)
		}
	}
}
