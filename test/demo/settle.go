package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitover/gitover/test/ledger"
)

const (
	// usual on two cores that are the demo's own
	maxStallMilliseconds = 300
	maxOverheadSeconds   = 60
	// allowed
	maxControllerMiB = 100
	maxAgentMiB      = 20
)

// settle stops the clients, opens all books, and measures.
func (s *story) settle(ctx context.Context) error {
	spans, err := s.bench.Spans(ctx)
	if err != nil {
		return err
	}
	summary, err := s.bench.Stop(ctx)
	if err != nil {
		return err
	}
	proxy, err := s.app.Proxy(ctx)
	if err != nil {
		return err
	}
	switches := s.watcher.switched(proxy)
	books, err := s.traffic.Check(ctx, green, len(switches))
	if err != nil {
		return err
	}
	s.watcher.stop()
	transactions, failed, cut := s.traffic.Count()
	s.report = report{
		From: from, To: to, Steps: s.watcher.steps(),
		Clients: clientsReport{Transactions: transactions + summary.Transactions, Errors: failed + cut + summary.Failed + summary.Aborted},
		Ledger:  ledgerReport{books.Acknowledged, books.Found, books.Missing, books.Doubled},
	}
	s.report.complaints(books, summary.Complaints, s.traffic.Errors(5))
	spans = append(spans, ledger.Spans(s.traffic.History())...)
	if err := s.report.addSwitches(switches, spans); err != nil {
		return err
	}
	if err := s.report.addCommits(ctx, s.app.Repository); err != nil {
		return err
	}
	s.report.overhead = s.watcher.overhead(s.merged)
	s.report.memory = s.watcher.memory()
	if s.report.Machine, err = machineSince(s.began); err != nil {
		return err
	}
	return s.leftovers(ctx)
}

// leftovers of the upgrade: there must be none.
func (s *story) leftovers(ctx context.Context) error {
	after, err := s.app.Fingerprint(ctx, green)
	if err != nil {
		return err
	}
	for _, line := range s.fingerprint {
		if !slices.Contains(after, line) {
			s.report.wrong("%s was %s before the upgrade, and is not so now", s.app.Namespace, line)
		}
	}
	if _, err := s.app.StatefulSet(ctx, blue); !apierrors.IsNotFound(err) {
		s.report.wrong("StatefulSet %s is still there (%v)", blue, err)
	}
	left, err := s.app.Leftovers(ctx, green)
	for _, l := range left {
		s.report.wrong("left on %s: %s", green, l)
	}
	return err
}

// conclude writes the report, prints the table, and judges.
func (s *story) conclude(ctx context.Context) error {
	s.report.judge()
	if err := s.report.write(s.options.report); err != nil {
		return err
	}
	graph, err := s.app.Repository.Graph(ctx)
	if err != nil {
		return err
	}
	s.view.close()
	fmt.Println(s.report.table())
	fmt.Printf("git log of the fleet repository:\n\n%s\n", indent(graph))
	fmt.Printf("Report: %s\n", s.options.report)
	if len(s.report.Slow) > 0 {
		fmt.Printf("\nSlower than usual:\n  %s\n\n", strings.Join(s.report.Slow, "\n  "))
	}
	if len(s.report.troubles) > 0 {
		return errors.New("not as it should be:\n  " + strings.Join(s.report.troubles, "\n  "))
	}
	fmt.Println("Everything is as it should be.")
	return nil
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}
