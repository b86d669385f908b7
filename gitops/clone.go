package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"
)

const (
	remoteName = "origin"
	// A clone collects one pack per fetch and slows down with them; a new one costs as much as the first.
	fetchesPerClone = 256
	// One exchange with the server may take this long; a stuck one must not block others for ever.
	remoteTimeout = 2 * time.Minute
	// Clones kept by one process. The least recently used one goes first.
	keptClones = 32
	// Objects kept in memory per clone, in bytes.
	objectCache = 8 << 20
	// Objects above this size, in bytes, are streamed and never held in memory.
	largeObject = 4 << 20
)

// semaphore is a mutex whose wait ends with the context.
type semaphore chan struct{}

func newSemaphore() semaphore { return make(semaphore, 1) }

func (l semaphore) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l semaphore) unlock() { <-l }

func (l semaphore) tryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

// clone is a bare copy of one branch, with all of its history and without a
// work tree: files are read from and written to Git objects, so that nothing in
// a repository (symlinks, hooks, odd names) ever meets this machine's file system.
type clone struct {
	semaphore
	directory string // "" keeps it in memory
	objects   storage.Storer
	tip       plumbing.Hash
	fetches   int
	history   *history

	used time.Time
}

// process holds what all Repository values of this process share.
var process = struct {
	sync.Mutex
	clones  map[string]*clone
	writers map[string]semaphore
	made    int
}{clones: map[string]*clone{}, writers: map[string]semaphore{}}

// writerOf returns the semaphore for the one writer of a repository's branch.
func writerOf(access Access) semaphore {
	process.Lock()
	defer process.Unlock()
	key := access.url + "\x00" + access.branch
	if process.writers[key] == nil {
		process.writers[key] = newSemaphore()
	}
	return process.writers[key]
}

// cloneOf gives the clone that belongs to these credentials and makes room for it.
func cloneOf(access Access, directory string, now time.Time) *clone {
	process.Lock()
	defer process.Unlock()
	identity := access.identityOf()
	key := identity + "\x00" + directory
	found := process.clones[key]
	if found == nil {
		if directory != "" {
			// Never the directory of an evicted clone, which another caller may still wait for.
			process.made++
			directory = filepath.Join(directory, fmt.Sprintf("%s-%d", identity, process.made))
		}
		found = &clone{semaphore: newSemaphore(), directory: directory}
		process.clones[key] = found
	}
	found.used = now
	for len(process.clones) > keptClones {
		if !evictOldest(found) {
			break
		}
	}
	return found
}

// evictOldest drops the idle clone that wasn't used for longest; false if all are busy.
func evictOldest(except *clone) bool {
	oldest := ""
	for key, candidate := range process.clones {
		if candidate != except && len(candidate.semaphore) == 0 && (oldest == "" || candidate.used.Before(process.clones[oldest].used)) {
			oldest = key
		}
	}
	if oldest == "" || !process.clones[oldest].tryLock() {
		return false
	}
	// A caller that still waits for this clone finds it empty and fetches again.
	process.clones[oldest].drop()
	process.clones[oldest].unlock()
	delete(process.clones, oldest)
	return true
}

// drop forgets everything; the next fetch starts again.
func (c *clone) drop() {
	if closer, ok := c.objects.(*filesystem.Storage); ok {
		_ = closer.Close()
	}
	if c.directory != "" {
		_ = os.RemoveAll(c.directory)
	}
	c.objects, c.tip, c.fetches, c.history = nil, plumbing.ZeroHash, 0, nil
}

func (c *clone) prepare() error {
	if c.objects != nil && c.fetches < fetchesPerClone {
		return nil
	}
	c.drop()
	if c.directory == "" {
		c.objects = memory.NewStorage()
	} else {
		if err := os.MkdirAll(c.directory, 0o700); err != nil {
			return err
		}
		c.objects = filesystem.NewStorageWithOptions(osfs.New(c.directory, osfs.WithBoundOS()),
			cache.NewObjectLRU(objectCache), filesystem.Options{MaxOpenDescriptors: 8, LargeObjectThreshold: largeObject})
	}

	_, err := git.Init(c.objects, nil)
	return err
}

// fetch gets the branch's tip, also after a force-push: a rewritten history replaces ours. A
// damaged clone is made again once.
func (c *clone) fetch(ctx context.Context, access Access) error {
	reused := c.objects != nil && !c.tip.IsZero()
	err := c.fetchOnce(ctx, access)
	if err == nil {
		return nil
	}
	mapped := access.remoteFailure("fetch from", err)
	if !reused || !errors.Is(mapped, ErrUnreachable) || lostAnswer(err) || ctx.Err() != nil {
		return mapped
	}
	c.drop()
	return access.remoteFailure("fetch from", c.fetchOnce(ctx, access))
}

func (c *clone) fetchOnce(ctx context.Context, access Access) error {
	if err := c.prepare(); err != nil {
		return err
	}
	tip, err := c.exchange(ctx, access, access.branch)
	if err != nil {
		return err
	}
	if tip != c.tip {
		c.tip = tip
		c.fetches++
	}
	return nil
}

// exchange brings a branch to the clone and returns its tip.
func (c *clone) exchange(ctx context.Context, access Access, branch string) (plumbing.Hash, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	tracking := plumbing.NewRemoteReferenceName(remoteName, branch)
	spec := config.RefSpec("+" + plumbing.NewBranchReferenceName(branch).String() + ":" + tracking.String())
	remote := git.NewRemote(c.objects, &config.RemoteConfig{Name: remoteName, URLs: []string{access.url}, Fetch: []config.RefSpec{spec}})
	err := remote.FetchContext(ctx, &git.FetchOptions{
		RefSpecs: []config.RefSpec{spec}, Auth: access.auth, Tags: git.NoTags, Force: true,
		CABundle: access.options.CAFile, ClientCert: access.options.ClientCert, ClientKey: access.options.ClientKey,
	})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return plumbing.ZeroHash, err
	}
	reference, err := c.objects.Reference(tracking)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return reference.Hash(), nil
}

// advance records a commit of ours that the server took.
func (c *clone) advance(access Access, tip plumbing.Hash) error {
	c.tip = tip
	c.fetches++
	return c.objects.SetReference(plumbing.NewHashReference(plumbing.NewRemoteReferenceName(remoteName, access.branch), tip))
}

// asWriter waits until no other commit of this process to the repository is under way. The caller unlocks.
func (r *Repository) asWriter(ctx context.Context) (unlock func(), err error) {
	writer := writerOf(r.access)
	if err := writer.lock(ctx); err != nil {
		return nil, r.access.remoteFailure("wait for another commit to", err)
	}
	return writer.unlock, nil
}
