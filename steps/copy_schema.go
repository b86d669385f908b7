package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// copySchemaDone: every database is on green with all that the data needs: tables,
// types, functions, and the keys by which replication finds rows.
func copySchemaDone(ctx context.Context, run *Run) (Verdict, error) {
	part := schema.PreData
	if run.parallel() { // which builds keys faster than it would keep them while it copies
		part = schema.Tables
	}
	verdict, err := schemaDone(ctx, run, copy.PreData, part)
	if err != nil || !verdict.Done || !GivesIdentities(run.Upgrade) {
		return verdict, err
	}
	blue, err := run.blue(ctx)
	if err != nil {
		return Verdict{}, err
	}
	return alsoSaid(verdict)(showIdentities(ctx, run, blue))
}

// copySchemaRun makes the databases, fenced from their birth, then one Job each. Tables of blue have their replica identity by
// then, so that green gets the same.
func copySchemaRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	databases, err := applicationDatabases(ctx, run, blue)
	if err != nil {
		return err
	}
	// again: an updated controller then finds the register that it needs
	if err := run.Register(ctx, green); err != nil {
		return err
	}
	if err := transfer.CreateDatabases(ctx, blue, green, databases); err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		if err := giveIdentities(ctx, run, blue, green, db); err != nil {
			return err
		}
		job, err := schemaJob(ctx, run, copy.PreData, db)
		if err != nil {
			return err
		}
		return run.Cluster.CreateJob(ctx, job)
	})
}

// drifted says how green's schema differs after DDL on blue, with the statements that make it equal; it acts if the spec allows
// Gitover to run these. tables, if not empty, describes tables that aren't replicated. Nil if the schemas are equal.
func drifted(ctx context.Context, run *Run, blue, green postgres.Server, db, tables string, part schema.Part) (*Verdict, error) {
	drift, err := schema.Compare(ctx, blue, green, db, part)
	if err != nil || len(drift.Differences) == 0 {
		return nil, err
	}
	ddl, err := schema.EqualizingDDL(ctx, blue, green, db, drift)
	if err != nil {
		return nil, err
	}
	if tables != "" {
		tables += ". "
	}
	differs := fmt.Sprintf("database %q: %sthe schema changed since it was copied: %s", db, tables, some(drift.Differences))
	allowed := run.Upgrade.Spec.ApplyDDL == "BeforeCutover"
	if allowed && dropsRows(drift) {
		differs += ". Gitover doesn't drop tables and columns by itself, since a renamed one looks the same"
	} else if allowed && len(ddl.Statements) > 0 && !run.switching() {
		v := act("%s. Running on %s: %s", differs, green.Instance, ddl.Text())
		v.Reason = v1alpha1.ReasonSchemaDrift // an event
		v.Effect = func(ctx context.Context, run *Run) error {
			// a default that isn't constant may give existing rows other values than on blue
			run.Status.Verification, run.Status.Comparing = nil, nil
			return schema.ApplyDDL(ctx, green, db, ddl)
		}
		return &v, nil
	}
	v := waiting(v1alpha1.ReasonSchemaDrift, "%s. %s, or revert the version and ask for it again", differs, ddlAdvice(ddl, green.Instance))
	return &v, nil
}

// dropsRows: green has tables or columns that blue doesn't have any more, or not under that name.
func dropsRows(drift schema.Drift) bool {
	return slices.ContainsFunc(drift.Extra, func(name string) bool {
		return strings.HasPrefix(name, "table ") || strings.HasPrefix(name, "column ")
	})
}

// ddlAdvice names the statements that people run on an instance.
func ddlAdvice(ddl schema.DDL, instance string) string {
	var parts []string
	if len(ddl.Statements) > 0 {
		parts = append(parts, fmt.Sprintf("Run on %s: %s;", instance, ddl.Text()))
	}
	if len(ddl.Renames) > 0 {
		parts = append(parts, fmt.Sprintf("If something was renamed, run this instead of dropping and creating it: %s;", some(ddl.Renames)))
	}
	if len(ddl.Unknown) > 0 {
		parts = append(parts, fmt.Sprintf("Apply the same change on %s for %s", instance, some(ddl.Unknown)))
	}
	return strings.Join(parts, " ")
}

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
	leaveOut := ""
	if run.parallel() {
		leaveOut = map[copy.Phase]string{copy.PreData: copy.Nothing, copy.PostData: copy.BuiltSQL}[phase]
	}
	return copy.Job(copy.Request{
		Namespace: run.Upgrade.Namespace,
		Owner:     run.owner(), Labels: run.labels(),
		UpgradeUID: string(run.Upgrade.UID), Run: run.Status.Run,
		Phase: phase, Database: db, Attempt: int(run.Status.Attempt), LeaveOut: leaveOut,
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
	return imageOf(ctx, run, instance)
}

// imageOf an instance's database container.
func imageOf(ctx context.Context, run *Run, instance string) (string, error) {
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
