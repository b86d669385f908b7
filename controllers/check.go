package controllers

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

// Check runs the preflight of an upgrade before it is requested, against the instance that
// serves now. It reads only.
func Check(ctx context.Context, c client.Client, upgrade *v1alpha1.PgUpgrade, target string) ([]preflight.Finding, error) {
	var proxy v1alpha1.PgProxy
	key := client.ObjectKey{Namespace: upgrade.Namespace, Name: upgrade.Spec.ProxyRef.Name}
	if err := c.Get(ctx, key, &proxy); err != nil {
		return nil, fmt.Errorf("read PgProxy: %w", err)
	}
	server, err := access.ServerOf(ctx, c, upgrade, proxy.Status.Active)
	if err != nil {
		return nil, err
	}
	return CheckServer(ctx, server, upgrade, target)
}

// CheckServer runs the preflight of an upgrade from any server, with the databases and acknowledgements of a PgUpgrade that
// may exist in a file only. It reads only.
func CheckServer(ctx context.Context, server postgres.Server, upgrade *v1alpha1.PgUpgrade, target string) ([]preflight.Finding, error) {
	version, ok := postgres.ParseVersion(target)
	if !ok {
		return nil, fmt.Errorf("%q is no supported PostgreSQL major version; supported are %s", target, postgres.SupportedVersions())
	}
	all, err := postgres.ApplicationDatabases(ctx, server, upgrade.Spec.Databases.Include, upgrade.Spec.Databases.Exclude)
	if err != nil {
		return nil, err
	}
	var databases []string
	for _, d := range postgres.Moved(all) {
		databases = append(databases, d.Name)
	}
	request := steps.RequestOf(upgrade, version, databases)
	request.PhysicalCopy = true
	findings, err := preflight.Check(ctx, server, request)
	if err != nil {
		return nil, err
	}
	hooks, err := steps.HookFindings(ctx, server, upgrade)
	return slices.Concat(findings, steps.GateFindings(upgrade.Spec), hooks), err
}
