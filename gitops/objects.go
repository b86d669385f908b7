package gitops

import (
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"
)

// batch collects the new objects of one commit, so that exactly these are
// pushed, and nothing is kept of a commit that lost its race.
type batch struct {
	*memory.Storage
	order []plumbing.Hash
}

func newBatch() *batch { return &batch{Storage: memory.NewStorage()} }

func (b *batch) add(encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	encoded := &plumbing.MemoryObject{}
	if err := encode(encoded); err != nil {
		return plumbing.ZeroHash, err
	}
	hash := encoded.Hash()
	if _, known := b.Objects[hash]; known {
		return hash, nil
	}
	b.order = append(b.order, hash)
	return b.SetEncodedObject(encoded)
}

// keep copies the objects into the clone once the server has them.
func (b *batch) keep(objects storer.EncodedObjectStorer) error {
	for _, hash := range b.order {
		if _, err := objects.SetEncodedObject(b.Objects[hash]); err != nil {
			return err
		}
	}
	return nil
}

// write makes the Git tree that holds the Tree's changes and gives its hash;
// the same hash as before says that nothing changed.
func (t *Tree) write(into *batch) (plumbing.Hash, error) {
	changes := make(map[string][]byte, len(t.changed))
	for name, content := range t.changed {
		changes[name] = content
	}
	hash, empty, err := writeTree(t.objects, into, t.root, changes)
	if err == nil && empty {
		return into.add((&object.Tree{}).Encode)
	}
	return hash, err
}

func writeTree(objects storer.EncodedObjectStorer, into *batch, base plumbing.Hash, changes map[string][]byte) (plumbing.Hash, bool, error) {
	var entries []object.TreeEntry
	if !base.IsZero() {
		tree, err := object.GetTree(objects, base)
		if err != nil {
			return base, false, damaged(err)
		}
		entries = slices.Clone(tree.Entries)
	}
	below := map[string]map[string][]byte{}
	for name, content := range changes {
		first, rest, nested := strings.Cut(name, "/")
		if nested {
			if below[first] == nil {
				below[first] = map[string][]byte{}
			}
			below[first][rest] = content
			continue
		}
		var err error
		if entries, err = setFile(entries, into, first, content); err != nil {
			return base, false, err
		}
	}
	for name, nested := range below {
		var err error
		if entries, err = setDirectory(objects, entries, into, name, nested); err != nil {
			return base, false, err
		}
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, true, nil
	}
	sort.Sort(object.TreeEntrySorter(entries))
	hash, err := into.add((&object.Tree{Entries: entries}).Encode)
	return hash, false, err
}

func indexOf(entries []object.TreeEntry, name string) int {
	return slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name })
}

func setFile(entries []object.TreeEntry, into *batch, name string, content []byte) ([]object.TreeEntry, error) {
	at := indexOf(entries, name)
	if content == nil {
		if at >= 0 && entries[at].Mode != filemode.Dir {
			entries = slices.Delete(entries, at, at+1)
		}
		return entries, nil
	}
	hash, err := into.add(func(encoded plumbing.EncodedObject) error {
		encoded.SetType(plumbing.BlobObject)
		writer, err := encoded.Writer()
		if err == nil {
			_, err = writer.Write(content)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if at >= 0 && entries[at].Mode != filemode.Dir {
		entries[at].Hash = hash
		return entries, nil
	}
	return append(entries, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: hash}), nil
}

func setDirectory(objects storer.EncodedObjectStorer, entries []object.TreeEntry, into *batch, name string, nested map[string][]byte) ([]object.TreeEntry, error) {
	at := indexOf(entries, name)
	base := plumbing.ZeroHash
	if at >= 0 && entries[at].Mode == filemode.Dir {
		base = entries[at].Hash
	}
	hash, empty, err := writeTree(objects, into, base, nested)
	if err != nil {
		return nil, err
	}
	isDirectory := at >= 0 && entries[at].Mode == filemode.Dir
	switch {
	case empty && isDirectory:
		return slices.Delete(entries, at, at+1), nil
	case empty:
		return entries, nil
	case isDirectory:
		entries[at].Hash = hash
		return entries, nil
	}
	return append(entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: hash}), nil
}

// writeCommit adds the commit object, signed if there is a signer.
func writeCommit(into *batch, commit *object.Commit, signer Signer) (plumbing.Hash, error) {
	if signer != nil {
		unsigned := &plumbing.MemoryObject{}
		if err := commit.EncodeWithoutSignature(unsigned); err != nil {
			return plumbing.ZeroHash, err
		}
		reader, err := unsigned.Reader()
		if err != nil {
			return plumbing.ZeroHash, err
		}
		signed, err := signer.Sign(reader)
		if err != nil {
			return plumbing.ZeroHash, cannotSign(err)
		}
		commit.PGPSignature = strings.TrimRight(string(signed), "\n") + "\n"
	}
	return into.add(commit.Encode)
}
