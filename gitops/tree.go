package gitops

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Tree is one directory of a commit, with changes on top that aren't committed
// yet. Paths are relative to the directory; one that leaves it, names .git or
// meets a symlink or submodule is ErrBadPath. A Tree is valid only inside the
// function that it was given to.
type Tree struct {
	objects   storer.EncodedObjectStorer
	root      plumbing.Hash
	directory string
	changed   map[string][]byte // by full path; nil is removed
}

// Edit changes files. It is called again, on a newer tree, after a lost race,
// so it must depend on nothing but the tree.
type Edit func(tree *Tree) error

// treeOf is a directory of the tree with this root, without changes.
func treeOf(objects storer.EncodedObjectStorer, root plumbing.Hash, directory string) *Tree {
	return &Tree{objects: objects, root: root, directory: directory, changed: map[string][]byte{}}
}

// NewTree makes a Tree of files in memory, for rendering and tests.
func NewTree(files map[string][]byte) (*Tree, error) {
	tree := &Tree{objects: memory.NewStorage(), changed: map[string][]byte{}}
	for name, content := range files {
		if err := tree.Write(name, content); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

func (t *Tree) full(name string) (string, error) {
	if err := checkPath(name); err != nil {
		return "", err
	}
	return path.Join(t.directory, name), nil
}

// Read gives a file's bytes. Errors: ErrPathMissing, ErrBadPath, ErrBadFile (larger than 1 MiB).
func (t *Tree) Read(name string) ([]byte, error) {
	full, err := t.full(name)
	if err != nil {
		return nil, err
	}
	return t.readFull(full)
}

// readFull reads anywhere in the repository.
func (t *Tree) readFull(full string) ([]byte, error) {
	if content, ok := t.changed[full]; ok {
		if content == nil {
			return nil, failure(ErrPathMissing, "file %s isn't there", full)
		}
		return slices.Clone(content), nil
	}
	entry, found, err := lookup(t.objects, t.root, full)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, failure(ErrPathMissing, "file %s isn't there", full)
	}
	return readEntry(t.objects, full, entry)
}

func readEntry(objects storer.EncodedObjectStorer, full string, entry object.TreeEntry) ([]byte, error) {
	if entry.Mode == filemode.Symlink || entry.Mode == filemode.Submodule {
		return nil, failure(ErrBadPath, "%s is a symlink or submodule, which Gitover doesn't follow", full)
	}
	if entry.Mode == filemode.Dir {
		return nil, failure(ErrBadPath, "%s is a directory", full)
	}
	blob, err := object.GetBlob(objects, entry.Hash)
	if err != nil {
		return nil, damaged(err)
	}
	if blob.Size > fileLimit {
		return nil, failure(ErrBadFile, "%s has %d bytes, more than a manifest may have (%d)", full, blob.Size, fileLimit)
	}
	reader, err := blob.Reader()
	if err != nil {
		return nil, damaged(err)
	}
	defer func() { _ = reader.Close() }()
	content, err := io.ReadAll(io.LimitReader(reader, fileLimit+1))
	if err != nil {
		return nil, damaged(err)
	}
	return content, nil
}

// lookup finds the entry of a path without following symlinks or submodules.
func lookup(objects storer.EncodedObjectStorer, root plumbing.Hash, full string) (object.TreeEntry, bool, error) {
	entry := object.TreeEntry{Mode: filemode.Dir, Hash: root}
	if full == "" {
		return entry, true, nil
	}
	done := ""
	for component := range strings.SplitSeq(full, "/") {
		if entry.Mode == filemode.Symlink || entry.Mode == filemode.Submodule {
			return entry, false, failure(ErrBadPath, "%s is a symlink or submodule, which Gitover doesn't follow", done)
		}
		if entry.Mode != filemode.Dir || entry.Hash.IsZero() {
			return entry, false, nil
		}
		tree, err := object.GetTree(objects, entry.Hash)
		if err != nil {
			return entry, false, damaged(err)
		}
		at := slices.IndexFunc(tree.Entries, func(e object.TreeEntry) bool { return e.Name == component })
		if at < 0 {
			return entry, false, nil
		}
		entry = tree.Entries[at]
		done = path.Join(done, component)
	}
	return entry, true, nil
}

// Write sets a file's bytes, making directories as needed. It keeps the mode of
// a file that exists.
func (t *Tree) Write(name string, content []byte) error {
	full, err := t.full(name)
	if err != nil {
		return err
	}
	if len(content) > fileLimit {
		return failure(ErrBadFile, "%s would have %d bytes, more than a manifest may have (%d)", full, len(content), fileLimit)
	}
	if _, found, err := lookup(t.objects, t.root, full); err != nil {
		return err
	} else if found {
		if _, err := t.readFull(full); err != nil && !errors.Is(err, ErrPathMissing) && !errors.Is(err, ErrBadFile) {
			return err
		}
	}
	for parent := path.Dir(full); parent != "."; parent = path.Dir(parent) {
		if content, changed := t.changed[parent]; changed && content != nil {
			return failure(ErrBadPath, "%s is a file, so %s can't be", parent, full)
		}
		entry, found, err := lookup(t.objects, t.root, parent)
		if err != nil {
			return err
		}
		if _, changed := t.changed[parent]; found && entry.Mode != filemode.Dir && !changed {
			return failure(ErrBadPath, "%s is a file, so %s can't be", parent, full)
		}
	}
	if files, err := t.filesFull(full); err != nil {
		return err
	} else if len(files) > 0 {
		return failure(ErrBadPath, "%s is a directory", full)
	}
	t.changed[full] = append([]byte{}, content...)
	return nil
}

// Remove takes away a file, or a directory with all files below it.
// One that isn't there is ErrPathMissing.
func (t *Tree) Remove(name string) error {
	full, err := t.full(name)
	if err != nil {
		return err
	}
	files, err := t.filesFull(full)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		if _, err := t.readFull(full); err != nil {
			return err
		}
		files = []string{full}
	}
	for _, file := range files {
		t.changed[file] = nil
	}
	return nil
}

