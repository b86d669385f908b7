package main

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// askFor another version.
func askFor(m *manifest, to string) (proposal, error) {
	if !steps.Supported(to) {
		return proposal{}, fmt.Errorf("%q is no major version that Gitover supports; those are %s", to, postgres.SupportedVersions())
	}
	version, err := versionIn(m)
	if err != nil {
		return proposal{}, err
	}
	if version == to {
		return proposal{}, fmt.Errorf("%s asks for PostgreSQL %s already", m.path, to)
	}
	approval, err := m.field("spec.cutover.approval")
	if err != nil {
		return proposal{}, err
	}
	then := "commits the cutover by itself, and traffic moves"
	if approval == "Manual" {
		then = "waits for `gitover approve`"
	}
	return proposal{
		subject: fmt.Sprintf("Upgrade %s to PostgreSQL %s", m.name, to),
		explains: fmt.Sprintf("Gitover checks whether %s can move from PostgreSQL %s to %s, makes the new server beside the running one, copies everything, then %s."+
			" Clients are served all the while.", m.name, version, to, then),
	}, m.set("spec.version", to)
}

// versionIn the file. A version that comes from another file has to be changed there.
func versionIn(m *manifest) (string, error) {
	elsewhere, err := m.field("spec.versionFrom.path")
	if err != nil {
		return "", err
	}
	if elsewhere != "" {
		return "", fmt.Errorf("the version comes from %s (spec.versionFrom); change it there", elsewhere)
	}
	version, err := m.field("spec.version")
	if err == nil && version == "" {
		err = fmt.Errorf("%s has no spec.version", m.path)
	}
	return version, err
}

// differs returns an error if the field has the wanted value already.
func (m *manifest) differs(field, value, what, done string) error {
	is, err := m.field(field)
	if err == nil && is == value {
		err = fmt.Errorf("%s %s is %s already: %s says so", what, value, done, m.path)
	}
	return err
}

// digest is what spec.cutover.approvedPlan takes.
var digest = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

// approve the version that is asked for; with a plan that one only.
func approve(m *manifest, plan string) (proposal, error) {
	version, err := versionIn(m)
	if err != nil {
		return proposal{}, err
	}
	approval, err := m.field("spec.cutover.approval")
	if err != nil {
		return proposal{}, err
	}
	if approval != "Manual" {
		return proposal{}, fmt.Errorf("%s has no spec.cutover.approval: Manual, so no cutover waits for an approval", m.path)
	}
	p := proposal{
		subject:  fmt.Sprintf("Approve the cutover of %s to PostgreSQL %s", m.name, version),
		explains: fmt.Sprintf("As soon as the new server has every row, Gitover commits the cutover to PostgreSQL %s, and traffic moves.", version),
	}
	if plan == "" {
		if err := m.differs("spec.cutover.approvedVersion", version, "PostgreSQL", "approved"); err != nil {
			return proposal{}, err
		}
		return p, m.set("spec.cutover.approvedVersion", version)
	}
	if !digest.MatchString(plan) {
		return proposal{}, fmt.Errorf("%q is no digest of a plan: status.plan.digest of the PgUpgrade has it", plan)
	}
	if err := m.differs("spec.cutover.approvedPlan", plan, "plan", "approved"); err != nil {
		return proposal{}, err
	}
	p.explains += " If it would do anything else than this plan, it waits."
	if err := m.set("spec.cutover.approvedVersion", version); err != nil {
		return proposal{}, err
	}
	return p, m.set("spec.cutover.approvedPlan", plan)
}

func finalize(_ context.Context, m *manifest) (proposal, error) {
	version, err := versionIn(m)
	if err != nil {
		return proposal{}, err
	}
	if err := m.differs("spec.soak.finalizedVersion", version, "PostgreSQL", "finalized"); err != nil {
		return proposal{}, err
	}
	return proposal{
		subject: fmt.Sprintf("Keep PostgreSQL %s for %s", version, m.name),
		explains: fmt.Sprintf("During the soak of PostgreSQL %s: reverse replication ends, and the old server is removed from Git and the cluster."+
			" From then on there is NO rollback.", version),
	}, m.set("spec.soak.finalizedVersion", version)
}

func retry(_ context.Context, m *manifest) (proposal, error) {
	return proposal{
		subject:  fmt.Sprintf("Try the upgrade of %s again", m.name),
		explains: "After a rollback or a failed attempt, Gitover tries again. Otherwise nothing happens.",
	}, m.set("spec.retry", time.Now().UTC().Format(time.RFC3339))
}

func suspend(value, explains string) func(context.Context, *manifest) (proposal, error) {
	return func(_ context.Context, m *manifest) (proposal, error) {
		suspended, err := m.field("spec.suspend")
		if err != nil {
			return proposal{}, err
		}
		if (suspended == "true") == (value == "true") {
			return proposal{}, fmt.Errorf("%s has that already: spec.suspend is %t", m.path, value == "true")
		}
		subject := "Suspend the upgrade of "
		if value == "false" {
			subject = "Resume the upgrade of "
		}
		return proposal{subject: subject + m.name, explains: explains}, m.set("spec.suspend", value)
	}
}

// rollback reverts the newest cutover of the upgrade's directory, if Git still leads traffic by it.
func rollback(ctx context.Context, m *manifest) (proposal, error) {
	directory := path.Dir(m.path)
	const trailers = "%H%x00%(trailers:key=Gitover-From,valueonly,separator=)%x00%(trailers:key=Gitover-To,valueonly,separator=)"
	out, err := m.git(ctx, "log", "-1", "--format="+trailers, "--grep=^Gitover-Step: CommitCutover$", "--", directory)
	if err != nil {
		return proposal{}, err
	}
	parts := strings.Split(strings.TrimSpace(out), "\x00")
	if len(parts) != 3 {
		return proposal{}, fmt.Errorf("no cutover commit below %s in this branch; pull first", directory)
	}
	commit, from, to := parts[0], parts[1], parts[2]
	file, err := m.git(ctx, "diff", "--name-only", commit+"^", commit)
	if err != nil {
		return proposal{}, err
	}
	file = strings.TrimSpace(file)
	content, err := m.git(ctx, "show", "HEAD:"+file)
	if err != nil {
		return proposal{}, err
	}
	proxy, err := m.field("spec.proxyRef.name")
	if err != nil {
		return proposal{}, err
	}
	target, err := gitops.ObjectField([]byte(content), "PgProxy", proxy, "spec.target")
	if err != nil {
		return proposal{}, fmt.Errorf("%s: %w", file, err)
	}
	if target != to {
		return proposal{}, fmt.Errorf("%s leads traffic to %s, so the cutover to %s (%.12s) is reverted already", file, target, to, commit)
	}
	return proposal{
		subject:  fmt.Sprintf("Revert the cutover of %s to %s (%.12s)", m.name, to, commit),
		reverts:  commit,
		explains: fmt.Sprintf("Traffic moves back to %s. Every row that was written to %s is there, as long as RollbackReady is True.", from, to),
	}, nil
}
