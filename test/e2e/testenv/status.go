package testenv

import (
	"context"
	"fmt"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
)

func (a *App) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: a.Namespace, Name: name}
}

// Upgrade as it is now.
func (a *App) Upgrade(ctx context.Context) (*v1alpha1.PgUpgrade, error) {
	var u v1alpha1.PgUpgrade
	return &u, a.Client.Get(ctx, a.key(Name), &u)
}

// Proxy as it is now.
func (a *App) Proxy(ctx context.Context) (*v1alpha1.PgProxy, error) {
	var p v1alpha1.PgProxy
	return &p, a.Client.Get(ctx, a.key(Name), &p)
}

// StatefulSet of an instance.
func (a *App) StatefulSet(ctx context.Context, name string) (*appsv1.StatefulSet, error) {
	var s appsv1.StatefulSet
	return &s, a.Client.Get(ctx, a.key(name), &s)
}

// instanceOf a workload: its name, unless it was adopted.
func (a *App) instanceOf(workload string) string {
	if name, adopted := a.instances[workload]; adopted {
		return name
	}
	return workload
}

// Claims are the names of an instance's volume claims.
func (a *App) Claims(ctx context.Context, instance string) ([]string, error) {
	var list corev1.PersistentVolumeClaimList
	if err := a.Client.List(ctx, &list, client.InNamespace(a.Namespace)); err != nil {
		return nil, err
	}
	names := []string{}
	for _, claim := range list.Items {
		if strings.HasPrefix(claim.Name, "data-"+instance+"-") {
			names = append(names, claim.Name)
		}
	}
	return names, nil
}

// AwaitUpgrade waits until the PgUpgrade is as it should be.
func (a *App) AwaitUpgrade(ctx context.Context, patience time.Duration, what string, done func(*v1alpha1.PgUpgrade) bool) error {
	return a.Await(ctx, patience, a.Namespace+": "+what, func(ctx context.Context) (bool, string, error) {
		u, err := a.Upgrade(ctx)
		if err != nil {
			return false, "", err
		}
		return done(u), Describe(u), nil
	})
}

// AwaitActive waits until applications reach an instance, and nothing is in progress.
func (a *App) AwaitActive(ctx context.Context, patience time.Duration, instance string) error {
	return a.Await(ctx, patience, a.Namespace+": "+instance+" serves", func(ctx context.Context) (bool, string, error) {
		p, err := a.Proxy(ctx)
		if err != nil {
			return false, "", err
		}
		state := fmt.Sprintf("active %q, target %q, %s", p.Status.Active, p.Spec.Target, condition(p.Status.Conditions, v1alpha1.ReadyCondition))
		if p.Status.Switch != nil {
			state += ", switch " + p.Status.Switch.Phase
		}
		return p.Status.Active == instance && p.Status.Switch == nil, state, nil
	})
}

// Describe a PgUpgrade in a line.
func Describe(u *v1alpha1.PgUpgrade) string {
	parts := []string{}
	if u.Status.Workflow != "" {
		parts = append(parts, u.Status.Workflow+"/"+u.Status.Step)
	}
	for _, name := range []string{v1alpha1.StalledCondition, v1alpha1.ReadyCondition} {
		if c := meta.FindStatusCondition(u.Status.Conditions, name); c != nil && (name == v1alpha1.ReadyCondition || c.Status == metav1.ConditionTrue) {
			parts = append(parts, condition(u.Status.Conditions, name))
		}
	}
	return strings.Join(parts, " ")
}

// AwaitProxy waits until the PgProxy is as it should be.
func (a *App) AwaitProxy(ctx context.Context, patience time.Duration, what string, done func(*v1alpha1.PgProxy) bool) error {
	return a.Await(ctx, patience, a.Namespace+": "+what, func(ctx context.Context) (bool, string, error) {
		p, err := a.Proxy(ctx)
		if err != nil {
			return false, "", err
		}
		state := condition(p.Status.Conditions, v1alpha1.ReadyCondition) + "; " + condition(p.Status.Conditions, v1alpha1.RollbackReadyCondition)
		return done(p), state, nil
	})
}

// AwaitRollbackPath waits until a revert of the last switch would lose nothing.
func (a *App) AwaitRollbackPath(ctx context.Context, patience time.Duration) error {
	return a.AwaitProxy(ctx, patience, "the rollback path", func(p *v1alpha1.PgProxy) bool {
		return meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.RollbackReadyCondition)
	})
}

// AwaitKustomization waits until Flux says these words about the app's directory.
func (a *App) AwaitKustomization(ctx context.Context, patience time.Duration, what, words string) error {
	return a.Await(ctx, patience, a.Namespace+": "+what, func(ctx context.Context) (bool, string, error) {
		var k kustomizev1.Kustomization
		err := a.Client.Get(ctx, a.key(Name), &k)
		state := condition(k.Status.Conditions, v1alpha1.ReadyCondition)
		return strings.Contains(state, words), state, err
	})
}

// IsTrue says whether a condition is.
func IsTrue(conditions []metav1.Condition, name string) bool {
	return meta.IsStatusConditionTrue(conditions, name)
}

func condition(conditions []metav1.Condition, name string) string {
	c := meta.FindStatusCondition(conditions, name)
	if c == nil {
		return name + " unknown"
	}
	return fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
}

// At is true of an upgrade that is in this step.
func At(step string) func(*v1alpha1.PgUpgrade) bool {
	return func(u *v1alpha1.PgUpgrade) bool { return u.Status.Step == step }
}

// Settled is true of an upgrade that serves this version and has nothing left to do.
func Settled(version string) func(*v1alpha1.PgUpgrade) bool {
	return func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "" && u.Status.Version == version && u.Status.ObservedGeneration == u.Generation &&
			meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ReadyCondition)
	}
}
