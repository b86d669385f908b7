package copy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// JobState of a Job.
type JobState struct {
	Succeeded, Failed bool
	// Message of a failure: the last lines of its log. Of a Job that hasn't ended: what keeps its pod from running.
	Message string
	// Failures are pods of a Job that hasn't ended; LastFailure are the last lines of the newest one's log.
	Failures    int
	LastFailure string
}

// Nothing is a query for LeaveOut: the first half of a schema takes in no key.
const Nothing = "SELECT ''::text WHERE false"

// TablesAttempts of a Job that copies tables. Each goes on where the one before ended, after it has waited for its servers for minutes.
const TablesAttempts = 10

// cannot is the exit code by which gitover copy says that another attempt ends the same way.
const cannot = 2

// TablesRequest is everything that a Job depends on which copies the tables of a database, builds their indexes and collects statistics.
type TablesRequest struct {
	Namespace string
	Owner     metav1.OwnerReference
	Labels    map[string]string
	// Name of the Job, see TablesJobName.
	Name        string
	Database    string
	Blue, Green Side
	// Slot and Publication of blue, which are there.
	Slot, Publication string
	// Workers and BytesPerSecond that the copy begins with; 0 for no limit.
	Workers        int
	BytesPerSecond int64
	// CommitLatency of blue at which it reads less; 0: whatever that is.
	CommitLatency time.Duration
	// Image of Gitover.
	Image string
}

// TablesJobName is the same for the same work. Another attempt, from 0, is another Job.
func TablesJobName(upgradeUID, run, database string, attempt int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{upgradeUID, run, database}, "\x00")))
	return "gitover-copy-" + hex.EncodeToString(sum[:8]) + "-" + strconv.Itoa(attempt)
}

// TablesJob builds the Job; it has no effect. Passwords and certificates are in variables, never in arguments.
func TablesJob(r TablesRequest) *batchv1.Job {
	args := []string{
		"copy", "--supervised", "--from", r.Blue.url(r.Database), "--to", r.Green.url(r.Database), "--slot", r.Slot, "--published", r.Publication,
		"--jobs", strconv.Itoa(r.Workers),
	}
	if r.BytesPerSecond > 0 {
		args = append(args, "--rate-limit", strconv.FormatInt(r.BytesPerSecond, 10))
	}
	if r.CommitLatency > 0 {
		args = append(args, "--commit-latency", r.CommitLatency.String())
	}
	for i := range args {
		args[i] = Verbatim(args[i])
	}
	c := corev1.Container{
		Name: "copy", Image: r.Image, ImagePullPolicy: corev1.PullIfNotPresent, Args: args,
		Env: append(append([]corev1.EnvVar{{Name: "HOME", Value: "/tmp"}}, r.Blue.secrets("GITOVER_FROM_")...), r.Green.secrets("GITOVER_TO_")...),
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
	}
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: r.Name, Namespace: r.Namespace, Labels: r.Labels, OwnerReferences: []metav1.OwnerReference{r.Owner}},
		Spec: batchv1.JobSpec{
			BackoffLimit:            ptr(int32(TablesAttempts - 1)),
			TTLSecondsAfterFinished: ptr(int32(24 * 60 * 60)),
			PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
				// a node that is drained, a pod that is preempted: no fault of the copy's
				{Action: batchv1.PodFailurePolicyActionIgnore, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
					{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
				}},
				{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
					Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{cannot},
				}},
			}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: r.Labels}, Spec: Unprivileged(c, scratch)},
		},
	}
}

// url of a database, without the password.
func (s Side) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(s.User), Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), Path: "/" + database}
	if s.SSLMode != "" {
		u.RawQuery = fmt.Sprintf("sslmode=%s", s.SSLMode)
	}
	return u.String()
}

// secrets are the variables by which gitover copy gets what isn't in its arguments.
func (s Side) secrets(prefix string) (env []corev1.EnvVar) {
	if len(s.CA) > 0 {
		env = append(env, corev1.EnvVar{Name: prefix + "CA", Value: Verbatim(string(s.CA))})
	}
	if s.Password != nil {
		env = append(env, corev1.EnvVar{Name: prefix + "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: s.Password}})
	}
	return env
}
