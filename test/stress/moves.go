package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/stress/plan"
)

// movePatience with one move, faults included.
const movePatience = 10 * time.Minute

// push the commits of a move; an abort's second commit comes when its step is reached.
func (t *tenant) push(ctx context.Context, a plan.Action) error {
	switch a.Move {
	case plan.Upgrade:
		return t.ask(ctx, a, a.After.To)
	case plan.Abort:
		version := t.anotherVersion(a)
		if err := t.ask(ctx, a, version); err != nil {
			return err
		}
		return nil
	case plan.Revert, plan.Rerevert:
		return t.pushing(func() (string, error) {
			log, err := t.app.Repository.Log(ctx, t.app.Dir+"/proxy.yaml")
			if err != nil {
				return "", err
			}
			return t.app.Revert(ctx, log[0].SHA)
		})
	case plan.TakeBack, plan.Forget:
		return t.takeBack(ctx)
	case plan.Finalize:
		return t.edit(ctx, "Keep PostgreSQL "+a.After.From, set("finalizedVersion", a.After.From))
	case plan.Retry:
		return t.edit(ctx, "Try again", set("retry", fmt.Sprint(a.Number)))
	}
	return fmt.Errorf("nobody knows how to %s", a.Move)
}

// ask for another version by a merged pull request, which also forgets what was kept.
func (t *tenant) ask(ctx context.Context, _ plan.Action, version string) error {
	return t.pushing(func() (sha string, err error) {
		t.asked, err = t.app.Merge(ctx, "postgres-"+version, "Move to PostgreSQL "+version, t.upgradeFile(set("version", version), set("finalizedVersion", "none")))
		return t.asked, err
	})
}

// takeBack the pull request.
func (t *tenant) takeBack(ctx context.Context) error {
	return t.pushing(func() (string, error) { return t.app.Revert(ctx, t.asked) })
}

func (t *tenant) edit(ctx context.Context, message string, changes ...change) error {
	return t.pushing(func() (string, error) { return t.app.Commit(ctx, message, t.upgradeFile(changes...)) })
}

// pushing needs Git and the API server in order: faults of theirs are for Gitover.
func (t *tenant) pushing(push func() (string, error)) error {
	defer t.run.parts.need()()
	sha, err := push()
	if err == nil {
		t.history.add(t.number, "pushed %.8s", sha)
	}
	return err
}

// anotherVersion for an upgrade that is going to be aborted.
func (t *tenant) anotherVersion(a plan.Action) string {
	for i := range versions {
		if v := versions[(a.Number+i)%len(versions)]; v != a.Before.From {
			return v
		}
	}
	panic("there is but one version")
}

// change of a value in upgrade.yaml.
type change struct {
	line *regexp.Regexp
	to   string
}

func set(field, value string) change {
	return change{regexp.MustCompile(`(?m)^( +` + field + `: )".*"$`), `${1}"` + value + `"`}
}

func (t *tenant) upgradeFile(changes ...change) fleet.Edit {
	return func(dir string) error {
		path := filepath.Join(dir, t.app.Dir, "upgrade.yaml")
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(content)
		for _, c := range changes {
			if len(c.line.FindAllString(text, -1)) != 1 {
				return fmt.Errorf("upgrade.yaml doesn't have %s once:\n%s", c.line, text)
			}
			text = c.line.ReplaceAllString(text, c.to)
		}
		return os.WriteFile(path, []byte(text), 0o644)
	}
}

// arrive waits until the fleet is where the action leads.
func (t *tenant) arrive(ctx context.Context, a plan.Action) error {
	if a.Move == plan.Abort {
		if err := t.awaitStep(ctx, a.AtStep); err != nil {
			return err
		}
		if err := t.takeBack(ctx); err != nil {
			return err
		}
	}
	return t.app.Await(ctx, movePatience, fmt.Sprintf("%s: %s", t.app.Namespace, a.Move), func(ctx context.Context) (bool, string, error) {
		u, err := t.app.Upgrade(ctx)
		if err != nil {
			return false, "", err
		}
		p, err := t.look(ctx)
		if err != nil {
			return false, "", err
		}
		state := fmt.Sprintf("active %s; %s", p.Status.Active, testenv.Describe(u))
		if p.Status.Switch != nil || p.Status.Active != instance(a.After.Serving()) || !at(u, a.After) {
			return false, state, nil
		}
		others, err := t.others(ctx, a.After)
		return len(others) == 0, fmt.Sprintf("%s; still there: %v", state, others), err
	})
}

// at says whether an upgrade is in a place.
func at(u *v1alpha1.PgUpgrade, place plan.Place) bool {
	pair := u.Status.From == instance(place.From) && u.Status.To == instance(place.To)
	switch place.State {
	case plan.Soaking:
		return pair && u.Status.Workflow == steps.Upgrade && u.Status.Step == steps.Soak
	case plan.RolledBack:
		return pair && u.Status.Step == steps.AwaitDecision
	}
	return testenv.Settled(place.From)(u)
}

// awaitStep waits until an upgrade has come to a step, or past it.
func (t *tenant) awaitStep(ctx context.Context, step string) error {
	_, wanted := steps.Find(steps.Upgrade, step)
	return t.app.AwaitUpgrade(ctx, movePatience, "step "+step, func(u *v1alpha1.PgUpgrade) bool {
		_, i := steps.Find(u.Status.Workflow, u.Status.Step)
		return u.Status.Workflow == steps.Upgrade && i >= wanted
	})
}

// others are instances that should not be there in a place, and their volumes.
func (t *tenant) others(ctx context.Context, place plan.Place) ([]string, error) {
	var sets appsv1.StatefulSetList
	if err := t.app.Client.List(ctx, &sets, client.InNamespace(t.app.Namespace)); err != nil {
		return nil, err
	}
	var names []string
	for _, s := range sets.Items {
		names = append(names, s.Name)
	}
	claims, err := t.app.Claims(ctx, testenv.Name)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, name := range append(names, claims...) {
		if !strings.Contains(name, instance(place.From)) && !strings.Contains(name, instance(place.To)) {
			others = append(others, name)
		}
	}
	return others, nil
}
