package gitops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// ProposeRequest says what to propose, and where.
type ProposeRequest struct {
	CommitRequest
	// Branch to push to; not the one that is followed.
	Branch string
	// Mine are trailers that each commit of this owner carries: what else is at the branch's head is never replaced.
	Mine map[string]string
	// Known commit that was pushed there last, if it is remembered.
	Known string
	// Options for the server, as `git push --push-option` has them.
	Options map[string]string
}

// Propose puts an edit on top of the followed branch's tip and pushes it to a branch of its own, which it makes, or whose former
// proposal of the same owner it replaces. The server compares before it replaces, so that no commit of others is lost. Errors
// beside those of Commit: ErrBranchTaken.
//
// A second call makes the commit again; what has landed on the followed branch is the caller's to ask first (Landed).
func (r *Repository) Propose(ctx context.Context, request ProposeRequest) (Result, error) {
	draft, err := newDraft(request.CommitRequest)
	if err != nil {
		return Result{}, err
	}
	if err := checkBranch(request.Branch); err != nil {
		return Result{}, err
	}
	if request.Branch == r.access.branch {
		return Result{}, failure(ErrBadReference, "branch %q of %s is the one that is followed: a proposal needs another one", request.Branch, r)
	}
	unlock, err := r.asWriter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	for try := 1; ; try++ {
		result, err := r.proposeOnce(ctx, draft, request)
		result.Tries = try
		if !errors.Is(err, errRace) {
			return result, err
		}
		if try >= draft.Attempts {
			return result, failure(ErrConflict, "branch %q of %s: %v, %d times in a row; another attempt follows: %v", request.Branch, r, ErrConflict, try, err)
		}
		if err := r.wait(ctx, r.backoff(try)); err != nil {
			return result, r.access.remoteFailure("push to", fmt.Errorf("%w while retrying", err))
		}
	}
}

func (r *Repository) proposeOnce(ctx context.Context, draft *draft, request ProposeRequest) (Result, error) {
	objects := newBatch()
	var old, hash plumbing.Hash
	err := r.locked(ctx, func(c *clone) error {
		if err := r.fetch(ctx, c); err != nil {
			return err
		}
		side, err := r.branchOf(ctx, c, request.Branch)
		if err != nil {
			return err
		}
		if side != nil {
			if err := side.mayReplace(ctx, r, request.Mine, request.Known); err != nil {
				return err
			}
			old = side.head
		}
		hash, err = r.write(c, draft, objects)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	update := branchUpdate{branch: request.Branch, old: old, tip: hash, options: request.Options}
	if err := r.updateBranch(ctx, update, objects); err != nil {
		return Result{}, err
	}
	var result Result
	err = r.locked(ctx, func(c *clone) error {
		if c.objects == nil {
			if err := r.fetch(ctx, c); err != nil {
				return err
			}
		}
		if err := objects.keep(c.objects); err != nil {
			return damaged(err)
		}
		result, err = c.resultOf(ctx, hash, false)
		return err
	})
	return result, err
}

// mayReplace refuses a branch whose head isn't a commit of ours, put on the followed branch: the branch of another environment,
// too, that only follows later.
func (b *sideBranch) mayReplace(ctx context.Context, r *Repository, mine map[string]string, known string) error {
	if b.head.String() == known {
		return nil
	}
	head, err := object.GetCommit(b.objects, b.head)
	if err != nil {
		return damaged(err)
	}
	if !matches(firstValues(ParseTrailers(head.Message)), mine) || head.NumParents() != 1 {
		return b.taken(r)
	}
	on, err := b.contains(ctx, head.ParentHashes[0])
	if err == nil && !on {
		err = b.taken(r)
	}
	return err
}

// Withdraw removes a branch whose head is a proposal of the owner with these trailers, or the known commit. It says whether that
// branch is gone: false, if it was merged, or holds commits of others, which stay.
func (r *Repository) Withdraw(ctx context.Context, branch string, mine map[string]string, known string) (bool, error) {
	if branch == r.access.branch {
		return false, failure(ErrBadReference, "branch %q of %s is the one that is followed: it is not removed", branch, r)
	}
	unlock, err := r.asWriter(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	var old plumbing.Hash
	others := false
	err = r.locked(ctx, func(c *clone) error {
		if err := r.fetch(ctx, c); err != nil {
			return err
		}
		side, err := r.branchOf(ctx, c, branch)
		if err != nil || side == nil {
			return err
		}
		merged, err := side.contains(ctx, side.head)
		if err != nil || merged {
			others = merged
			return err
		}
		switch err := side.mayReplace(ctx, r, mine, known); {
		case err == nil:
			old = side.head
		case errors.Is(err, ErrBranchTaken):
			others = true
		default:
			return err
		}
		return nil
	})
	if err != nil || others || old.IsZero() {
		return !others, err
	}
	err = r.updateBranch(ctx, branchUpdate{branch: branch, old: old}, newBatch())
	if errors.Is(err, errRace) {
		err = failure(ErrConflict, "branch %q of %s changed while it was to be removed; another attempt follows", branch, r)
	}
	return err == nil, err
}

func (r *Repository) updateBranch(ctx context.Context, update branchUpdate, objects *batch) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	return r.observed("push", func() error { return r.access.updateBranch(ctx, update, objects) })
}

func (a Access) updateBranch(ctx context.Context, update branchUpdate, objects *batch) error {
	a.branch = update.branch // as messages name it
	got, err := a.update(ctx, update, objects)
	if err != nil {
		return err
	}
	if refused := rewritingRefused(got.report); refused != "" {
		return &Error{kind: ErrPushForbidden, cause: got.err, text: fmt.Sprintf("push to %s: %v: let the account of %s replace and remove branches like %q; the server says: %s",
			a, ErrPushForbidden, a.secretName(), update.branch, a.redact(refused+" "+got.said))}
	}
	return a.judge(got)
}

// rewritingRefused is the answer of a server that lets no branch be replaced or removed.
func rewritingRefused(report *packp.ReportStatus) string {
	if report == nil || len(report.CommandStatuses) == 0 {
		return ""
	}
	status := report.CommandStatuses[0].Status
	if strings.Contains(status, "non-fast-forward") || strings.Contains(status, "deletion prohibited") {
		return status
	}
	return ""
}
