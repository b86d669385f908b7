package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
	"github.com/gitover/gitover/test/stress/plan"
)

// calmPatience is how long everything may take to be in order after the last fault.
const calmPatience = 5 * time.Minute

// check everything, with the clients at rest: the ledger, the servers' own records, fences,
// poolers, what replicates, what may be left, and Gitover's commits.
func (t *tenant) check(ctx context.Context, a plan.Action) error {
	begun := time.Now()
	if err := t.calm(ctx, a.After); err != nil {
		return err
	}
	defer t.run.parts.need()()
	resume := t.traffic.Pause()
	defer resume()
	if err := t.witness(ctx); err != nil {
		return err
	}
	report, err := t.compare(ctx, a.After)
	if err != nil {
		return err
	}
	t.checkpoints.take(report)
	hold, err := t.longestHold(ctx, t.checked)
	if err != nil {
		return err
	}
	t.checkpoints.longestHold = max(t.checkpoints.longestHold, hold)
	problems := report.Problems
	for _, look := range []func(context.Context, plan.Place) ([]string, error){t.standbyDiffers, t.wrongServers, t.wrongPoolers, t.wrongCommits} {
		found, err := look(ctx, a.After)
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	resume()
	if !report.OK() || len(problems) > 0 {
		return errors.New("not in order:\n  " + strings.Join(problems, "\n  "))
	}
	t.checked, t.lastMade = time.Now(), a.Number
	t.history.add(t.number, "in order: %d acknowledged, %d switches, %d turns of the servers; checked in %.1f s",
		report.Acknowledged, len(t.traffic.Records.Handovers()), len(report.Turns), time.Since(begun).Seconds())
	return nil
}

// calm comes back after the faults: nothing in progress, all servers and poolers ready, and
// the rollback path as well.
func (t *tenant) calm(ctx context.Context, place plan.Place) error {
	what := fmt.Sprintf("%s: calm", t.app.Namespace)
	err := t.app.Await(ctx, calmPatience, what, func(ctx context.Context) (bool, string, error) {
		p, err := t.look(ctx)
		if err != nil {
			return false, "", err
		}
		n := p.Status.Poolers
		ready := n != nil && n.Total == 2 && n.Ready == 2
		return p.Status.Switch == nil && ready, fmt.Sprintf("poolers %+v, switch %+v", n, p.Status.Switch), nil
	})
	if err != nil {
		return err
	}
	for _, version := range slices.Compact([]string{place.From, place.To}) {
		if err := t.app.AwaitStatefulSet(ctx, instance(version), calmPatience); err != nil {
			return err
		}
	}
	if err := t.app.AwaitDeployment(ctx, t.app.Namespace, "orders-pooler", calmPatience); err != nil {
		return err
	}
	if place.Standby() == "" {
		return nil
	}
	return t.app.AwaitRollbackPath(ctx, calmPatience)
}

// witness reads the servers' own records.
func (t *tenant) witness(ctx context.Context) error {
	return t.traffic.WALReader.AwaitLook(ctx, calmPatience)
}

// compare the ledger with the active server.
func (t *tenant) compare(ctx context.Context, place plan.Place) (ledger.Report, error) {
	if _, err := t.look(ctx); err != nil {
		return ledger.Report{}, err
	}
	handovers := t.traffic.Records.Handovers()
	return t.traffic.Compare(ctx, instance(place.Serving()), ledger.Options{
		Switches: len(handovers), Accepted: t.traffic.WALReader.Accepted(), Handovers: handovers,
	})
}

// standbyDiffers: with the clients at rest it has everything that the active server has.
func (t *tenant) standbyDiffers(ctx context.Context, place plan.Place) ([]string, error) {
	if place.Standby() == "" {
		return nil, nil
	}
	serving, err := t.traffic.States(ctx, instance(place.Serving()))
	if err != nil {
		return nil, err
	}
	err = t.app.Await(ctx, 30*time.Second, t.app.Namespace+": the standby has all", func(ctx context.Context) (bool, string, error) {
		follows, err := t.traffic.States(ctx, instance(place.Standby()))
		return reflect.DeepEqual(serving, follows), "it differs", err
	})
	if err != nil && ctx.Err() == nil {
		return []string{fmt.Sprintf("%s doesn't have what %s has: %v", instance(place.Standby()), instance(place.Serving()), err)}, nil
	}
	return nil, err
}

// fenced databases, and what of Gitover's is on a server.
const (
	fencedDatabases = `SELECT datname FROM pg_database WHERE datconnlimit = 0 AND datname = ANY ('{orders,billing}') ORDER BY 1`
	slots           = `SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'gitover%' OR slot_name LIKE 'pg_%sync%' ORDER BY 1`
	subscriptions   = `SELECT subname FROM pg_subscription WHERE subname LIKE 'gitover%' ORDER BY 1`
	undecided       = `SELECT id FROM gitover.switches WHERE state = 'open'`
)

// wrongServers: the active one is open and feeds the other, the other is fenced and follows;
// without another nothing is left.
func (t *tenant) wrongServers(ctx context.Context, place plan.Place) (problems []string, err error) {
	all := len(testenv.Databases)
	type expectation struct {
		server, database, query, what string
		want                          int
	}
	active := instance(place.Serving())
	expected := []expectation{{active, "postgres", fencedDatabases, "fenced databases", 0}, {active, "postgres", subscriptions, "subscriptions", 0}}
	if place.Standby() == "" {
		left, err := t.app.Leftovers(ctx, active)
		if err != nil {
			return nil, err
		}
		for _, l := range left {
			problems = append(problems, "left on "+active+": "+l)
		}
	} else {
		other := instance(place.Standby())
		expected = append(expected,
			expectation{active, "postgres", slots, "slots", all},
			expectation{active, "gitover", undecided, "undecided switches", 0},
			expectation{other, "postgres", fencedDatabases, "fenced databases", all},
			expectation{other, "postgres", subscriptions, "subscriptions", all},
			expectation{other, "postgres", slots, "slots", 0},
			expectation{other, "gitover", undecided, "undecided switches", 0})
	}
	for _, e := range expected {
		found, err := t.app.Strings(ctx, e.server, e.database, e.query)
		if err != nil {
			return nil, err
		}
		if len(found) != e.want {
			problems = append(problems, fmt.Sprintf("%s has %d %s instead of %d: %v", e.server, len(found), e.what, e.want, found))
		}
	}
	return problems, nil
}

// wrongPoolers: each of them serves, each database, from the active server.
func (t *tenant) wrongPoolers(ctx context.Context, place plan.Place) ([]string, error) {
	return t.app.WrongPoolers(ctx, place.Serving())
}
