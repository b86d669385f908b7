// Package fleet is what a team does with its fleet repository: clone, edit, open and
// merge a pull request, revert, push. It runs git itself, as people do, and knows nothing
// of Gitover's own Git code.
package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Remote is the repository on the Git server.
type Remote struct {
	URL      string
	Username string
	Password string
}

// Person who commits.
type Person struct{ Name, Email string }

// Maintainer is who the team's own commits are by.
var Maintainer = Person{Name: "Ada Maintainer", Email: "ada@example.com"}

// Repository is a clone. Not for concurrent use; each user has a clone of their own.
type Repository struct {
	dir    string
	remote Remote
	author Person
}

// ErrNothingChanged: the files were already as the edit makes them.
var ErrNothingChanged = errors.New("nothing to commit: the edit changed nothing")

// Branch that Flux follows.
const Branch = "main"

// Clone into dir, which must not exist or be empty. A remote without commits is fine.
func Clone(ctx context.Context, remote Remote, dir string, author Person) (*Repository, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	r := &Repository{dir: dir, remote: remote, author: author}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch", Branch},
		{"remote", "add", "origin", remote.URL},
	} {
		if _, err := r.git(ctx, args...); err != nil {
			return nil, err
		}
	}
	return r, r.Pull(ctx)
}

// Dir is the work tree.
func (r *Repository) Dir() string { return r.dir }

// Pull makes the clone equal to the remote's branch; whatever was not pushed is dropped.
func (r *Repository) Pull(ctx context.Context) error {
	heads, err := r.git(ctx, "ls-remote", "--heads", "origin", Branch)
	if err != nil || strings.TrimSpace(heads) == "" {
		return err
	}
	if _, err := r.git(ctx, "fetch", "--quiet", "origin", Branch); err != nil {
		return err
	}
	_, err = r.git(ctx, "checkout", "--quiet", "--force", "-B", Branch, "FETCH_HEAD")
	return err
}

// pushAttempts against others who push at the same time, Gitover among them.
const pushAttempts = 20

// Change commits on top of the branch's tip and pushes; when somebody else was faster it
// does the whole change again on top of theirs. It returns the commit that Flux will see.
func (r *Repository) change(ctx context.Context, commit func() error) (string, error) {
	var err error
	for range pushAttempts {
		if err = r.Pull(ctx); err != nil {
			return "", err
		}
		if err = commit(); err != nil {
			return "", err
		}
		if _, err = r.git(ctx, "push", "--quiet", "origin", Branch); err == nil {
			return r.Head(ctx)
		}
		if ctx.Err() != nil || !lostRace(err) {
			return "", err
		}
	}
	return "", fmt.Errorf("others pushed first %d times: %w", pushAttempts, err)
}

func lostRace(err error) bool {
	text := err.Error()
	return strings.Contains(text, "fetch first") || strings.Contains(text, "non-fast-forward") || strings.Contains(text, "cannot lock ref") ||
		strings.Contains(text, "failed to update ref")
}

// Commit edits files and commits them straight to the branch.
func (r *Repository) Commit(ctx context.Context, message string, edit Edit) (string, error) {
	return r.change(ctx, func() error { return r.commit(ctx, message, edit) })
}

// Merge does what a merged pull request does: a branch with one commit, and a merge commit.
func (r *Repository) Merge(ctx context.Context, branch, message string, edit Edit) (string, error) {
	return r.change(ctx, func() error {
		if _, err := r.git(ctx, "checkout", "--quiet", "-B", branch); err != nil {
			return err
		}
		if err := r.commit(ctx, message, edit); err != nil {
			return err
		}
		if _, err := r.git(ctx, "checkout", "--quiet", Branch); err != nil {
			return err
		}
		subject, _, _ := strings.Cut(message, "\n")
		_, err := r.git(ctx, "merge", "--quiet", "--no-ff", "-m", fmt.Sprintf("Merge pull request from %s\n\n%s", branch, subject), branch)
		return err
	})
}

// Revert a commit, as `git revert` does; of a merge commit, what it brought to the branch.
func (r *Repository) Revert(ctx context.Context, sha string) (string, error) {
	return r.change(ctx, func() error {
		parents, err := r.git(ctx, "show", "--no-patch", "--format=%P", sha)
		if err != nil {
			return err
		}
		args := []string{"revert", "--no-edit"}
		if len(strings.Fields(parents)) > 1 {
			args = append(args, "--mainline", "1")
		}
		_, err = r.git(ctx, append(args, sha)...)
		return err
	})
}

// Rewrite history as nobody should: each commit of the branch gets another name, and the
// result is forced upon the remote.
func (r *Repository) Rewrite(ctx context.Context) error {
	if err := r.Pull(ctx); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"filter-branch", "--force", "--env-filter", `GIT_COMMITTER_NAME="Rewritten $GIT_COMMITTER_NAME"`, Branch},
		{"push", "--quiet", "--force", "origin", Branch},
	} {
		if _, err := r.git(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// Head is the commit that the clone stands at.
func (r *Repository) Head(ctx context.Context) (string, error) {
	sha, err := r.git(ctx, "rev-parse", "HEAD")
	return strings.TrimSpace(sha), err
}

func (r *Repository) commit(ctx context.Context, message string, edit Edit) error {
	if err := edit(r.dir); err != nil {
		return err
	}
	if _, err := r.git(ctx, "add", "--all"); err != nil {
		return err
	}
	if _, err := r.git(ctx, "diff", "--cached", "--quiet"); err == nil {
		return ErrNothingChanged
	}
	_, err := r.git(ctx, "commit", "--quiet", "--message", message)
	return err
}

// git runs one command. Credentials travel in the environment, never in arguments.
func (r *Repository) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(),
		"GIT_AUTHOR_NAME="+r.author.Name, "GIT_AUTHOR_EMAIL="+r.author.Email,
		"GIT_COMMITTER_NAME="+r.author.Name, "GIT_COMMITTER_EMAIL="+r.author.Email,
		"GIT_TERMINAL_PROMPT=0", "FILTER_BRANCH_SQUELCH_WARNING=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"FLEET_USERNAME="+r.remote.Username, "FLEET_PASSWORD="+r.remote.Password,
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=credential.helper",
		`GIT_CONFIG_VALUE_0=!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$FLEET_USERNAME" "$FLEET_PASSWORD"; }; f`,
	)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], errors.Join(ctx.Err(), err), strings.TrimSpace(errs.String()+out.String()))
	}
	return out.String(), nil
}

// Path of a file in the work tree.
func (r *Repository) Path(elements ...string) string {
	return filepath.Join(append([]string{r.dir}, elements...)...)
}

// Read a file of the work tree, as it was at the last Pull.
func (r *Repository) Read(file string) (string, error) {
	content, err := os.ReadFile(r.Path(file))
	return string(content), err
}
