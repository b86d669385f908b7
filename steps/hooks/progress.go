package hooks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// World is what hooks need to know and use; each question may be repeated.
type World struct {
	Upgrade *v1alpha1.PgUpgrade
	// Status in which executions are noted; the caller stores it before the next look.
	Status *v1alpha1.PgUpgradeStatus
	Now    func() time.Time
	// ReadFile gives a file at a commit, or at the commit that Flux fetched if there's none, and that commit.
	ReadFile func(ctx context.Context, path, revision string) (content []byte, at string, err error)
	// Look at the Job of that name, past every cache. The execution's own last lines are in the state.
	Look func(ctx context.Context, name string) (state JobState, found bool, err error)
	// Create a Job unless it is there, and Delete one.
	Create func(ctx context.Context, job *batchv1.Job) error
	Delete func(ctx context.Context, name string) error
	// Request for a hook's Job: owner, labels and server are filled in.
	Request func(ctx context.Context, h v1alpha1.HookSpec) (Request, error)
	// Secrets that a hook's output must not show.
	Secrets func(ctx context.Context, h v1alpha1.HookSpec) ([]string, error)
}

// JobState of a hook's Job.
type JobState struct {
	Succeeded, Failed bool
	// Created by the API server's clock: its time runs from then on, which may be long after it was pinned.
	Created time.Time
	// Reason of a failure in Kubernetes' word, e.g. DeadlineExceeded; Waiting is what keeps the pod from running.
	Reason, Waiting string
	// Output has the last lines so far.
	Output string
}

// Progress of the hooks of a moment.
type Progress struct {
	// Over: each has run, or there are none.
	Over bool
	// Effect that comes next, if there is one.
	Effect func(ctx context.Context) error
	// Message for people; Failed says that it is a failure, and Abort that it ends the upgrade.
	Message       string
	Failed, Abort bool
	// Again is when to look next.
	Again time.Duration
}

const (
	// atOnce: what was noted is stored, and the look goes on.
	atOnce = 50 * time.Millisecond
	// soon is how often a Job is looked at; its end is also seen by a watch.
	soon = 2 * time.Second
	// overdue is how long after its deadline a Job that Kubernetes didn't end is ended here.
	overdue = 2 * time.Minute
)

// Find the execution of a hook in the attempt in progress; nil if it has not begun.
func Find(status *v1alpha1.PgUpgradeStatus, h v1alpha1.HookSpec) *v1alpha1.HookStatus {
	for i := range status.Hooks {
		if e := &status.Hooks[i]; e.Name == h.Name && e.Moment == h.Moment && e.Attempt == status.Attempt {
			return e
		}
	}
	return nil
}

// Next looks at the hooks of a moment, one after the other. It notes in the status what it sees, and what is to be begun.
func (w World) Next(ctx context.Context, moment v1alpha1.HookMoment) (Progress, error) {
	for _, h := range w.Upgrade.Spec.Hooks {
		if h.Moment != moment || h.SkipInRehearsal && w.Upgrade.Spec.Mode == v1alpha1.ModeRehearse {
			continue
		}
		p, err := w.next(ctx, h)
		if err != nil {
			return Progress{}, fmt.Errorf("hook %s: %w", h.Name, err)
		}
		if !p.Over {
			return p, nil
		}
	}
	return Progress{Over: true}, nil
}

func (w World) next(ctx context.Context, h v1alpha1.HookSpec) (Progress, error) {
	entry := Find(w.Status, h)
	if entry == nil {
		return w.pin(ctx, h)
	}
	switch entry.State {
	case v1alpha1.HookSucceeded:
		return Progress{Over: true}, nil
	case v1alpha1.HookFailed, v1alpha1.HookCanceled:
		neverBegan := entry.State == v1alpha1.HookCanceled && entry.FinishedAt == nil
		if neverBegan || h.OnFailure != v1alpha1.HookContinue && entry.Retry != w.Upgrade.Spec.Retry {
			return w.pin(ctx, h)
		}
		return failed(h, *entry), nil // what a canceled one did isn't known
	case v1alpha1.HookPending, v1alpha1.HookRunning:
	}
	return w.watch(ctx, h, entry)
}

// pin the content that is to run. Its Job is created at the next look, when this is stored.
func (w World) pin(ctx context.Context, h v1alpha1.HookSpec) (Progress, error) {
	content, at, err := w.ReadFile(ctx, PathOf(h), "")
	if err != nil {
		return Progress{}, err
	}
	now := metav1.NewTime(w.Now().Truncate(time.Second))
	entry := v1alpha1.HookStatus{Name: h.Name, Moment: h.Moment, Attempt: w.Status.Attempt, State: v1alpha1.HookPending,
		Revision: at, Digest: Digest(content), Retry: w.Upgrade.Spec.Retry, StartedAt: &now}
	entry.Job = JobName(w.Upgrade, entry)
	w.Status.HandledRetry = w.Upgrade.Spec.Retry
	w.Status.Hooks = append(slices.DeleteFunc(slices.Clone(w.Status.Hooks), func(e v1alpha1.HookStatus) bool {
		return e.Name == entry.Name && e.Moment == entry.Moment && e.Attempt == entry.Attempt
	}), entry)
	if n := len(w.Status.Hooks); n > mostEntries {
		w.Status.Hooks = w.Status.Hooks[n-mostEntries:]
	}
	return Progress{Message: fmt.Sprintf("hook %s: %s at %s is to run", h.Name, PathOf(h), short(at)), Again: atOnce}, nil
}

// mostEntries of a status; the API server allows as many.
const mostEntries = 64

