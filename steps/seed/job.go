package seed

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/steps/copy"
)

// Attempts of a Job, each from nothing.
const Attempts = 3

// impossible is the exit code by which the scripts say that another attempt ends the same way.
const impossible = 3

// Request is everything that a Job depends on.
type Request struct {
	Namespace  string
	Owner      metav1.OwnerReference
	Labels     map[string]string
	UpgradeUID string
	// Attempt counts from 0; another attempt is another Job.
	Attempt int
	// Input of the scripts; Data, Work, Tools and Application are filled in.
	Input Input
	// Password of blue's user names a key of a Secret in the Job's namespace.
	Password *corev1.SecretKeySelector
	// BlueImage has blue's programs.
	BlueImage string
	Plan      Plan
}

// JobName is the same for the same work.
func JobName(upgradeUID, run string, attempt int) string {
	sum := sha256.Sum256([]byte(upgradeUID + "\x00" + run))
	return "gitover-seed-" + hex.EncodeToString(sum[:8]) + "-" + strconv.Itoa(attempt)
}

const tools = "/gitover/tools"

// Job builds the Job; it has no effect. Its pod runs as green's does: same user, volume, node and tolerations, but without its
// labels, so that no Service leads to it.
func Job(r Request) (*batchv1.Job, error) {
	r.Input.Data, r.Input.Work, r.Input.Tools = r.Plan.data, r.Plan.work(), tools
	variables, err := r.Input.Environment()
	if err != nil {
		return nil, err
	}
	env := r.Plan.settings()
	for _, v := range variables {
		env = append(env, corev1.EnvVar{Name: v.Name, Value: copy.Verbatim(v.Value)})
	}
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: JobName(r.UpgradeUID, r.Input.Run, r.Attempt), Namespace: r.Namespace,
			Labels: r.Labels, OwnerReferences: []metav1.OwnerReference{r.Owner},
		},
		Spec: batchv1.JobSpec{
			BackoffLimit:            ptr.To(int32(Attempts - 1)),
			TTLSecondsAfterFinished: ptr.To(int32(24 * 60 * 60)),
			PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
				Action: batchv1.PodFailurePolicyActionFailJob,
				OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
					Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{impossible},
				},
			}}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: r.Labels}, Spec: pod(r, env)},
		},
	}, nil
}

// pod runs the two halves one after the other.
func pod(r Request, env []corev1.EnvVar) corev1.PodSpec {
	green := r.Plan.set.Spec.Template.Spec
	backup := container("backup", r.BlueImage, BackupScript, r.Plan, env)
	if r.Password != nil {
		backup.Env = append(backup.Env, corev1.EnvVar{Name: PasswordVariable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: r.Password}})
	}
	volumes := []corev1.Volume{{
		Name:         r.Plan.mount.Name,
		VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: r.Plan.Claim(r.Namespace).Name}},
	}}
	for _, name := range []string{"gitover-tools", "gitover-tmp"} {
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To(int64(10)),
		ImagePullSecrets:              green.ImagePullSecrets,
		NodeSelector:                  green.NodeSelector,
		Affinity:                      green.Affinity,
		Tolerations:                   green.Tolerations,
		TopologySpreadConstraints:     green.TopologySpreadConstraints,
		PriorityClassName:             green.PriorityClassName,
		RuntimeClassName:              green.RuntimeClassName,
		SecurityContext:               green.SecurityContext,
		Volumes:                       volumes,
		InitContainers:                []corev1.Container{backup},
		Containers:                    []corev1.Container{container("upgrade", r.Plan.container.Image, UpgradeScript, r.Plan, env)},
	}
}

func container(name, image, script string, plan Plan, env []corev1.EnvVar) corev1.Container {
	return corev1.Container{
		Name: name, Image: image, ImagePullPolicy: plan.container.ImagePullPolicy,
		Command:                  []string{"/bin/sh", "-c", copy.Verbatim(script)},
		Env:                      append([]corev1.EnvVar{{Name: "HOME", Value: "/tmp"}, {Name: "TMPDIR", Value: "/tmp"}}, env...),
		Resources:                plan.container.Resources,
		SecurityContext:          plan.container.SecurityContext,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts: []corev1.VolumeMount{
			{Name: plan.mount.Name, MountPath: plan.mount.MountPath},
			{Name: "gitover-tools", MountPath: tools},
			{Name: "gitover-tmp", MountPath: "/tmp"},
		},
	}
}
