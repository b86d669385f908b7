package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/internal/yamlfile"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// wish is what a checkout says of a database, committed or not.
type wish struct {
	upgrade *v1alpha1.PgUpgrade
	proxy   *v1alpha1.PgProxy
	// path of the PgUpgrade's file from the checkout's root.
	path string
	// files of the checkout by their paths from its root.
	files map[string][]byte
	// serves is the instance that serves, and target the version to plan for.
	serves, target string
}

// checkoutOf a file or directory; of the working directory if that is empty.
func checkoutOf(ctx context.Context, file string) (checkout, error) {
	if file == "" {
		return here(ctx)
	}
	info, err := os.Stat(file)
	if err != nil {
		return checkout{}, err
	}
	directory := file
	if !info.IsDir() {
		directory = filepath.Dir(file)
	}
	root, err := checkout{root: directory}.git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return checkout{}, fmt.Errorf("%s isn't in a checkout of the fleet repository: %w", file, err)
	}
	return checkout{root: strings.TrimSuffix(root, "\n")}, nil
}

const (
	// manifestLimit is the size of the largest file that may be a manifest.
	manifestLimit = 1 << 20
	// checkoutLimit is what all of them may have together.
	checkoutLimit = 256 << 20
)

// files of the checkout as they are, those too that aren't committed yet; not what Git ignores, symlinks and what is too large
// to be a manifest.
func (c checkout) files(ctx context.Context) (map[string][]byte, error) {
	list, err := c.git(ctx, "ls-files", "-z", "--full-name", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	files, size := map[string][]byte{}, int64(0)
	for path := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		full := filepath.Join(c.root, filepath.FromSlash(path))
		info, err := os.Lstat(full)
		if err != nil || !info.Mode().IsRegular() || info.Size() > manifestLimit {
			continue
		}
		if size += info.Size(); size > checkoutLimit {
			return nil, fmt.Errorf("%s has more than %d MiB of files; run this in a sparse checkout of the databases' directories", c.root, checkoutLimit>>20)
		}
		if files[path], err = os.ReadFile(full); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// wish of the PgUpgrade of this name, or of the only one; in one file or directory, if that is given.
func (c checkout) wish(ctx context.Context, name, within string) (*wish, error) {
	files, err := c.files(ctx)
	if err != nil {
		return nil, err
	}
	below := ""
	if within != "" {
		if below, err = c.relative(within); err != nil {
			return nil, err
		}
	}
	var found []string
	for path, content := range files {
		if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" || !bytes.Contains(content, []byte("PgUpgrade")) {
			continue
		}
		if below != "" && below != "." && path != below && !strings.HasPrefix(path, below+"/") {
			continue
		}
		names, err := gitops.NamesOf(content, "PgUpgrade")
		if err != nil && path == below {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(names) > 0 && (name == "" || slices.Contains(names, name)) {
			found = append(found, path)
		}
	}
	slices.Sort(found)
	switch {
	case len(found) > 1:
		return nil, fmt.Errorf("there are several PgUpgrades (%s); name one of these files by -f", strings.Join(found, ", "))
	case len(found) == 0 && name != "":
		return nil, fmt.Errorf("no file in %s has PgUpgrade %s", filepath.Join(c.root, below), name)
	case len(found) == 0:
		return nil, fmt.Errorf("no file in %s has a PgUpgrade", filepath.Join(c.root, below))
	}
	return wishIn(files, found[0], name)
}

// directory of a path in the repository, if the checkout has it.
func (c checkout) directory(path string) (string, error) {
	full := filepath.Join(c.root, filepath.FromSlash(path))
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%s has no directory %s, which the PgUpgrade in the cluster has as spec.git.path; run this in the checkout that Flux applies", c.root, path)
	}
	return full, nil
}

// relative path of a file or directory from the checkout's root, with slashes.
func (c checkout) relative(file string) (string, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if absolute, err = filepath.EvalSymlinks(absolute); err != nil {
		return "", err
	}
	root, err := filepath.EvalSymlinks(c.root)
	if err != nil {
		return "", err
	}
	path, err := filepath.Rel(root, absolute)
	return filepath.ToSlash(path), err
}

func wishIn(files map[string][]byte, path, name string) (*wish, error) {
	w := &wish{path: path, files: files}
	var err error
	if w.upgrade, err = yamlfile.Upgrade(files[path], name); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	directory := w.upgrade.Spec.Git.Path
	preview, err := gitops.NewPreview(files, directory)
	if err != nil {
		return nil, fmt.Errorf("%s: spec.git.path: %w", path, err)
	}
	return w, preview.View(func(tree *gitops.Tree) error {
		file, err := gitops.FindManifest(tree, "PgProxy", w.upgrade.Spec.ProxyRef.Name)
		if err != nil {
			return err
		}
		content, err := tree.Read(file)
		if err != nil {
			return err
		}
		if w.proxy, err = yamlfile.Proxy(content, w.upgrade.Spec.ProxyRef.Name); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		w.serves = w.proxy.Spec.Target
		return nil
	})
}

// pair the instance that serves with the one of the target version.
func (w *wish) pair(target string) error {
	w.target = target
	if w.target == "" {
		wanted, err := w.wanted()
		if err != nil {
			return err
		}
		w.target = wanted
	}
	if steps.VersionOf(w.upgrade.Name, w.upgrade.Spec.Adopt, w.serves) == "" {
		return fmt.Errorf("%s isn't an instance of PgUpgrade %s (%s-<version>, or spec.adopt.name); correct spec.target of the PgProxy", w.serves, w.upgrade.Name, w.upgrade.Name)
	}
	w.upgrade.Status.From, w.upgrade.Status.To = w.serves, steps.InstanceName(w.upgrade.Name, w.target)
	return nil
}

// upToDate says that the version is there already.
func (w *wish) upToDate() bool {
	return steps.VersionOf(w.upgrade.Name, w.upgrade.Spec.Adopt, w.serves) == w.target
}

var leadingMajor = regexp.MustCompile(`^[0-9]+`)

// wanted version by the checkout.
func (w *wish) wanted() (string, error) {
	version, from := w.upgrade.Spec.Version, w.upgrade.Spec.VersionFrom
	where := w.path + ": spec.version"
	if from != nil {
		content, there := w.files[from.Path]
		if !there {
			return "", fmt.Errorf("%s: spec.versionFrom names %s, which isn't in the checkout", w.path, from.Path)
		}
		value, err := gitops.FieldValue(content, from.Field)
		if err != nil {
			return "", fmt.Errorf("%s: %w", from.Path, err)
		}
		version, where = leadingMajor.FindString(value), from.Path+": "+from.Field
	}
	if version == "" {
		return "", errors.New(w.path + " has no spec.version; say by --to which version is planned")
	}
	if !steps.Supported(version) {
		return "", fmt.Errorf("%s %q is no supported PostgreSQL major version; supported are %s", where, version, postgres.SupportedVersions())
	}
	return version, nil
}

// serviceOf a host name in the cluster.
func serviceOf(host string) string {
	service, _, _ := strings.Cut(host, ".")
	return service
}
