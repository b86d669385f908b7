package steps

import (
	"context"

	"github.com/gitover/gitover/steps/postgres/preflight"
)

// preflightGreenDone checks what needs both sides.
func preflightGreenDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	request := RequestOf(run.Upgrade, run.version(run.Status.To), run.Status.Databases)
	findings, err := preflight.Check(ctx, blue, request)
	if err != nil {
		return Verdict{}, err
	}
	pair, err := preflight.CheckPair(ctx, blue, green, request)
	if err != nil {
		return Verdict{}, err
	}
	return judge(run, append(findings, pair...)), nil
}
