package gitops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

const (
	defaultAttempts = 12
	firstPause      = 50 * time.Millisecond
	longestPause    = 3 * time.Second
	diffLimit       = 64 << 10
)

// CommitRequest says what to commit.
type CommitRequest struct {
	// Directory of the repository; nothing outside it can be changed.
	Directory string
	// Message without trailers; its first line is the subject.
	Message string
	// Trailers go to the end of the message, in this order.
	Trailers []Trailer
	Author   Person
	// Committer is the author unless it is given.
	Committer Person
	// Signer is optional; a commit that it can't sign isn't made.
	Signer Signer
	Edit   Edit
	// Unique trailers identify this commit. If the branch has a commit that
	// carries them, that one is the result. They must be among Trailers.
	Unique map[string]string
	// Since is a commit of the branch from before anything could carry the trailers of Unique: how far back they are looked for.
	// Empty: through the whole history.
	Since string
	// Owner, if it has a UID, must own the directory: ErrOwned if another one does.
	Owner Owner
	// Attempts against other writers, 12 if 0.
	Attempts int
}

// Result says what is on the branch now.
type Result struct {
	Commit Commit
	// AlreadyThere: an earlier call, or an earlier process, had committed it. Ask RevertedBy
	// whether it was reverted since.
	AlreadyThere bool
	// Tries that this call needed.
	Tries int
	// Diff in Git's format, cut at 64 KiB.
	Diff string
}

// Commit puts an edit on top of the branch's tip and pushes it, without force.
// After a lost race or a lost answer it fetches, looks whether its commit landed,
// applies the edit to the new tip and tries again, with growing jittered pauses.
//
// A second call is harmless if Unique is given. Errors: those of Edit,
// ErrUnauthorized, ErrPushForbidden, ErrBranchMissing, ErrPathMissing,
// ErrNothingToChange, ErrOwned, ErrBadMessage; ErrConflict and ErrUnreachable are worth a
// retry, and after ErrUnreachable the commit may be on the branch.
func (r *Repository) Commit(ctx context.Context, request CommitRequest) (Result, error) {
	draft, err := newDraft(request)
	if err != nil {
		return Result{}, err
	}
	unlock, err := r.asWriter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	for try := 1; ; try++ {
		result, err := r.attempt(ctx, draft)
		result.Tries = try
		if err == nil {
			return result, nil
		}
		raced := errors.Is(err, errRace)
		if !raced && !draft.uncertain {
			return result, err
		}
		if try >= draft.Attempts {
			return r.lastLook(ctx, draft, result, err)
		}
		if waitErr := r.wait(ctx, r.backoff(try)); waitErr != nil {
			return result, r.access.remoteFailure("commit to", fmt.Errorf("%w while retrying", waitErr))
		}
	}
}

// draft is a checked request with the state of its attempts.
type draft struct {
	CommitRequest
	message string
	// base of the first try; tried are on top of it, or of a later tip.
	base  plumbing.Hash
	tried []plumbing.Hash
	// uncertain: the last push ended without an answer.
	uncertain bool
}

func newDraft(request CommitRequest) (*draft, error) {
	directory, err := CleanDirectory(request.Directory)
	if err != nil {
		return nil, err
	}
	request.Directory = directory
	if request.Edit == nil {
		return nil, failure(ErrNothingToChange, "there is no edit")
	}
	if request.Attempts <= 0 {
		request.Attempts = defaultAttempts
	}
	for key, value := range request.Unique {
		if !slices.Contains(request.Trailers, Trailer{key, value}) {
			return nil, failure(ErrBadMessage, "trailer %s identifies the commit but isn't among its trailers", key)
		}
	}
	request.Committer = cmp.Or(request.Committer, request.Author)
	for _, person := range []Person{request.Author, request.Committer} {
		if person.Name == "" || person.Email == "" || strings.ContainsAny(person.Name+person.Email, "<>\n\r\x00") {
			return nil, failure(ErrBadMessage, "author and committer need a name and an e-mail address of one line, without < and >")
		}
	}
	message, err := FormatMessage(request.Message, request.Trailers)
	if err != nil {
		return nil, err
	}
	return &draft{CommitRequest: request, message: message}, nil
}

// backoff grows from 50 ms to 3 s, each between half and one and a half times that.
func (r *Repository) backoff(try int) time.Duration {
	grown := min(firstPause<<min(try-1, 10), longestPause)
	return time.Duration(float64(grown) * (0.5 + r.jitter()))
}

