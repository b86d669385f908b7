package fleet

import "context"

// MergeBranch of the server as a forge's merge button does, and remove it there.
func (r *Repository) MergeBranch(ctx context.Context, branch string) (string, error) {
	return r.bring(ctx, branch, func() error {
		_, err := r.git(ctx, "merge", "--quiet", "--no-ff", "-m", "Merge pull request from "+branch, "FETCH_HEAD")
		return err
	})
}

// SquashBranch of the server into one commit with this message, and remove it there.
func (r *Repository) SquashBranch(ctx context.Context, branch, message string) (string, error) {
	return r.bring(ctx, branch, func() error {
		if _, err := r.git(ctx, "merge", "--quiet", "--squash", "FETCH_HEAD"); err != nil {
			return err
		}
		_, err := r.git(ctx, "commit", "--quiet", "--message", message)
		return err
	})
}

func (r *Repository) bring(ctx context.Context, branch string, merge func() error) (string, error) {
	sha, err := r.change(ctx, func() error {
		if _, err := r.git(ctx, "fetch", "--quiet", "origin", branch); err != nil {
			return err
		}
		return merge()
	})
	if err != nil {
		return "", err
	}
	_, err = r.git(ctx, "push", "--quiet", "origin", "--delete", branch)
	return sha, err
}
