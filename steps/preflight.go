package steps

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

// preflightDone looks for everything that would break the upgrade, names every finding in
// one pass, and builds green's manifests in memory. It has no effect.
func preflightDone(ctx context.Context, run *Run) (Verdict, error) {
	if err := run.Git.CheckInstance(ctx); err != nil {
		return Verdict{}, err
	}
	blue, err := run.blue(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if err := checkVersion(ctx, blue, run.version(run.Status.From)); err != nil {
		return Verdict{}, err
	}
	databases, err := applicationDatabases(ctx, run, blue)
	if err != nil {
		return Verdict{}, err
	}
	run.Status.Databases = names(databases)
	if len(databases) == 0 {
		return waiting(v1alpha1.ReasonPreflightBlocked, "%s has no application database; check spec.databases", run.Status.From), nil
	}
	findings, err := preflight.Check(ctx, blue, RequestOf(run.Upgrade, run.version(run.Status.To), run.Status.Databases))
	if err != nil {
		return Verdict{}, err
	}
	return judge(run, findings), nil
}

func applicationDatabases(ctx context.Context, run *Run, s postgres.Server) ([]postgres.Database, error) {
	all, err := postgres.ApplicationDatabases(ctx, s, run.Upgrade.Spec.Databases.Include, run.Upgrade.Spec.Databases.Exclude)
	if err != nil {
		return nil, err
	}
	return postgres.Moved(all), nil
}

func names(databases []postgres.Database) []string {
	out := make([]string, 0, len(databases))
	for _, d := range databases {
		out = append(out, d.Name)
	}
	return out
}

// WrongVersionError: the server that answers isn't the one the manifests speak of.
type WrongVersionError struct {
	Instance   string
	Want, Have int
}

func (e *WrongVersionError) Error() string {
	return fmt.Sprintf("%s answers as PostgreSQL %d, its manifests say %d; check the image and the volume", e.Instance, e.Have, e.Want)
}

func checkVersion(ctx context.Context, s postgres.Server, want int) error {
	have, err := postgres.Version(ctx, s)
	if err != nil {
		return err
	}
	if have != want {
		return &WrongVersionError{Instance: s.Instance, Want: want, Have: have}
	}
	return nil
}
