package steps

import (
	"context"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
)

// copySchemaDone: every database is on green with all that the data needs: tables,
// types, functions, and the keys by which replication finds rows.
func copySchemaDone(ctx context.Context, run *Run) (Verdict, error) {
	verdict, err := schemaDone(ctx, run, copy.PreData, postgres.PreDataSchema)
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
	// again: a controller that was updated since finds its own register
	if err := run.Register(ctx, green); err != nil {
		return err
	}
	if err := postgres.CreateDatabases(ctx, blue, green, databases); err != nil {
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

// buildIndexesDone: green's schema is blue's, to the last index and trigger, and
// replication goes on.
func buildIndexesDone(ctx context.Context, run *Run) (Verdict, error) {
	verdict, err := schemaDone(ctx, run, copy.PostData, postgres.WholeSchema)
	if err != nil || verdict.Act {
		return verdict, err
	}
	green, err := run.green(ctx)
	if err != nil {
		return Verdict{}, err
	}
	for _, db := range run.Status.Databases {
		held, over, err := heldBack(ctx, run, green, db)
		switch {
		case err != nil:
			return Verdict{}, err
		case held && over:
			return act("replication to go on in database %q", db), nil
		case held:
			return waiting(BuildIndexes, "the Job of database %q is ending", db), nil
		}
	}
	return verdict, nil
}

// buildIndexesRun holds replication back while a Job runs, since a worker that applies
// and a session that builds would lock each other out; it goes on when the Job is done.
func buildIndexesRun(ctx context.Context, run *Run) error {
	green, err := run.green(ctx)
	if err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		job, err := schemaJob(ctx, run, copy.PostData, db)
		if err != nil {
			return err
		}
		_, found, err := run.Cluster.Job(ctx, job.Name)
		if err != nil {
			return err
		}
		if found {
			if held, over, err := heldBack(ctx, run, green, db); err != nil || !held || !over {
				return err
			}
			return postgres.SetSubscriptionEnabled(ctx, green, db, run.Names().Subscription(db, run.Status.To), true)
		}
		if err := postgres.SetSubscriptionEnabled(ctx, green, db, run.Names().Subscription(db, run.Status.To), false); err != nil {
			return err
		}
		return run.Cluster.CreateJob(ctx, job)
	})
}

// heldBack says whether a database's replication is held back for a Job, and whether that
// Job is over.
func heldBack(ctx context.Context, run *Run, green postgres.Server, db string) (held, over bool, err error) {
	state, err := postgres.SubscriptionState(ctx, green, db, run.Names().Subscription(db, run.Status.To))
	if err != nil || !state.Exists || state.Enabled {
		return false, false, err
	}
	job, err := schemaJob(ctx, run, copy.PostData, db)
	if err != nil {
		return true, false, err
	}
	fate, found, err := run.Cluster.Job(ctx, job.Name)
	return true, !found || fate.Succeeded || fate.Failed, err
}

// schemaDone compares schemas, and where they differ looks at the Jobs.
func schemaDone(ctx context.Context, run *Run, phase copy.Phase, part postgres.SchemaPart) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	objects := 0
	verdict := Verdict{Done: true}
	for _, db := range run.Status.Databases {
		drift, err := postgres.SchemaDrift(ctx, blue, green, db, part)
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
		if verdict, err = jobVerdict(ctx, run, phase, db, drift.Differences); err == nil && verdict.Done { // DDL since then
			var changed *Verdict
			changed, err = drifted(ctx, run, blue, green, db, "", part)
			verdict = deref(changed)
		}
		if err != nil || verdict.Act {
			return verdict, err
		}
	}
	if verdict.Done {
		return done("%d objects are equal", objects), nil
	}
	return verdict, nil
}

// jobVerdict says how a database's Job fares that has not made the schemas equal yet; done if it succeeded.
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
		return waiting(v1alpha1.ReasonJobFailed, "the schema Job of database %q failed: %s. Mend what it says and change spec.retry", db, fate.Message), nil
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
	controller := true
	return copy.Job(copy.Request{
		Namespace: run.Upgrade.Namespace,
		Owner: metav1.OwnerReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PgUpgrade",
			Name: run.Upgrade.Name, UID: run.Upgrade.UID, Controller: &controller},
		Labels:     map[string]string{v1alpha1.UpgradeLabel: run.Upgrade.Name, "app.kubernetes.io/managed-by": "gitover"},
		UpgradeUID: string(run.Upgrade.UID), Run: run.Status.Run,
		Phase: phase, Database: db, Attempt: int(run.Status.Attempt),
		Blue: run.side(blue), Green: run.side(green), Image: image, Tablespaces: run.Upgrade.Spec.Tablespaces,
	}), nil
}

// toolsImage is the image whose pg_dump reads both versions: the newer one's.
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
	// an adopted server shows no workload of ours: the image that an instance of its
	// version would have
	for _, image := range run.Upgrade.Spec.Instance.Images {
		version := VersionOf(run.Upgrade.Name, run.Upgrade.Spec.Adopt, instance)
		return or(image.NewName, image.Name) + ":" + strings.ReplaceAll(or(image.NewTag, "{version}"), "{version}", version), nil
	}
	return "", fmt.Errorf("spec.instance.images names no image that has the pg_dump of %s", instance)
}

func (r *Run) side(s postgres.Server) copy.Side {
	key := r.Upgrade.Spec.Connection.PasswordKey
	return copy.Side{
		Host: s.Host, Port: s.Port, User: s.User, SSLMode: s.SSLMode, CA: s.CA,
		Password: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: r.Secret(s.Instance)},
			Key:                  or(key, "password"),
		},
	}
}
