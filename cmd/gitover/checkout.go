package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gitover/gitover/gitops"
)

// checkout is a person's own clone of the fleet repository. Their git changes it, with their identity, hooks and
// signing.
type checkout struct{ root string }

// here is the checkout of the working directory.
func here(ctx context.Context) (checkout, error) {
	out, err := checkout{root: "."}.git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return checkout{}, fmt.Errorf("run this in your checkout of the fleet repository: %w", err)
	}
	return checkout{root: strings.TrimSuffix(out, "\n")}, nil
}

// git runs it in the checkout; the error has what it printed.
func (c checkout) git(ctx context.Context, args ...string) (string, error) {
	return c.feed(ctx, os.Stdin, args...)
}

func (c checkout) feed(ctx context.Context, in io.Reader, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...) //nolint:gosec // no shell, and options end before what people typed
	command.Dir, command.Stdin = c.root, in
	var out, trouble bytes.Buffer
	command.Stdout, command.Stderr = &out, &trouble
	if err := command.Run(); err != nil {
		if said := strings.TrimSpace(trouble.String()); said != "" {
			return "", errors.New("git: " + strings.ReplaceAll(said, "\n", "; "))
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return out.String(), nil
}

// manifest is the file of the checkout that holds an upgrade.
type manifest struct {
	checkout
	// path from the root, with slashes.
	path, name string
	content    []byte
}

// find the PgUpgrade of this name, or the only one there is; in one file, if that is given.
func (c checkout) find(ctx context.Context, name, file string) (*manifest, error) {
	paths := []string{"--", "*.yaml", "*.yml"}
	if file != "" {
		absolute, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		paths = []string{"--", absolute}
	}
	list, err := c.git(ctx, append([]string{"ls-files", "-z", "--full-name"}, paths...)...)
	if err != nil {
		return nil, err
	}
	var found []*manifest
	for path := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(path)))
		if err != nil || !bytes.Contains(content, []byte("PgUpgrade")) {
			continue // a file that was removed, or is another's
		}
		names, err := gitops.NamesOf(content, "PgUpgrade")
		if err != nil && file != "" {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, n := range names {
			if name == "" || n == name {
				found = append(found, &manifest{c, path, n, content})
			}
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var where []string
		for _, m := range found {
			where = append(where, m.name+" in "+m.path)
		}
		return nil, fmt.Errorf("there are several PgUpgrades (%s); say which by its name or with --file", strings.Join(where, ", "))
	case name != "":
		return nil, fmt.Errorf("no committed file in %s has PgUpgrade %s", c.root, name)
	}
	return nil, fmt.Errorf("no committed file in %s has a PgUpgrade", c.root)
}

// field of the upgrade; empty if it is missing.
func (m *manifest) field(path string) (string, error) {
	value, err := gitops.ObjectField(m.content, "PgUpgrade", m.name, path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.path, err)
	}
	return value, nil
}

// set a field, and keep every other byte of the file.
func (m *manifest) set(path, value string) error {
	content, err := gitops.PutField(m.content, "PgUpgrade", m.name, path, value)
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	m.content = content
	return nil
}

// unchanged says whether the file is as it was committed: otherwise the person's own edits would be committed along with
// the change.
func (m *manifest) unchanged(ctx context.Context) error {
	out, err := m.git(ctx, "status", "--porcelain", "--", m.path)
	if err == nil && out != "" {
		err = fmt.Errorf("%s has changes that aren't committed; commit or stash them first", m.path)
	}
	return err
}

// write the changed file
func (m *manifest) write() error {
	path := filepath.Join(m.root, filepath.FromSlash(m.path))
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, m.content, info.Mode().Perm())
}

// diff between the committed file and the changed one.
func (m *manifest) diff(ctx context.Context) (string, error) {
	blob, err := m.feed(ctx, bytes.NewReader(m.content), "hash-object", "-w", "--stdin", "--path", m.path)
	if err != nil {
		return "", err
	}
	blob = strings.TrimSpace(blob)
	patch, err := m.git(ctx, "diff", "HEAD:"+m.path, blob)
	return strings.ReplaceAll(patch, "b/"+blob, "b/"+m.path), err
}
