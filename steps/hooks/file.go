package hooks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
)

// PathOf a hook's file.
func PathOf(h v1alpha1.HookSpec) string {
	if h.SQL != nil {
		return h.SQL.Path
	}
	if h.Job != nil {
		return h.Job.Path
	}
	return ""
}

// Digest of a hook's file.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// largest is how many bytes of a file fit in a Job: its SQL is one variable of the environment.
const largest = 64 << 10

func checkSize(content []byte) error {
	if len(content) > largest {
		return fmt.Errorf("it has %d bytes; %d fit", len(content), largest)
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return errors.New("it is empty")
	}
	return nil
}

func checkSQL(content []byte) error {
	if err := checkSize(content); err != nil {
		return err
	}
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return errors.New("it isn't text in UTF-8")
	}
	return nil
}

// manifest of a Job that people wrote. What would let it run more than once, or elsewhere, is refused.
func manifest(content []byte, namespace string) (*batchv1.Job, error) {
	if err := checkSize(content); err != nil {
		return nil, err
	}
	if bytes.Contains(append([]byte("\n"), bytes.TrimPrefix(bytes.TrimSpace(content), []byte("---"))...), []byte("\n---")) {
		return nil, errors.New("it has several documents; a hook is one Job")
	}
	job := &batchv1.Job{}
	if err := yaml.UnmarshalStrict(content, job); err != nil {
		return nil, fmt.Errorf("it is no manifest of a Job: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	spec, pod := &job.Spec, &job.Spec.Template.Spec
	switch {
	case job.APIVersion != "batch/v1" || job.Kind != "Job":
		return nil, fmt.Errorf("it is a %s of %s, not a Job of batch/v1", orNothing(job.Kind), orNothing(job.APIVersion))
	case job.Namespace != "" && job.Namespace != namespace:
		return nil, fmt.Errorf("its namespace is %s, but it runs in the PgUpgrade's, %s; leave it out", job.Namespace, namespace)
	case ptr.Deref(spec.Suspend, false):
		return nil, errors.New("it is suspended, and would never run; leave spec.suspend out")
	case ptr.Deref(spec.ManualSelector, false) || spec.Selector != nil:
		return nil, errors.New("it has a selector of its own; leave spec.selector and spec.manualSelector out")
	case spec.ManagedBy != nil:
		return nil, errors.New("it belongs to another controller; leave spec.managedBy out")
	case len(pod.Containers) == 0:
		return nil, errors.New("it has no container")
	}
	if spec.BackoffLimit == nil { // once, unless its author says otherwise
		spec.BackoffLimit = ptr.To(int32(0))
	}
	if pod.ServiceAccountName == "" && pod.AutomountServiceAccountToken == nil { // it asked for no rights
		pod.AutomountServiceAccountToken = ptr.To(false)
	}
	return job, nil
}

func orNothing(s string) string {
	if s == "" {
		return "(nothing)"
	}
	return s
}

// most of a hook's output that a status keeps: the last bytes.
const most = 1500

// Tail of an output: its last lines, printable, and without the secrets.
func Tail(output string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) > 2 {
			output = strings.ReplaceAll(output, s, "***")
		}
	}
	output = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, strings.ToValidUTF8(output, ""))
	output = strings.TrimSpace(output)
	if len(output) <= most {
		return output
	}
	output = strings.ToValidUTF8(output[len(output)-most:], "")
	if _, rest, found := strings.Cut(output, "\n"); found {
		output = rest
	}
	return "…\n" + output
}
