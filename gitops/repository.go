package gitops

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitover/gitover/gitops/history"
)

// Repository is one branch of one remote repository. Values are cheap: all that
// name the same URL, branch, credentials and directory share a clone, and all
// that name the same URL and branch share one writer. It is safe for concurrent use.
//
// Methods that take a revision accept a commit's SHA, Flux's `main@sha1:<sha>`
// (and the older `main/<sha>`), or "" for the newest tip that was fetched.
type Repository struct {
	access    Access
	directory string
	now       func() time.Time
	jitter    func() float64
	wait      func(context.Context, time.Duration) error
	observe   func(operation string, took time.Duration, err error)
}

// Option replaces something that a Repository gets from its environment.
type Option func(*Repository)

// WithClock sets the clock that stamps commits.
func WithClock(now func() time.Time) Option { return func(r *Repository) { r.now = now } }

// WithJitter sets the source of randomness in [0,1) for pauses between attempts.
func WithJitter(jitter func() float64) Option { return func(r *Repository) { r.jitter = jitter } }

// WithWait sets how a pause between attempts is spent. It must end with the context.
func WithWait(wait func(context.Context, time.Duration) error) Option {
	return func(r *Repository) { r.wait = wait }
}

// WithObserver is told of each fetch, push and check of the right to push: how long it took, and its error, which may be one
// that another attempt follows.
func WithObserver(observe func(operation string, took time.Duration, err error)) Option {
	return func(r *Repository) { r.observe = observe }
}

// observed tells the observer of what do does on the server.
func (r *Repository) observed(operation string, do func() error) error {
	begun := time.Now()
	err := do()
	if r.observe != nil {
		told := err
		if errors.Is(err, errRace) {
			told = ErrConflict
		}
		r.observe(operation, time.Since(begun), told)
	}
	return err
}

// fetch brings the branch's tip.
func (r *Repository) fetch(ctx context.Context, c *clone) error {
	return r.observed("fetch", func() error { return c.fetch(ctx, r.access) })
}

// Open doesn't touch the network. Clones live below the directory, which must
// be private to this process; "" keeps them in memory.
func Open(access Access, directory string, options ...Option) *Repository {
	r := &Repository{access: access, directory: directory, now: time.Now, jitter: rand.Float64, wait: pause}
	for _, option := range options {
		option(r)
	}
	return r
}