// Files lists the plain files below a directory ("" for the whole Tree) with all
// its subdirectories, sorted. Symlinks and submodules are left out.
func (t *Tree) Files(under string) ([]string, error) {
	full := t.directory
	if under != "" {
		var err error
		if full, err = t.full(under); err != nil {
			return nil, err
		}
	}
	files, err := t.filesFull(full)
	if err != nil || t.directory == "" {
		return files, err
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], t.directory+"/")
	}
	return files, nil
}

// Glob lists the plain files that match a pattern of path.Match.
func (t *Tree) Glob(pattern string) ([]string, error) {
	files, err := t.Files("")
	if err != nil {
		return nil, err
	}
	var matched []string
	for _, file := range files {
		ok, err := path.Match(pattern, file)
		if err != nil {
			return nil, failure(ErrBadPath, "%q isn't a pattern", Printable(pattern, 100))
		}
		if ok {
			matched = append(matched, file)
		}
	}
	return matched, nil
}

func (t *Tree) filesFull(under string) ([]string, error) {
	files := map[string]struct{}{}
	entry, found, err := lookup(t.objects, t.root, under)
	if err != nil {
		return nil, err
	}
	if found && entry.Mode == filemode.Dir && !entry.Hash.IsZero() {
		if err := collect(t.objects, entry.Hash, under, files); err != nil {
			return nil, err
		}
	}
	for file, content := range t.changed {
		if content == nil {
			delete(files, file)
		} else if under == "" || strings.HasPrefix(file, under+"/") {
			files[file] = struct{}{}
		}
	}
	sorted := make([]string, 0, len(files))
	for file := range files {
		sorted = append(sorted, file)
	}
	sort.Strings(sorted)
	return sorted, nil
}

func collect(objects storer.EncodedObjectStorer, hash plumbing.Hash, under string, files map[string]struct{}) error {
	tree, err := object.GetTree(objects, hash)
	if err != nil {
		return damaged(err)
	}
	for _, entry := range tree.Entries {
		name := path.Join(under, entry.Name)
		switch {
		case entry.Mode == filemode.Dir:
			if err := collect(objects, entry.Hash, name, files); err != nil {
				return err
			}
		case entry.Mode.IsFile() && entry.Mode != filemode.Symlink:
			files[name] = struct{}{}
		}
		if len(files) > filesLimit {
			return failure(ErrBadPath, "%s", fmt.Sprintf("directory %q has more than %d files: give Gitover a directory of its own", under, filesLimit))
		}
	}
	return nil
}
