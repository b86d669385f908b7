package failover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// Opened is what the PgProxy says of the side that follows having let applications in, unless that was noted before; nil if there is nothing new.
func Opened(status v1alpha1.PgUpgradeStatus, p *v1alpha1.PgProxy) *v1alpha1.FencedAgainStatus {
	if p == nil || p.Status.FencedAgain == nil || p.Status.FencedAgain.Instance == p.Status.Active {
		return nil
	}
	again, noted := p.Status.FencedAgain, status.FencedAgain
	if noted != nil && noted.ServerIdentity == again.ServerIdentity && noted.At.Equal(&again.At) {
		return nil
	}
	return again
}

// NoteOpened notes that the side that follows let applications in, once each time that the PgProxy says so: every database is suspected of rows that
// were written there, and none is copied again before it is compared. It returns whether there was anything new.
func NoteOpened(status *v1alpha1.PgUpgradeStatus, p *v1alpha1.PgProxy, now metav1.Time) bool {
	again := Opened(*status, p)
	if again == nil {
		return false
	}
	f := After(status.Failover, again.Instance, now)
	f.Message = fmt.Sprintf("%s let applications in, though %s serves, and was fenced again at %s", again.Instance, p.Status.Active, again.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	f.Suspected = slices.DeleteFunc(With(f.Suspected, status.Databases), func(db string) bool { return slices.Contains(f.Ahead, db) })
	f.CopyAgain = slices.DeleteFunc(slices.Clone(f.CopyAgain), func(db string) bool { return slices.Contains(f.Suspected, db) })
	status.FencedAgain, status.Failover, status.Verification, status.Comparing = again.DeepCopy(), &f, nil, nil
	return true
}

// Undisturbed is nil if no switch has begun. If the follower has served, it also has to be fenced, and nothing may say that it let
// applications in since that was last noted: the PgProxy's controller says so before it fences the follower again, so fresh, which reads the PgProxy
// as it is now, is called after the fence was seen. Reads only.
func Undisturbed(ctx context.Context, status v1alpha1.PgUpgradeStatus, follower postgres.Server, served bool, fresh func(context.Context) (*v1alpha1.PgProxy, error)) error {
	if served {
		open, err := fence.OpenDatabases(ctx, follower, status.Databases)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			return fmt.Errorf("%s lets applications in (databases: %s)", follower.Instance, strings.Join(open, ", "))
		}
	}
	proxy, err := fresh(ctx)
	switch {
	case err != nil || proxy == nil:
		return err
	case proxy.Status.Switch != nil:
		return fmt.Errorf("a switch to %s has begun", proxy.Status.Switch.To)
	case served && Opened(status, proxy) != nil:
		return fmt.Errorf("%s let applications in a moment ago", follower.Instance)
	}
	return nil
}
