package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

const (
	from, to = "15", "17"
	blue     = testenv.Name + "-" + from
	green    = testenv.Name + "-" + to
	// breath is how long clients work undisturbed between two switches.
	breath = 10 * time.Second
)

// story is the demo from its first line to its last.
type story struct {
	options options
	view    *view
	env     *testenv.Environment
	clone   string

	app     *testenv.App
	traffic *testenv.Traffic
	bench   *testenv.Bench
	watcher *watcher

	// began is the processor's time when clients did
	began       processorTime
	merged      time.Time
	reverted    string
	fingerprint []string
	report      report
}

// tell every chapter; the first that fails ends the story, but clients are still heard.
func (s *story) tell(ctx context.Context) error {
	chapters := []struct {
		title string
		tell  func(context.Context) error
	}{
		{"A database that serves", s.found},
		{"Clients that never rest", s.startClients},
		{"A pull request changes one line: PostgreSQL 15 → 17", s.upgrade},
		{"git revert: the rollback", s.rollback},
		{"git revert of the revert: cut over again", s.again},
		{"The team approves the end of the old server", s.finalize},
		{"What is left, and what was lost", s.settle},
	}
	for i, chapter := range chapters {
		s.view.title(i+1, chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", chapter.title, err), s.lament())
		}
	}
	return s.conclude(ctx)
}

func (s *story) found(ctx context.Context) (err error) {
	if err := s.env.Install(ctx); err != nil {
		return err
	}
	if s.app, err = s.env.CreateApp(ctx, testenv.AppOptions{Namespace: testenv.Name, Clone: s.clone + "/team"}); err != nil {
		return err
	}
	if err := s.app.AwaitStatefulSet(ctx, blue, 3*time.Minute); err != nil {
		return err
	}
	if err := s.app.FoundDatabases(ctx, blue); err != nil {
		return err
	}
	if err := s.app.SeedAwkward(ctx, blue); err != nil {
		return err
	}
	if err := s.app.SeedBench(ctx, blue, s.options.scale); err != nil {
		return err
	}
	if s.fingerprint, err = s.app.Fingerprint(ctx, blue); err != nil {
		return err
	}
	if err := s.app.AwaitEndpoint(ctx, 3*time.Minute); err != nil {
		return err
	}
	return s.app.AwaitActive(ctx, time.Minute, blue)
}

func (s *story) startClients(ctx context.Context) (err error) {
	if s.began, err = readProcessorTime(); err != nil {
		return err
	}
	if s.bench, err = s.app.StartBench(ctx, testenv.BenchOptions{Clients: s.options.clients, Rate: s.options.rate}); err != nil {
		return err
	}
	if s.traffic, err = s.app.StartTraffic(ctx, ledger.Config{Clients: 8, Rate: 40}); err != nil {
		return err
	}
	s.env.Log = func(string, ...any) {} // from here on the watcher tells
	s.watcher = s.watch(ctx)
	s.view.line("pgbench: %d clients at %.0f transactions/s through 2 PgBouncers; the ledger's 8 clients write down every answer", s.options.clients, s.options.rate)
	return s.pause(ctx)
}

func (s *story) upgrade(ctx context.Context) error {
	file := s.app.Dir + "/upgrade.yaml"
	merge, err := s.app.Merge(ctx, "postgres-"+to, "Upgrade orders to PostgreSQL "+to,
		fleet.Replace(file, "\n  version: \""+from+"\"", "\n  version: \""+to+"\""))
	if err != nil {
		return err
	}
	s.merged = time.Now()
	s.view.line("merged: %.12s", merge)
	if err := s.app.AwaitUpgrade(ctx, 30*time.Minute, "the upgrade cuts over", cutOver); err != nil {
		return err
	}
	if err := s.app.AwaitActive(ctx, time.Minute, green); err != nil {
		return err
	}
	return s.pause(ctx)
}

func cutOver(u *v1alpha1.PgUpgrade) bool {
	return u.Status.Workflow == "Upgrade" && u.Status.Step == "Soak"
}

func (s *story) rollback(ctx context.Context) error {
	cutover, err := s.cutoverCommit(ctx)
	if err != nil {
		return err
	}
	if err := s.app.AwaitRollbackPath(ctx, time.Minute); err != nil {
		return err
	}
	if s.reverted, err = s.app.Revert(ctx, cutover); err != nil {
		return err
	}
	s.view.line("git revert %.12s → %.12s", cutover, s.reverted)
	if err := s.app.AwaitActive(ctx, 3*time.Minute, blue); err != nil {
		return err
	}
	err = s.app.AwaitUpgrade(ctx, time.Minute, "the revert is obeyed", testenv.At("AwaitDecision"))
	if err != nil {
		return err
	}
	return s.pause(ctx)
}

// cutoverCommit is the newest commit that Gitover made for the cutover.
func (s *story) cutoverCommit(ctx context.Context) (string, error) {
	log, err := s.app.Repository.Log(ctx, "")
	if err != nil {
		return "", err
	}
	for _, commit := range log {
		if commit.Trailers["Gitover-Step"] == "CommitCutover" {
			return commit.SHA, nil
		}
	}
	return "", errors.New("no commit of the fleet repository has the trailer Gitover-Step: CommitCutover")
}

func (s *story) again(ctx context.Context) error {
	if err := s.app.AwaitRollbackPath(ctx, time.Minute); err != nil {
		return err
	}
	head, err := s.app.Revert(ctx, s.reverted)
	if err != nil {
		return err
	}
	s.view.line("git revert %.12s → %.12s", s.reverted, head)
	if err := s.app.AwaitActive(ctx, 3*time.Minute, green); err != nil {
		return err
	}
	if err := s.app.AwaitUpgrade(ctx, time.Minute, "the soak goes on", cutOver); err != nil {
		return err
	}
	return s.pause(ctx)
}

func (s *story) finalize(ctx context.Context) error {
	_, err := s.app.Commit(ctx, "Keep PostgreSQL "+to+": the rollback path may close", fleet.Replace(s.app.Dir+"/upgrade.yaml",
		"    duration: 24h\n", "    duration: 24h\n    finalizedVersion: \""+to+"\"\n"))
	if err != nil {
		return err
	}
	if err := s.app.AwaitUpgrade(ctx, 5*time.Minute, "the upgrade is finished", testenv.Settled(to)); err != nil {
		return err
	}
	return s.pause(ctx)
}

// pause lets clients work, so that each switch is surrounded by ordinary seconds.
func (s *story) pause(ctx context.Context) error {
	timer := time.NewTimer(breath)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lament says what the clients saw until the story broke off.
func (s *story) lament() error {
	if s.traffic == nil {
		return nil
	}
	n, failed, cut := s.traffic.Count()
	s.view.line("the ledger's clients until here: %d transactions, %d failed, %d sessions cut", n, failed, cut)
	for _, e := range s.traffic.Errors(5) {
		s.view.line("  %s", e)
	}
	s.watcher.stop()
	return s.traffic.Stop()
}
