package hooks

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/copy"
)

// Script is what runs in the Job of a file of SQL, by sh. Environment describes its input.
//
//go:embed hook.sh
var Script string

// Request is everything that a hook's Job depends on.
type Request struct {
	Upgrade *v1alpha1.PgUpgrade
	Hook    v1alpha1.HookSpec
	// Entry is the execution, pinned.
	Entry v1alpha1.HookStatus
	// Content of the hook's file.
	Content []byte
	Labels  map[string]string
	Owner   metav1.OwnerReference
	// Side that SQL connects to, with the image that has its psql.
	Side  copy.Side
	Image string
	// ReadOnly: the side follows, so that nothing may be written to it.
	ReadOnly bool
}

// keep is how long a finished Job stays for people to look at.
const keep = 7 * 24 * time.Hour

// grace is what a Job has beyond the hook's timeout, to end by itself.
const grace = 30 * time.Second

// Timeout of a hook; the API server fills the default.
func Timeout(h v1alpha1.HookSpec) time.Duration {
	return ptr.Deref(h.Timeout, metav1.Duration{Duration: 5 * time.Minute}).Duration
}

// JobName is the same for the same execution of a hook.
func JobName(upgrade *v1alpha1.PgUpgrade, entry v1alpha1.HookStatus) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(upgrade.UID), upgrade.Status.Run, string(entry.Moment), entry.Name, fmt.Sprint(entry.Attempt), entry.Retry}, "\x00")))
	return "gitover-hook-" + entry.Name + "-" + hex.EncodeToString(sum[:6])
}

// Job of a hook. The error says what is wrong with the file.
func Job(r Request) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	if r.Hook.SQL != nil {
		if err := checkSQL(r.Content); err != nil {
			return nil, err
		}
		job.Spec = sqlJob(r)
	} else {
		var err error
		if job, err = manifest(r.Content, r.Upgrade.Namespace); err != nil {
			return nil, err
		}
		for _, containers := range [][]corev1.Container{job.Spec.Template.Spec.InitContainers, job.Spec.Template.Spec.Containers} {
			for i := range containers {
				containers[i].Env = addMissing(containers[i].Env, environment(r))
			}
		}
		deadline := int64((Timeout(r.Hook)).Seconds())
		job.Spec.ActiveDeadlineSeconds = &deadline
	}
	job.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	job.ObjectMeta = metav1.ObjectMeta{
		Name: r.Entry.Job, Namespace: r.Upgrade.Namespace, OwnerReferences: []metav1.OwnerReference{r.Owner},
		Labels: merged(job.Labels, r.Labels),
		Annotations: merged(job.Annotations, map[string]string{
			v1alpha1.HookAnnotation: r.Hook.Name, v1alpha1.RunAnnotation: r.Upgrade.Status.Run,
			v1alpha1.HookRevisionAnnotation: r.Entry.Revision, v1alpha1.HookDigestAnnotation: r.Entry.Digest,
		}),
	}
	job.Spec.Template.Labels = merged(job.Spec.Template.Labels, r.Labels)
	job.Spec.TTLSecondsAfterFinished = ptr.To(int32(keep.Seconds()))
	return job, nil
}

// merged maps; what Gitover says wins. Labels of an instance would make its pods of the hook's.
func merged(theirs, ours map[string]string) map[string]string {
	all := map[string]string{}
	for k, v := range theirs {
		if k != v1alpha1.InstanceLabel {
			all[k] = v
		}
	}
	for k, v := range ours {
		all[k] = v
	}
	return all
}

// environment is what a hook may know of the upgrade.
func environment(r Request) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "GITOVER_UPGRADE", Value: r.Upgrade.Name},
		{Name: "GITOVER_FROM", Value: r.Upgrade.Status.From},
		{Name: "GITOVER_TO", Value: r.Upgrade.Status.To},
		{Name: "GITOVER_MOMENT", Value: string(r.Entry.Moment)},
		{Name: "GITOVER_REVISION", Value: r.Entry.Revision},
		{Name: "GITOVER_MODE", Value: cmp.Or(r.Upgrade.Spec.Mode, v1alpha1.ModeUpgrade)},
	}
}

func addMissing(have, more []corev1.EnvVar) []corev1.EnvVar {
	named := map[string]bool{}
	for _, e := range have {
		named[e.Name] = true
	}
	for _, e := range more {
		if !named[e.Name] {
			have = append(have, e)
		}
	}
	return have
}

func sqlJob(r Request) batchv1.JobSpec {
	timeout := Timeout(r.Hook)
	deadline := int64((timeout + grace).Seconds())
	readOnly := "off"
	if r.ReadOnly {
		readOnly = "on"
	}
	env := append(environment(r), corev1.EnvVar{Name: "HOME", Value: "/tmp"}, corev1.EnvVar{Name: "TMPDIR", Value: "/tmp"},
		corev1.EnvVar{Name: "GITOVER_SQL", Value: string(r.Content)},
		corev1.EnvVar{Name: "GITOVER_READ_ONLY", Value: readOnly},
		corev1.EnvVar{Name: "GITOVER_TIMEOUT", Value: strconv.Itoa(max(1, int(timeout.Seconds())))})
	env = copy.VerbatimAll(append(env, r.Side.Environment("", r.Hook.SQL.Database)...))
	return batchv1.JobSpec{
		BackoffLimit:          ptr.To(int32(0)),
		ActiveDeadlineSeconds: &deadline,
		Template: corev1.PodTemplateSpec{Spec: copy.Unprivileged(corev1.Container{
			Name: "hook", Image: r.Image, Command: []string{"/bin/sh", "-c", copy.Verbatim(Script)}, Env: env,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
			}},
		}, "64Mi")},
	}
}
