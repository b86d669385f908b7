package gitops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitover/gitover/gitops/history"
	"github.com/gitover/gitover/gitops/shallow"
)

const (
	// A clone collects one pack per fetch and slows down with them; a new one costs as much as the first.
	fetchesPerClone = 256
	// One exchange with the server may take this long; a stuck one must not block others for ever.
	remoteTimeout = 2 * time.Minute
	// Clones kept by one process. The least recently used one goes first.
	keptClones = 32
	// Earlier tips that are told to the server.
	rememberedTips = 8
	// Objects kept in memory per clone, in bytes.
	objectCache = 8 << 20
	// Objects above this size, in bytes, are streamed and never held in memory.
	largeObject = 4 << 20
	// Commits that a clone has more of after it was deepened: three times as many, and at most so many. What one exchange brings
	// is taken apart in memory.
	deepenBy, deepenAtMost = 3, 8192
)

// firstDepth is how many commits of a branch a clone has at first; stories begin with one.
var firstDepth = 256

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

// clone is a bare copy of one branch, with the newest part of its history and without a
// work tree: files are read from and written to Git objects, so that nothing in
// a repository (symlinks, hooks, odd names) ever meets this machine's file system.
// What looks for more of the history than there is fails with history.ErrEdge: the clone is
// deepened then, and asked again.
type clone struct {
	semaphore
	directory string // "" keeps it in memory
	objects   storage.Storer
	tip       plumbing.Hash
	// before are earlier tips, which the server needn't send again.
	before  []plumbing.Hash
	fetches int
	// depth asked for, and the commits where the clone ends.
	depth int
	edge  shallow.Edge
	// sides are other branches that were fetched, with their tips.
	sides map[string]plumbing.Hash
	graph *history.Graph
	line  *history.Line

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
	c.objects, c.tip, c.before, c.fetches = nil, plumbing.ZeroHash, nil, 0
	c.depth, c.edge, c.sides, c.graph, c.line = firstDepth, shallow.Edge{}, map[string]plumbing.Hash{}, history.New(c.remembered), nil
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
	tips, err := c.exchange(ctx, access, shallow.Request{Branches: []string{access.branch}})
	if err != nil {
		return err
	}
	return c.follow(access, tips)
}

// follow the branch to the tip that the server has.
func (c *clone) follow(access Access, tips map[string]plumbing.Hash) error {
	tip, ok := tips[access.branch]
	if !ok {
		return plumbing.ErrReferenceNotFound
	}
	if tip != c.tip {
		c.advance(tip)
	}
	return nil
}

// advance to a new tip: of the server, or a commit of ours that the server took.
func (c *clone) advance(tip plumbing.Hash) {
	if !c.tip.IsZero() {
		c.before = append(c.before[max(0, len(c.before)-rememberedTips):], c.tip)
	}
	c.tip = tip
	c.fetches++
}

// exchange brings branches to the clone, as deep as it is, and returns the tips of those that the server has.
func (c *clone) exchange(ctx context.Context, access Access, request shallow.Request) (map[string]plumbing.Hash, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	session, err := access.upload(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = session.Close() }()
	request.Depth, request.Have = c.depth, append(slices.Collect(maps.Values(c.sides)), c.before...)
	if !c.tip.IsZero() {
		request.Have = append(request.Have, c.tip)
	}
	before := maps.Clone(c.edge)
	tips, err := shallow.Fetch(ctx, session, c.objects, c.edge, request)
	if !maps.Equal(before, c.edge) {
		c.line = nil
	}
	return tips, err
}

// deepen the clone, since a search came to its edge.
func (c *clone) deepen(ctx context.Context, access Access) error {
	request := shallow.Request{Branches: append(slices.Collect(maps.Keys(c.sides)), access.branch), Again: true}
	before := maps.Clone(c.edge)
	c.depth += min(c.depth*deepenBy, deepenAtMost)
	c.fetches++
	tips, err := c.exchange(ctx, access, request)
	if err == nil {
		err = c.follow(access, tips)
	}
	if err != nil {
		return access.remoteFailure("fetch from", err)
	}
	for branch := range c.sides {
		if head, ok := tips[branch]; ok {
			c.sides[branch] = head
		}
	}
	if maps.Equal(before, c.edge) {
		return &Error{kind: ErrUnreachable, damage: true, text: fmt.Sprintf("fetch from %s: the server sends no commits before the newest %d, and what is looked for may be among them; "+
			"another attempt follows. If its own copy is shallow, have the whole history there", access, c.depth)}
	}
	return nil
}

// asWriter waits until no other commit of this process to the repository is under way. The caller unlocks.
func (r *Repository) asWriter(ctx context.Context) (unlock func(), err error) {
	writer := writerOf(r.access)
	if err := writer.lock(ctx); err != nil {
		return nil, r.access.remoteFailure("wait for another commit to", err)
	}
	return writer.unlock, nil
}
