package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/seed"
)

// seedPlan is what the StatefulSet that green will have says about a physical copy.
func seedPlan(ctx context.Context, run *Run) (seed.Plan, error) {
	set, err := run.Git.StatefulSet(ctx)
	if err != nil {
		return seed.Plan{}, err
	}
	return seed.PlanOf(set, run.Cluster.DatabaseImage)
}

// seedJob is the Job of the physical copy, and the claim that it fills.
func seedJob(ctx context.Context, run *Run) (*batchv1.Job, *corev1.PersistentVolumeClaim, error) {
	plan, err := seedPlan(ctx, run)
	if err != nil {
		return nil, nil, err
	}
	blue, err := run.blue(ctx)
	if err != nil {
		return nil, nil, err
	}
	workload, err := run.Cluster.Workload(ctx, run.Status.From)
	if err != nil {
		return nil, nil, err
	}
	kept, err := disk.UsedBy(ctx, blue)
	if err != nil {
		return nil, nil, err
	}
	job, err := seed.Job(seed.Request{
		Namespace: run.Upgrade.Namespace,
		Owner:     run.owner(), Labels: run.labels(),
		UpgradeUID: string(run.Upgrade.UID), Attempt: int(run.Status.Attempt),
		Input: seed.Input{
			Run: run.Status.Run, Databases: run.Status.Databases, Blue: blue, BlueMajor: run.version(run.Status.From),
			Application: run.Names().Prefix(), Jobs: 2, Needed: kept.Data,
		},
		Password: run.side(blue).Password, BlueImage: workload.Image, Plan: plan,
	})
	if err != nil {
		return nil, nil, err
	}
	claim := plan.Claim(run.Upgrade.Namespace)
	if claim.Annotations == nil {
		claim.Annotations = map[string]string{}
	}
	claim.Annotations[v1alpha1.RunAnnotation] = run.Status.Run
	return job, claim, nil
}

// chooseCopy says in the status how this run copies its data, and why. It returns what keeps a physical copy from being possible:
// findings that block if the spec asks for it, and for information if the logical copy takes its place.
func chooseCopy(ctx context.Context, run *Run, blue postgres.Server) ([]preflight.Finding, error) {
	method := cmp.Or(run.Upgrade.Spec.Copy.Method, v1alpha1.CopyLogical)
	switch method {
	case v1alpha1.CopyLogical:
		run.Status.CopyMethod = nil
		return nil, nil
	case v1alpha1.CopyParallel:
		run.Status.CopyMethod = &v1alpha1.CopyMethodStatus{Method: v1alpha1.CopyParallel, Reason: "spec.copy.method asks for it"}
		_, err := run.Cluster.OwnImage(ctx)
		return nil, err
	}
	request := RequestOf(run.Upgrade, run.version(run.Status.To), run.Status.Databases)
	found, err := preflight.PhysicalCopy(ctx, blue, request)
	if err == nil && len(found) == 0 {
		found, err = unsuitable(ctx, run, blue, request)
	}
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		run.Status.CopyMethod = &v1alpha1.CopyMethodStatus{Method: v1alpha1.CopyPhysical, Reason: "nothing was found that keeps it from being possible"}
		return nil, nil
	}
	run.Status.CopyMethod = &v1alpha1.CopyMethodStatus{Method: v1alpha1.CopyLogical, Reason: found[0].Why}
	if method == v1alpha1.CopyPhysical {
		for i := range found {
			found[i].Severity, found[i].Fix = preflight.Block, found[i].Fix+" Or set spec.copy.method: Auto."
		}
	}
	return found, nil
}

// unsuitable says what of the manifests and Secrets keeps a physical copy from being possible.
func unsuitable(ctx context.Context, run *Run, blue postgres.Server, request preflight.Request) ([]preflight.Finding, error) {
	why, err := unsuitableManifests(ctx, run, blue)
	if err != nil || why == "" {
		return nil, err
	}
	return []preflight.Finding{preflight.NoPhysicalCopy(request, why)}, nil
}

func unsuitableManifests(ctx context.Context, run *Run, blue postgres.Server) (string, error) {
	if len(run.Upgrade.Spec.Tablespaces) > 0 {
		return "spec.tablespaces moves tables", nil
	}
	workload, err := run.Cluster.Workload(ctx, run.Status.From)
	if err != nil {
		return "", err
	}
	if workload.Image == "" {
		return fmt.Sprintf("no workload of %s says which image has its programs", run.Status.From), nil
	}
	green, err := run.green(ctx)
	if err != nil {
		return "", err
	}
	if green.User != blue.User || green.Password != blue.Password {
		return fmt.Sprintf("%s and %s have other credentials, and a physical copy brings those of %s", run.Status.From, run.Status.To, run.Status.From), nil
	}
	_, err = seedPlan(ctx, run)
	if errors.Is(err, seed.ErrUnsuitable) {
		return err.Error(), nil
	}
	return "", err
}

// seedAgain begins the physical copy again if blue's primary was replaced since, so that slots or the rest of the copy are lost. Nil
// if nothing is.
func seedAgain(ctx context.Context, run *Run, began, copied bool) (*Verdict, error) {
	blue, err := run.blue(ctx)
	if err != nil {
		return nil, err
	}
	now, err := failover.Identities(ctx, blue)
	switch {
	case err != nil:
		return nil, err
	case now[0].Timeline == 0:
		return ptr.To(awaitsPromotion(blue.Instance)), nil
	case !began || len(run.Status.Servers) == 0: // slots that are missing are made
		run.Status.Servers = now
		return nil, nil
	case slices.Equal(run.Status.Servers, now):
		return nil, nil
	}
	for _, db := range run.Status.Databases {
		slot, err := replication.SlotState(ctx, blue, run.Names().Slot(db, run.Status.To))
		if err != nil {
			return nil, err
		}
		copied = copied && slot.Exists && !slot.Lost
	}
	if copied {
		run.Status.Servers = now
		return nil, nil
	}
	v := act("the primary of %s was replaced: %s; its physical copy begins again", blue.Instance, failover.IdentityOf(now[0]).Replaced(failover.IdentityOf(run.Status.Servers[0])))
	v.Reason, v.Effect = v1alpha1.ReasonPrimaryReplaced, dropSeed // an event
	return &v, nil
}

// dropSeed removes the Job of a physical copy, and what blue has for it; the next one empties the volume. A second call removes
// what the first one left.
func dropSeed(ctx context.Context, run *Run) error {
	if err := unpublish(ctx, run); err != nil {
		return err
	}
	if err := run.Cluster.DeleteJob(ctx, run.seedJobName()); err != nil {
		return err
	}
	run.Status.Copy, run.Status.Servers = nil, nil
	return nil
}

// unpublish removes everything of this upgrade from blue.
func unpublish(ctx context.Context, run *Run) error {
	blue, err := run.blue(ctx)
	if err != nil {
		return err
	}
	left, err := replication.RemoveAll(ctx, blue, run.Names())
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("not removed on %s: %s", blue.Instance, some(left))
	}
	return err
}