// watch what has become of the execution's Job.
func (w World) watch(ctx context.Context, h v1alpha1.HookSpec, entry *v1alpha1.HookStatus) (Progress, error) {
	state, found, err := w.Look(ctx, entry.Job)
	if err != nil {
		return Progress{}, err
	}
	switch {
	case !found && entry.State == v1alpha1.HookPending:
		pinned := *entry
		return Progress{Message: fmt.Sprintf("hook %s: running %s at %s", h.Name, PathOf(h), short(entry.Revision)), Again: soon,
			Effect: func(ctx context.Context) error { return w.begin(ctx, h, pinned) }}, nil
	case !found:
		return w.end(ctx, h, entry, v1alpha1.HookFailed, "its Job "+entry.Job+" is gone, and its result with it", JobState{Output: entry.Output})
	case state.Succeeded:
		return w.end(ctx, h, entry, v1alpha1.HookSucceeded, "", state)
	case state.Failed:
		why := "its Job failed"
		if state.Reason == batchv1.JobReasonDeadlineExceeded {
			why = "it timed out after " + Timeout(h).String()
		}
		if entry.Message != "" {
			why += "; " + entry.Message
		}
		return w.end(ctx, h, entry, v1alpha1.HookFailed, why, state)
	case w.Now().Sub(state.Created) > Timeout(h)+grace+overdue:
		entry.State = v1alpha1.HookRunning // so that a Job that is gone isn't created again
		job := entry.Job
		return Progress{Message: "hook " + h.Name + ": its Job ran longer than its deadline, and is deleted", Again: soon,
			Effect: func(ctx context.Context) error { return w.Delete(ctx, job) }}, nil
	}
	entry.State, entry.Message = v1alpha1.HookRunning, state.Waiting
	if err := w.keep(ctx, h, entry, state); err != nil {
		return Progress{}, err
	}
	return Progress{Message: fmt.Sprintf("hook %s: running %s at %s%s", h.Name, PathOf(h), short(entry.Revision), after("; ", state.Waiting)), Again: soon}, nil
}

// begin creates the Job with the content at the pinned commit; a Job that is there is this one.
func (w World) begin(ctx context.Context, h v1alpha1.HookSpec, entry v1alpha1.HookStatus) error {
	content, _, err := w.ReadFile(ctx, PathOf(h), entry.Revision)
	if err != nil {
		return err
	}
	if Digest(content) != entry.Digest {
		return fmt.Errorf("hook %s: %s at %s isn't what was read before", h.Name, PathOf(h), short(entry.Revision))
	}
	request, err := w.Request(ctx, h)
	if err != nil {
		return err
	}
	request.Hook, request.Entry, request.Content = h, entry, content
	job, err := Job(request)
	if err != nil {
		return fmt.Errorf("hook %s: %s: %w", h.Name, PathOf(h), err)
	}
	return w.Create(ctx, job)
}

func (w World) end(ctx context.Context, h v1alpha1.HookSpec, entry *v1alpha1.HookStatus, state v1alpha1.HookState, message string, job JobState) (Progress, error) {
	if err := w.keep(ctx, h, entry, job); err != nil {
		return Progress{}, err
	}
	now := metav1.NewTime(w.Now().Truncate(time.Second))
	entry.State, entry.Message, entry.FinishedAt = state, message, &now
	if state == v1alpha1.HookSucceeded {
		return Progress{Over: true}, nil
	}
	return failed(h, *entry), nil
}

// keep the last lines. An output that can't be read now leaves those that were read before.
func (w World) keep(ctx context.Context, h v1alpha1.HookSpec, entry *v1alpha1.HookStatus, job JobState) error {
	if job.Output == "" {
		return nil
	}
	secrets, err := w.Secrets(ctx, h)
	if err == nil {
		entry.Output = Tail(job.Output, secrets...)
	}
	return err
}

func failed(h v1alpha1.HookSpec, entry v1alpha1.HookStatus) Progress {
	p := Progress{Failed: true, Message: fmt.Sprintf("hook %s failed: %s%s", h.Name, entry.Message, after(": ", OneLine(entry.Output)))}
	switch h.OnFailure {
	case v1alpha1.HookContinue:
		return Progress{Over: true}
	case v1alpha1.HookAbort:
		p.Abort = true
	default:
		p.Message += ". Fix the cause and change spec.retry"
	}
	return p
}

// Obsolete executions run on although the upgrade took another way: their Jobs are to be deleted.
func Obsolete(status *v1alpha1.PgUpgradeStatus, moments func(workflow, step string) []v1alpha1.HookMoment) (entries []*v1alpha1.HookStatus) {
	current := moments(status.Workflow, status.Step)
	for i := range status.Hooks {
		e := &status.Hooks[i]
		going := e.State == v1alpha1.HookPending || e.State == v1alpha1.HookRunning
		if going && (e.Attempt != status.Attempt || !slices.Contains(current, e.Moment)) {
			entries = append(entries, e)
		}
	}
	return entries
}

// Evidence of the hooks that ran at these moments in this attempt.
func Evidence(status *v1alpha1.PgUpgradeStatus, moments ...v1alpha1.HookMoment) (lines []string) {
	for _, e := range status.Hooks {
		if !slices.Contains(moments, e.Moment) || e.Attempt != status.Attempt || e.FinishedAt == nil {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s %s, at %s", e.Moment, e.Name, strings.ToLower(string(e.State)), short(e.Revision)))
	}
	return lines
}

// OneLine makes an output fit for a message.
func OneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 500 {
		return "…" + string(r[len(r)-500:])
	}
	return s
}

func after(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}

func short(sha string) string { return sha[:min(len(sha), 12)] }
