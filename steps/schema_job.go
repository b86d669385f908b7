package steps

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/schema"
)

// schemaDone compares schemas, and checks the Jobs if they differ.
func schemaDone(ctx context.Context, run *Run, phase copy.Phase, part schema.Part) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	objects := 0
	verdict := Verdict{Done: true}
	for _, db := range run.Status.Databases {
		drift, err := schema.Compare(ctx, blue, green, db, part)
		switch {
		case err != nil:
			return Verdict{}, err
		case drift.DatabaseMissing:
			return act("to create database %q", db), nil
		}
		objects += drift.Objects
		if len(drift.Differences) == 0 {
			continue
		}
		if run.physical() { // which brought every object, so that this is DDL since then
			changed, err := drifted(ctx, run, blue, green, db, "", part)
			if changed != nil || err != nil {
				return ptr.Deref(changed, Verdict{}), err
			}
			continue
		}
		if verdict, err = jobVerdict(ctx, run, phase, db, drift.Differences); err == nil && verdict.Done { // DDL since then
			var changed *Verdict
			changed, err = drifted(ctx, run, blue, green, db, "", part)
			verdict = ptr.Deref(changed, Verdict{})
		}
		if err != nil || verdict.RunNeeded {
			return verdict, err
		}
	}
	if verdict.Done {
		return done("%d objects are equal", objects), nil
	}
	return verdict, nil
}

// jobVerdict judges a database's Job that has not made the schemas equal yet; done if it succeeded.
func jobVerdict(ctx context.Context, run *Run, phase copy.Phase, db string, diff []string) (Verdict, error) {
	job, err := schemaJob(ctx, run, phase, db)
	if err != nil {
		return Verdict{}, err
	}
	fate, found, err := run.Cluster.Job(ctx, job.Name)
	switch {
	case err != nil:
		return Verdict{}, err
	case !found:
		return act("%d objects to make in database %q", len(diff), db), nil
	case fate.Failed:
		return waiting(v1alpha1.ReasonJobFailed, "the schema Job of database %q failed: %s. Fix the cause and change spec.retry", db, fate.Message), nil
	case fate.Succeeded:
		return Verdict{Done: true}, nil
	}
	return waiting(run.Status.Step, "%s of database %q: %d objects to go", phase, db, len(diff)), nil
}

// schemaJob is the Job of one half of a database's schema.
func schemaJob(ctx context.Context, run *Run, phase copy.Phase, db string) (*batchv1.Job, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return nil, err
	}
	image, err := toolsImage(ctx, run)
	if err != nil {
		return nil, err
	}
	return copy.Job(copy.Request{
		Namespace: run.Upgrade.Namespace,
		Owner:     run.owner(), Labels: run.labels(),
		UpgradeUID: string(run.Upgrade.UID), Run: run.Status.Run,
		Phase: phase, Database: db, Attempt: int(run.Status.Attempt),
		Blue: run.side(blue), Green: run.side(green), Image: image, Tablespaces: run.Upgrade.Spec.Tablespaces,
	}), nil
}

// owner of Jobs: they go with the PgUpgrade, and wake its controller.
func (r *Run) owner() metav1.OwnerReference {
	controller := true
	return metav1.OwnerReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PgUpgrade", Name: r.Upgrade.Name, UID: r.Upgrade.UID, Controller: &controller}
}

// labels of Jobs and their pods.
func (r *Run) labels() map[string]string {
	return map[string]string{v1alpha1.UpgradeLabel: r.Upgrade.Name, "app.kubernetes.io/managed-by": "gitover"}
}

// toolsImage is the image whose pg_dump reads both versions: that of the newer one.
func toolsImage(ctx context.Context, run *Run) (string, error) {
	instance := run.Status.To
	if !copy.ToolsFromGreen(run.version(run.Status.From), run.version(run.Status.To)) {
		instance = run.Status.From
	}
	workload, err := run.Cluster.Workload(ctx, instance)
	if err != nil {
		return "", err
	}
	if workload.Image != "" {
		return workload.Image, nil
	}
	// an adopted server has no workload of ours: use the image that an instance of its version
	// would have
	for _, image := range run.Upgrade.Spec.Instance.Images {
		version := VersionOf(run.Upgrade.Name, run.Upgrade.Spec.Adopt, instance)
		return cmp.Or(image.NewName, image.Name) + ":" + strings.ReplaceAll(cmp.Or(image.NewTag, "{version}"), "{version}", version), nil
	}
	return "", fmt.Errorf("spec.instance.images names no image that has the pg_dump of %s", instance)
}

func (r *Run) side(s postgres.Server) copy.Side {
	key := r.Upgrade.Spec.Connection.PasswordKey
	return copy.Side{
		Host: s.Host, Port: s.Port, User: s.User, SSLMode: s.SSLMode, CA: s.CA,
		Password: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: r.Secret(s.Instance)},
			Key:                  cmp.Or(key, "password"),
		},
	}
}
