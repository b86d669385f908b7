package steps

import (
	"context"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/analysis"
	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/hooks"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// Run is one upgrade in progress: what a step may read and use. The step fills Status with
// what people should see; the caller persists it.
type Run struct {
	Upgrade *v1alpha1.PgUpgrade
	// Proxy as it was last observed: at the start, and after each effect.
	Proxy   *v1alpha1.PgProxy
	Status  *v1alpha1.PgUpgradeStatus
	Git     Git
	Cluster Cluster
	// FreshProxy reads the PgProxy as the API server has it now; nil if there's none. It is an error
	// if the stored status isn't at the step that asks.
	FreshProxy func(ctx context.Context) (*v1alpha1.PgProxy, error)
	// Server returns the address of an instance; it reads the Secret at each call.
	Server func(ctx context.Context, instance string) (postgres.Server, error)
	// Register makes the decision register of a server, with the agents' role.
	Register func(ctx context.Context, s postgres.Server) error
	// Secret names the Secret with an instance's credentials.
	Secret func(instance string) string
	Now    func() time.Time
	// ReadSecret of the upgrade's namespace.
	ReadSecret func(ctx context.Context, name string) (map[string][]byte, error)
	// CheckSecret is ReadSecret of what whoever delivered the upgrade may read.
	CheckSecret func(ctx context.Context, name string) (map[string][]byte, error)
	// MayRunJobs is nil if whoever delivered the upgrade may create Jobs in its namespace.
	MayRunJobs func(ctx context.Context) error
	// BadHook says whether an error is a mistake in a hook, rather than a server that doesn't answer.
	BadHook func(error) bool
	// Poolers tells what passed all poolers of the PgProxy.
	Poolers func(ctx context.Context) (pooler.Averages, error)
	// Addresses that checks of the soak may reach.
	Addresses analysis.Addresses
	// Tell is set for an effect that runs beside the looks, and whose status is a copy.
	Tell func(change func(*v1alpha1.PgUpgradeStatus))
	// Workers remembers apply workers from look to look; nil: they aren't watched.
	Workers *replication.Workers
	// retained is the most WAL that a slot was seen to keep
	retained int64
}

// CommitState is what Git and Flux show of one of our commits.
type CommitState struct {
	// Commit is nil while it is not on the branch.
	Commit *v1alpha1.Commit
	// ByContent: the commit has no trailers of ours, but brought what ours would: ours was squashed, or people wrote it.
	ByContent bool
	// Proposal waits on a branch of its own; nil where Gitover pushes to the branch that Flux follows, or nothing waits.
	Proposal *Proposal
	// AlreadyApplied: the branch already has the content that the commit would make.
	AlreadyApplied bool
	// RevertedBy is the commit that undid it: an instruction, never to be undone.
	RevertedBy *v1alpha1.Commit
	// Delivered: Flux applied the commit or a descendant.
	Delivered bool
	// Reason and Message say why not, in words of the API.
	Reason, Message string
}

// Evidence is what a commit's message reports, in order; keys become trailers.
type Evidence []struct{ Key, Value string }

// Git is what the workflow needs of the fleet repository. Every method may be repeated.
type Git interface {
	// CheckInstance asks whether we may push, and builds green's manifests in memory.
	CheckInstance(ctx context.Context) error
	// StatefulSet of green, as Flux would apply it: built in memory with the branch's newest base. An error that is
	// seed.ErrUnsuitable says why it can't be known beforehand.
	StatefulSet(ctx context.Context) (*appsv1.StatefulSet, error)
	// CommitState looks for the commit that step makes in this run and attempt.
	CommitState(ctx context.Context, step string) (CommitState, error)
	// Targets says whether the tip of the branch leads traffic to the instance, whatever Flux
	// has applied of it.
	Targets(ctx context.Context, instance string) (bool, error)
	// Commit what step stands for; finds an earlier one by its trailers.
	Commit(ctx context.Context, step string, evidence Evidence) error
	// Undelivered says why Flux would not apply the next commit, in words of the API and Flux's own; empty if it would. It asks
	// nothing.
	Undelivered() (reason, message string)
	// Withdraw removes the branch of a proposal that is no longer wanted, unless others have committed to it.
	Withdraw(ctx context.Context, proposal v1alpha1.ProposalStatus) error
	// ApprovedBy is the commit that set the approval which the branch has now; nil where Git can't tell.
	ApprovedBy(ctx context.Context) (*v1alpha1.Commit, error)
	// ReadFile gives a file at a commit, or at the one that Flux fetched if there's none, and that commit.
	ReadFile(ctx context.Context, path, revision string) (content []byte, at string, err error)
	// OpenPullRequest of a step's branch, unless it is open, and note it in the status. A second call is harmless.
	OpenPullRequest(ctx context.Context, step string) error
}

// Workload is what the cluster shows of an instance.
type Workload struct {
	Found, Ready bool
	// Message names what is missing, e.g. a pod that can't pull its image.
	Message string
	// Unread names an object of an operator's that could not be looked at, and why; empty if all could.
	Unread string
	// Image of the database container, for schema Jobs.
	Image string
	// Volumes that its pods mount for data and WAL, as far as claims with the instance's label tell.
	Volumes []disk.Volume
}

// JobState of a Job.
type JobState = copy.JobState

// Cluster is what the workflow needs of Kubernetes.
type Cluster interface {
	Workload(ctx context.Context, instance string) (Workload, error)
	// Gone: no workload and no volume of the instance is left.
	Gone(ctx context.Context, instance string) (bool, string, error)
	DeleteVolumes(ctx context.Context, instance string) error
	// Job reads the state of the Job of that name, if it exists.
	Job(ctx context.Context, name string) (state JobState, found bool, err error)
	// CreateJob unless it is there.
	CreateJob(ctx context.Context, job *batchv1.Job) error
	// DeleteJob and its pods; it is gone when the last pod is. Success when absent.
	DeleteJob(ctx context.Context, name string) error
	// HookJob reads the state of a hook's Job, past every cache.
	HookJob(ctx context.Context, name string) (state hooks.JobState, found bool, err error)
	// TryJob asks whether the Job would be created; it isn't.
	TryJob(ctx context.Context, job *batchv1.Job) error
	// CreateVolume unless it is there for the same run (RunAnnotation); one of another is fence.ErrNotFresh.
	CreateVolume(ctx context.Context, claim *corev1.PersistentVolumeClaim) error
	// DatabaseImage is the image of the database's container among a pod's.
	DatabaseImage(template corev1.PodTemplateSpec) string
	// OwnImage is Gitover's, for Jobs that run it.
	OwnImage(ctx context.Context) (string, error)
}

// Note makes a change of the status. For an effect that runs beside the looks (Tell is set), the next look makes the
// change, unless a later one has replaced it: such an effect must not write to the status in any other way.
func (r *Run) Note(change func(*v1alpha1.PgUpgradeStatus)) {
	change(r.Status)
	if r.Tell != nil {
		r.Tell(change)
	}
}

// Names of everything this upgrade makes on servers.
func (r *Run) Names() postgres.Names { return postgres.Names{UID: string(r.Upgrade.UID)} }

// blue and green are the instances of the run in progress.
func (r *Run) blue(ctx context.Context) (postgres.Server, error) {
	return r.Server(ctx, r.Status.From)
}

func (r *Run) green(ctx context.Context) (postgres.Server, error) {
	return r.Server(ctx, r.Status.To)
}

func (r *Run) both(ctx context.Context) (blue, green postgres.Server, err error) {
	return r.pair(ctx, r.Status.From, r.Status.To)
}

func (r *Run) pair(ctx context.Context, one, other string) (a, b postgres.Server, err error) {
	if a, err = r.Server(ctx, one); err == nil {
		b, err = r.Server(ctx, other)
	}
	return a, b, err
}

// version is the major version of an instance of this upgrade, 0 if it is none.
func (r *Run) version(instance string) int {
	v := VersionOf(r.Upgrade.Name, r.Upgrade.Spec.Adopt, instance)
	if v == "" {
		return 0
	}
	return int(v[0]-'0')*10 + int(v[1]-'0')
}

func timestamp(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }

const (
	// slowLook is the longest time between two looks while changes are slow.
	slowLook = 15 * time.Second
	// verifyAgain is when rows that differed are compared again.
	verifyAgain = time.Minute
	// mostMismatches kept in the status.
	mostMismatches = 20
)

// lagStableFor is how long the lag must stay under its limit; the API server fills the default.
func (r *Run) lagStableFor() time.Duration {
	return ptr.Deref(r.Upgrade.Spec.Limits.LagStableFor, metav1.Duration{Duration: 5 * time.Second}).Duration
}

func (r *Run) soak() time.Duration {
	return ptr.Deref(r.Upgrade.Spec.Soak.Duration, metav1.Duration{Duration: 24 * time.Hour}).Duration
}

// oneLine makes any text fit for a commit trailer.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func startedAt(status *v1alpha1.PgUpgradeStatus, step string) time.Time {
	for _, s := range status.Steps {
		if s.Name == step && s.StartedAt != nil {
			return s.StartedAt.Time
		}
	}
	return time.Time{}
}
