package steps

import (
	"context"
	"strings"

	"github.com/gitover/gitover/steps/postgres/transfer"
)

// copyRolesDone: green has every role of blue, with the same attributes and memberships.
func copyRolesDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	have, err := transfer.RolesFingerprint(ctx, green)
	if err != nil {
		return Verdict{}, err
	}
	want, err := transfer.RolesFingerprint(ctx, blue)
	if err != nil {
		return Verdict{}, err
	}
	if diff := want.Diff(have); len(diff) > 0 {
		return act("%d differences in roles: %s", len(diff), some(diff)), nil
	}
	return done("%d facts about roles are equal", len(want.Items)), nil
}

func copyRolesRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	return transfer.CopyRoles(ctx, blue, green)
}

// some of a long list, for a message.
func some(items []string) string {
	const most = 5
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return strings.Join(items[:most], ", ") + ", …"
}
