package copy

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Script is what runs in the Job, by sh. Environment describes its input.
//
//go:embed schema.sh
var Script string

// IdentitySQL finds the keys that replication needs before the data.
//
//go:embed identity.sql
var IdentitySQL string

// ExtensionsSQL writes the statements that tables of extensions need and a dump leaves out.
//
//go:embed extensions.sql
var ExtensionsSQL string

// Phase is one half of a schema.
type Phase string

// The two halves: what the data needs, and what is built faster after the data is there.
const (
	PreData  Phase = "pre-data"
	PostData Phase = "post-data"
)

// Side is how the Job reaches one server. The password comes only from a Secret.
type Side struct {
	Host string
	Port int
	User string
	// Password names a key of a Secret in the Job's namespace; nil for none.
	Password *corev1.SecretKeySelector
	SSLMode  string
	// CA holds PEM certificates; empty for none.
	CA []byte
}

// Request is everything that a Job depends on.
type Request struct {
	Namespace string
	Owner     metav1.OwnerReference
	Labels    map[string]string
	// UpgradeUID derives the Job's name and marks what it has done on green.
	UpgradeUID string
	// Run tells one upgrade of the same PgUpgrade from the next.
	Run      string
	Phase    Phase
	Database string
	// Attempt counts from 0; another attempt is another Job.
	Attempt int
	// LeaveOut is a query like IdentitySQL's: what the first half takes in, and the second one leaves out. IdentitySQL if empty.
	LeaveOut    string
	Blue, Green Side
	// Tablespaces of blue, and those that replace them on green; all others become the default one.
	Tablespaces map[string]string
	// Image of the newer of the two versions (ToolsFromGreen).
	Image            string
	ImagePullSecrets []corev1.LocalObjectReference
	NodeSelector     map[string]string
	Tolerations      []corev1.Toleration
	// DeadlineSeconds bounds the Job as a whole; 0 means a day.
	DeadlineSeconds int64
}

// ToolsFromGreen says whose image has the programs: the newer server's.
func ToolsFromGreen(blue, green int) bool { return green >= blue }

// JobName is the same for the same work.
func JobName(upgradeUID, run string, phase Phase, database string, attempt int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{upgradeUID, run, string(phase), database}, "\x00")))
	return "gitover-" + string(phase) + "-" + hex.EncodeToString(sum[:8]) + "-" + strconv.Itoa(attempt)
}

// runAs is the unprivileged user of the pod; it needs no account in the image.
const runAs int64 = 65532

// Job builds the Job; it has no effect.
func Job(r Request) *batchv1.Job {
	deadline := r.DeadlineSeconds
	if deadline == 0 {
		deadline = 24 * 60 * 60
	}
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name:            JobName(r.UpgradeUID, r.Run, r.Phase, r.Database, r.Attempt),
			Namespace:       r.Namespace,
			Labels:          r.Labels,
			OwnerReferences: []metav1.OwnerReference{r.Owner},
		},
		Spec: batchv1.JobSpec{
			BackoffLimit:            ptr(int32(3)),
			ActiveDeadlineSeconds:   &deadline,
			TTLSecondsAfterFinished: ptr(int32(3600)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: r.Labels},
				Spec:       pod(r),
			},
		},
	}
}

func pod(r Request) corev1.PodSpec {
	spec := Unprivileged(corev1.Container{
		Name:    "schema",
		Image:   r.Image,
		Command: []string{"/bin/sh", "-c", Verbatim(Script)},
		Env:     VerbatimAll(environment(r)),
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
	}, scratch)
	spec.ImagePullSecrets, spec.NodeSelector, spec.Tolerations = r.ImagePullSecrets, r.NodeSelector, r.Tolerations
	return spec
}

// scratch is how much a Job of this package may write to /tmp.
const scratch = "1Gi"

// Unprivileged is a pod without rights in the cluster or on its node, for one container, which may write to /tmp only: so much, as a quantity.
func Unprivileged(c corev1.Container, scratch string) corev1.PodSpec {
	c.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
	c.VolumeMounts = []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}}
	c.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true),
		RunAsNonRoot: ptr(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	return corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: ptr(false),
		EnableServiceLinks:           ptr(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr(true), RunAsUser: ptr(runAs), RunAsGroup: ptr(runAs), FSGroup: ptr(runAs),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Volumes: []corev1.Volume{{
			Name:         "tmp",
			VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse(scratch))}},
		}},
		Containers: []corev1.Container{c},
	}
}

// environment is the script's input.
func environment(r Request) []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: "HOME", Value: "/tmp"},
		{Name: "TMPDIR", Value: "/tmp"},
		{Name: "GITOVER_PHASE", Value: string(r.Phase)},
		{Name: "GITOVER_UPGRADE", Value: mark(r)},
		{Name: "GITOVER_IDENTITY_SQL", Value: cmp.Or(r.LeaveOut, IdentitySQL)},
		{Name: "GITOVER_EXTENSIONS_SQL", Value: ExtensionsSQL},
		{Name: "GITOVER_TABLESPACES", Value: tablespaceLines(r.Tablespaces)},
	}
	env = append(env, r.Blue.Environment("BLUE_", r.Database)...)
	return append(env, r.Green.Environment("GREEN_", r.Database)...)
}

// tablespaceLines are the lines of a restored schema that name one of blue's tablespaces, each with its replacement
// after a tab: pg_restore quotes a name that needs it, or any.
func tablespaceLines(spaces map[string]string) string {
	say := func(name string) string { return "SET default_tablespace = " + name + ";" }
	quoted := func(name string) string { return say(`"` + strings.ReplaceAll(name, `"`, `""`) + `"`) }
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(spaces)) {
		for _, said := range []string{say(name), quoted(name)} {
			lines.WriteString(said + "\t" + quoted(spaces[name]) + "\n")
		}
	}
	return lines.String()
}

// mark distinguishes the work of this upgrade and run from that of others.
func mark(r Request) string {
	sum := sha256.Sum256([]byte(r.UpgradeUID + "\x00" + r.Run))
	return hex.EncodeToString(sum[:16])
}

// Environment by which libpq reaches a database of this side, each name with the prefix; the CA's certificates are in CA.
func (s Side) Environment(prefix, database string) []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: prefix + "PGHOST", Value: s.Host},
		{Name: prefix + "PGPORT", Value: strconv.Itoa(s.Port)},
		{Name: prefix + "PGUSER", Value: s.User},
		{Name: prefix + "PGDATABASE", Value: database},
	}
	if s.SSLMode != "" {
		env = append(env, corev1.EnvVar{Name: prefix + "PGSSLMODE", Value: s.SSLMode})
	}
	if len(s.CA) > 0 {
		env = append(env, corev1.EnvVar{Name: prefix + "CA", Value: string(s.CA)})
	}
	if s.Password != nil {
		env = append(env, corev1.EnvVar{Name: prefix + "PGPASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: s.Password}})
	}
	return env
}

// Verbatim escapes a variable's value or an argument in a pod: Kubernetes would replace $(NAME) in it, and a database may be
// called "$(BLUE_PGPASSWORD)".
func Verbatim(value string) string { return strings.ReplaceAll(value, "$", "$$") }

// VerbatimAll escapes every variable in place.
func VerbatimAll(env []corev1.EnvVar) []corev1.EnvVar {
	for i := range env {
		env[i].Value = Verbatim(env[i].Value)
	}
	return env
}

func ptr[T any](v T) *T { return &v }
