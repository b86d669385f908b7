package fleet

import (
	"context"
	"strings"
)

// Commit as git log tells it.
type Commit struct {
	SHA     string
	Subject string
	Author  string
	Body    string
	// Trailers by key; the last one wins.
	Trailers map[string]string
}

const (
	fieldEnd  = "\x1f"
	commitEnd = "\x1e"
)

// Log of the branch on the server, newest first; of one path, if it isn't empty.
func (r *Repository) Log(ctx context.Context, path string) ([]Commit, error) {
	if err := r.Pull(ctx); err != nil {
		return nil, err
	}
	args := []string{"log", "--topo-order", "--format=" + strings.Join([]string{"%H", "%s", "%an", "%b", "%(trailers:only,unfold)"}, fieldEnd) + commitEnd}
	if path != "" {
		args = append(args, "--", path)
	}
	out, err := r.git(ctx, args...)
	if err != nil {
		return nil, err
	}
	var commits []Commit
	for _, record := range strings.Split(out, commitEnd) {
		fields := strings.Split(strings.TrimLeft(record, "\n"), fieldEnd)
		if len(fields) < 5 {
			continue
		}
		commits = append(commits, Commit{SHA: fields[0], Subject: fields[1], Author: fields[2], Body: fields[3], Trailers: trailers(fields[4])})
	}
	return commits, nil
}

func trailers(text string) map[string]string {
	all := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok {
			all[key] = strings.TrimSpace(value)
		}
	}
	return all
}

// Graph is the log as people read it in a terminal.
func (r *Repository) Graph(ctx context.Context) (string, error) {
	if err := r.Pull(ctx); err != nil {
		return "", err
	}
	return r.git(ctx, "log", "--graph", "--format=%C(auto)%h %s  (%an)")
}

// Diff of one commit, without its message.
func (r *Repository) Diff(ctx context.Context, sha string) (string, error) {
	return r.git(ctx, "show", "--format=", "--unified=1", "--first-parent", sha)
}

// Files that a commit touched.
func (r *Repository) Files(ctx context.Context, sha string) ([]string, error) {
	out, err := r.git(ctx, "show", "--format=", "--name-only", "--first-parent", sha)
	return strings.Fields(out), err
}

// Objects of the whole repository, as the server has it now: the content of every file, name
// and message there ever was on the branch.
func (r *Repository) Objects(ctx context.Context) (string, error) {
	if err := r.Pull(ctx); err != nil {
		return "", err
	}
	return r.git(ctx, "cat-file", "--batch", "--batch-all-objects")
}
