package commits

import (
	"fmt"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
)

// subjects of our commits, one a step.
var subjects = map[string]string{
	steps.CommitGreen:       "%[1]s: add PostgreSQL %[3]s beside %[2]s",
	steps.CommitCutover:     "%[1]s: cut over from PostgreSQL %[2]s to %[3]s",
	steps.CommitRollback:    "%[1]s: return to PostgreSQL %[2]s from %[3]s",
	steps.CommitFinalize:    "%[1]s: remove PostgreSQL %[2]s, %[3]s serves",
	steps.CommitRemoveGreen: "%[1]s: remove PostgreSQL %[3]s, %[2]s serves",
}

// bodies tell a reader of the log what the commit means and how to revert it.
var bodies = map[string]string{
	steps.CommitGreen:       "Flux will start %[3]s. It receives a copy of %[2]s and follows it; no\napplication reaches it yet. Reverting this commit, or the change of the\nversion, ends the upgrade.",
	steps.CommitCutover:     "Every row of %[2]s is on %[3]s. When Flux applies this commit, traffic\nmoves to %[3]s; statements wait for a moment and none fails.\n\n%[2]s follows from then on: git revert of this commit is a rollback\nthat loses nothing, until the soak is over.",
	steps.CommitRollback:    "Traffic belongs to %[2]s. What was written meanwhile is there.",
	steps.CommitFinalize:    "The soak is over. %[3]s serves alone and %[2]s is removed; a revert\nno longer works from here on. A downgrade is a new upgrade: change\nthe version.",
	steps.CommitRemoveGreen: "The upgrade to %[3]s ended before it was final. %[2]s serves, as before.",
}

// Message of a step's commit, without trailers: in Gitover's words, or by the team's template.
func Message(upgrade *v1alpha1.PgUpgrade, step string, evidence steps.Evidence) (string, error) {
	status := upgrade.Status
	subject := fmt.Sprintf(subjects[step], upgrade.Name, version(upgrade, status.From), version(upgrade, status.To))
	body := fmt.Sprintf(bodies[step], upgrade.Name, status.From, status.To)
	if by := status.RequestedBy; by != nil && step == steps.CommitGreen {
		body += fmt.Sprintf("\n\nAsked for by %s in %.12s (%s).", by.Author, by.SHA, strings.TrimSpace(by.Subject))
	}
	if step == steps.CommitRollback && steps.RevertDecided(status) {
		body += fmt.Sprintf("\n\nThe analysis of %s failed: %s.\n\nA revert of this commit brings %s back; the analysis doesn't revert that.",
			status.To, status.Analysis.Failure.Message, status.To)
	}
	if text := upgrade.Spec.Git.Commit.MessageTemplate; text != "" {
		fields := templateFields(upgrade, step)
		fields["Subject"], fields["Body"], fields["Values"] = subject, body, upgrade.Spec.Git.Commit.MessageTemplateValues
		for _, e := range evidence {
			fields[strings.ReplaceAll(strings.TrimPrefix(e.Key, "Gitover-"), "-", "")] = e.Value
		}
		return gitops.RenderMessage(text, fields)
	}
	return subject + "\n\n" + body, nil
}

// Branch that a step's commit is proposed on, by the template of spec.git.push.branch. Errors are gitops.ErrBadReference.
func Branch(upgrade *v1alpha1.PgUpgrade, step string) (string, error) {
	fields := templateFields(upgrade, step)
	fields["Run"], fields["Attempt"] = upgrade.Status.Run, upgrade.Status.Attempt
	return gitops.RenderBranch(upgrade.Spec.Git.Push.Branch, fields)
}

// templateFields are what each of a team's templates may name.
func templateFields(upgrade *v1alpha1.PgUpgrade, step string) map[string]any {
	status := upgrade.Status
	return map[string]any{
		"Upgrade": upgrade.Name, "Namespace": upgrade.Namespace, "Step": step, "From": status.From, "To": status.To,
		"FromVersion": version(upgrade, status.From), "ToVersion": version(upgrade, status.To),
	}
}

func version(upgrade *v1alpha1.PgUpgrade, instance string) string {
	return steps.VersionOf(upgrade.Name, upgrade.Spec.Adopt, instance)
}
