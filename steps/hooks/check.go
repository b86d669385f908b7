package hooks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Problem of a hook, found before anything is begun.
type Problem struct {
	Hook string
	// Why it can't run, and what to do.
	Why, Fix string
}

// CheckSpec finds what is wrong with hooks whatever their files say: a database that isn't there. Databases are all of the server.
func CheckSpec(upgrade *v1alpha1.PgUpgrade, databases []string) (problems []Problem) {
	for _, h := range upgrade.Spec.Hooks {
		if h.SQL != nil && !slices.Contains(databases, h.SQL.Database) {
			problems = append(problems, Problem{h.Name, fmt.Sprintf("there is no database %q", h.SQL.Database), "name one of " + strings.Join(databases, ", ")})
		}
	}
	return problems
}

// Checks are what Check asks. Errors of Readable, Try and Secret that say what is wrong are found by Bad; others mean that it isn't known.
type Checks struct {
	ReadFile func(ctx context.Context, path, revision string) (content []byte, at string, err error)
	Request  func(ctx context.Context, h v1alpha1.HookSpec) (Request, error)
	// Try asks the API server whether it would create a Job.
	Try func(ctx context.Context, job *batchv1.Job) error
	// Bad says whether an error is a mistake of people's, rather than a server that doesn't answer.
	Bad func(error) bool
}

// Check each hook: its file is there and can run, its Secret is there, the API server would take its Job. The error means that it
// couldn't be told.
func (c Checks) Check(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (problems []Problem, err error) {
	for _, h := range upgrade.Spec.Hooks {
		path := PathOf(h)
		content, at, err := c.ReadFile(ctx, path, "")
		if c.Bad(err) {
			problems = append(problems, Problem{h.Name, fmt.Sprintf("its file can't be read: %v", err), "commit " + path + ", or correct the path; what Flux has fetched counts"})
			continue
		} else if err != nil {
			return nil, err
		}
		entry := v1alpha1.HookStatus{Name: h.Name, Moment: h.Moment, Attempt: upgrade.Status.Attempt, Revision: at, Digest: Digest(content), Retry: upgrade.Spec.Retry}
		entry.Job = JobName(upgrade, entry)
		request, err := c.Request(ctx, h)
		if c.Bad(err) {
			problems = append(problems, Problem{h.Name, err.Error(), "correct it"})
			continue
		} else if err != nil {
			return nil, err
		}
		request.Hook, request.Entry, request.Content = h, entry, content
		job, err := Job(request)
		if err != nil {
			problems = append(problems, Problem{h.Name, fmt.Sprintf("%s at %s can't run: %v", path, short(at), err), "correct " + path})
			continue
		}
		if err := c.Try(ctx, job); c.Bad(err) {
			problems = append(problems, Problem{h.Name, fmt.Sprintf("the API server doesn't take the Job of %s at %s: %v", path, short(at), err), "correct " + path})
		} else if err != nil {
			return nil, err
		}
	}
	return problems, nil
}
