package steps

import (
	"context"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

// clockTolerance is how far the controller's clock and the serving server's may be apart.
const clockTolerance = time.Minute

// clockSkew keeps a gate closed that opens by time alone, a window or the end of a soak, while
// the controller's clock differs from the serving server's: a wrong clock must not end a soak,
// which can't be undone. Nil when they agree.
func clockSkew(ctx context.Context, run *Run) (*Verdict, error) {
	server, err := run.Server(ctx, run.active())
	if err != nil {
		return nil, err
	}
	there, err := postgres.Clock(ctx, server)
	if err != nil {
		return nil, err
	}
	ahead := run.Now().Sub(there)
	if ahead.Abs() <= clockTolerance {
		return nil, nil
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	v := waiting(v1alpha1.ReasonClockSkew, "the controller's clock is %s %s that of %s; correct the wrong one (NTP) on its node. Steps that depend on the time wait until they agree within %s",
		ahead.Abs().Round(time.Second), direction, server.Instance, clockTolerance)
	v.RequeueAfter = slowLook
	return &v, nil
}