// attempt is one round: fetch, look, edit, push. The clone is free during the push.
func (r *Repository) attempt(ctx context.Context, draft *draft) (Result, error) {
	var found *Result
	var base, hash plumbing.Hash
	objects := newBatch()
	err := r.locked(ctx, func(c *clone) error {
		if err := r.fetch(ctx, c); err != nil {
			return err
		}
		var err error
		if found, err = c.findOwn(ctx, draft); err != nil || found != nil {
			return err
		}
		base = c.tip
		if len(draft.tried) == 0 {
			draft.base = base
		}
		hash, err = r.write(c, draft, objects)
		return err
	})
	if err != nil {
		// An earlier push without an answer is still worth another look if the server is the problem.
		draft.uncertain = draft.uncertain && errors.Is(err, ErrUnreachable)
		return Result{}, err
	}
	if found != nil {
		return *found, nil
	}
	draft.tried = append(draft.tried, hash)
	err = r.pushTimed(ctx, base, hash, objects)
	draft.uncertain = err != nil && errors.Is(err, ErrUnreachable)
	if err != nil {
		return Result{}, err
	}
	var result Result
	err = r.locked(ctx, func(c *clone) error {
		if err := c.adopt(ctx, r.access, base, hash, objects); err != nil {
			return err
		}
		result, err = c.resultOf(ctx, hash, false)
		return err
	})
	draft.uncertain = err != nil
	return result, err
}

// adopt adds a commit that the server accepted to the clone, unless a fetch brought it meanwhile.
func (c *clone) adopt(ctx context.Context, access Access, base, hash plumbing.Hash, objects *batch) error {
	if c.objects == nil {
		return c.fetch(ctx, access)
	}
	if err := objects.keep(c.objects); err != nil {
		return damaged(err)
	}
	if c.tip != base {
		return nil
	}
	c.advance(hash)
	return nil
}

func (r *Repository) pushTimed(ctx context.Context, base, tip plumbing.Hash, objects *batch) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	return r.observed("push", func() error { return r.access.push(ctx, base, tip, objects) })
}

// findOwn looks for a commit of ours that landed: one of this call's, or one with its trailers.
func (c *clone) findOwn(ctx context.Context, draft *draft) (*Result, error) {
	if len(draft.tried) > 0 {
		line, err := c.lineAt(ctx)
		if err != nil {
			return nil, err
		}
		if err := line.After(ctx, draft.base); err != nil {
			return nil, damaged(err)
		}
		for _, hash := range draft.tried {
			if line.Has(hash) {
				result, err := c.resultOf(ctx, hash, false)
				return &result, err
			}
		}
	}
	if len(draft.Unique) == 0 {
		return nil, nil
	}
	commits, err := c.findByTrailers(ctx, draft.Unique, draft.Since)
	if err != nil || len(commits) == 0 {
		return nil, err
	}
	result, err := c.resultOf(ctx, plumbing.NewHash(commits[0].SHA), true)
	return &result, err
}

// write makes the objects of the commit on top of the clone's tip.
func (r *Repository) write(c *clone, draft *draft, objects *batch) (plumbing.Hash, error) {
	parent, err := object.GetCommit(c.objects, c.tip)
	if err != nil {
		return plumbing.ZeroHash, damaged(err)
	}
	tree, err := c.treeAt(parent, draft.Directory)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if draft.Owner.UID != "" {
		if _, err := statedOwner(tree, draft.Owner); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	if err := draft.Edit(tree); err != nil {
		return plumbing.ZeroHash, err
	}
	root, err := tree.write(objects)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if root == parent.TreeHash {
		return plumbing.ZeroHash, failure(ErrNothingToChange, "branch %q of %s has it already: %q changes nothing", r.access.branch, r, draft.subject())
	}
	now := r.now().UTC().Truncate(time.Second)
	return writeCommit(objects, &object.Commit{
		Author: draft.Author.at(now), Committer: draft.Committer.at(now), Message: draft.message,
		TreeHash: root, ParentHashes: []plumbing.Hash{parent.Hash},
	}, draft.Signer)
}

func (d *draft) subject() string {
	subject, _, _ := strings.Cut(d.message, "\n")
	return subject
}

// lastLook fetches once more before giving up.
func (r *Repository) lastLook(ctx context.Context, draft *draft, result Result, err error) (Result, error) {
	lookErr := r.locked(ctx, func(c *clone) error {
		if err := r.fetch(ctx, c); err != nil {
			return err
		}
		found, err := c.findOwn(ctx, draft)
		if found != nil {
			tries := result.Tries
			result, result.Tries = *found, tries
		}
		return err
	})
	if lookErr == nil && result.Commit.SHA != "" {
		return result, nil
	}
	if errors.Is(err, errRace) {
		return result, failure(ErrConflict, "branch %q of %s: %v, %d times in a row; another attempt follows: %v", r.access.branch, r, ErrConflict, result.Tries, err)
	}
	return result, err
}