func pause(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// String is the URL without credentials.
func (r *Repository) String() string { return r.access.String() }

// Branch is the branch that is followed.
func (r *Repository) Branch() string { return r.access.branch }

// Tip is the newest commit of the branch.
type Tip struct{ Branch, SHA string }

// Revision is the tip in Flux's notation.
func (t Tip) Revision() string { return t.Branch + "@sha1:" + t.SHA }

// Fetch brings the newest tip of the branch, also after a force-push. Errors:
// ErrUnauthorized, ErrBranchMissing, ErrUnreachable; a second call is harmless.
func (r *Repository) Fetch(ctx context.Context) (Tip, error) {
	var tip Tip
	err := r.locked(ctx, func(c *clone) error {
		err := r.fetch(ctx, c)
		tip = Tip{Branch: r.access.branch, SHA: c.tip.String()}
		return err
	})
	if err != nil {
		return Tip{}, err
	}
	return tip, nil
}

// Commit is a Git commit as people and Gitover need it.
type Commit struct {
	SHA     string
	Subject string
	Message string
	// Author wrote the change; When is the author's time.
	Author  Person
	When    time.Time
	Parents []string
	// Trailers holds the first value of each key.
	Trailers map[string]string
	// Signed: it carries a signature, which wasn't verified.
	Signed bool
}

// Person is an author.
type Person struct{ Name, Email string }

// String is `Name <email>`.
func (p Person) String() string { return p.Name + " <" + p.Email + ">" }

func (p Person) at(when time.Time) object.Signature {
	return object.Signature{Name: p.Name, Email: p.Email, When: when}
}

func describe(c *object.Commit) Commit {
	commit := Commit{
		SHA: c.Hash.String(), Message: c.Message, When: c.Author.When,
		Author:   Person{Name: c.Author.Name, Email: c.Author.Email},
		Trailers: firstValues(ParseTrailers(c.Message)), Signed: c.PGPSignature != "",
	}
	commit.Subject, _, _ = strings.Cut(strings.TrimSpace(c.Message), "\n")
	for _, parent := range c.ParentHashes {
		commit.Parents = append(commit.Parents, parent.String())
	}
	return commit
}

// locked runs a function while no one else uses the clone; again, after the clone was deepened, if it came to the clone's edge.
func (r *Repository) locked(ctx context.Context, use func(*clone) error) error {
	c := cloneOf(r.access, r.directory, r.now())
	if err := c.lock(ctx); err != nil {
		return r.access.remoteFailure("wait for the clone of", err)
	}
	defer c.unlock()
	err := use(c)
	for errors.Is(err, history.ErrEdge) {
		if err = r.observed("fetch", func() error { return c.deepen(ctx, r.access) }); err == nil {
			err = use(c)
		}
	}
	var known *Error
	if errors.As(err, &known) && known.damage {
		c.drop()
	}
	return err
}

// ready is locked with a clone that has been fetched at least once.
func (r *Repository) ready(ctx context.Context, use func(*clone) error) error {
	return r.locked(ctx, func(c *clone) error {
		if c.tip.IsZero() {
			if err := r.fetch(ctx, c); err != nil {
				return err
			}
		}
		return use(c)
	})
}

var shaPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)

// ParseRevision takes the commit out of Flux's `main@sha1:<sha>`, of the older
// `main/<sha>`, or of a bare SHA. The branch may be empty. ok is false for anything else.
func ParseRevision(revision string) (branch, sha string, ok bool) {
	sha = revision
	if at := strings.LastIndex(revision, "@sha1:"); at >= 0 {
		branch, sha = revision[:at], revision[at+len("@sha1:"):]
	} else if rest, found := strings.CutPrefix(revision, "sha1:"); found {
		sha = rest
	} else if at := strings.LastIndexByte(revision, '/'); at >= 0 {
		branch, sha = revision[:at], revision[at+1:]
	}
	return branch, sha, shaPattern.MatchString(sha)
}

// commitAt finds the commit of a revision. If it isn't there, what is new is fetched, and then what is older.
func (r *Repository) commitAt(ctx context.Context, c *clone, revision string) (*object.Commit, error) {
	return r.commitAfter(ctx, c, revision, plumbing.ZeroHash)
}

// commitAfter is commitAt for a commit that doesn't matter if it came before another one: the clone is deepened to that one at most.
func (r *Repository) commitAfter(ctx context.Context, c *clone, revision string, after plumbing.Hash) (*object.Commit, error) {
	hash := c.tip
	if revision != "" {
		_, sha, ok := ParseRevision(revision)
		if !ok {
			return nil, failure(ErrUnknownRevision, "%q isn't a revision: a commit's SHA or branch@sha1:<sha>", Printable(revision, 100))
		}
		hash = plumbing.NewHash(sha)
	}
	commit, err := object.GetCommit(c.objects, hash)
	if err == nil {
		return commit, nil
	}
	if err := r.fetch(ctx, c); err != nil {
		return nil, err
	}
	if commit, err = object.GetCommit(c.objects, hash); err == nil {
		return commit, nil
	}
	line, err := c.lineAt(ctx)
	if err != nil {
		return nil, err
	}
	if err := line.After(ctx, after); err != nil {
		return nil, damaged(err)
	}
	return nil, failure(ErrUnknownRevision, "commit %s isn't on branch %q of %s: its history was rewritten, or the commit is on another branch", hash, r.access.branch, r)
}
