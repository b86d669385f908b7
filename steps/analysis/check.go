package analysis

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
)

// Sources are what checks read. Each may be asked again, and by several checks at once.
type Sources struct {
	// Names of the instance that serves, for {namespace}, {upgrade}, {instance} and {version}.
	Namespace, Upgrade, Instance, Version string
	// Server that serves, with Gitover's own credentials.
	Server func(ctx context.Context) (postgres.Server, error)
	// Former server, which served before the cutover, in the same way.
	Former func(ctx context.Context) (postgres.Server, error)
	// Secret of the upgrade's namespace.
	Secret func(ctx context.Context, name string) (map[string][]byte, error)
	// Poolers tells what passed all poolers.
	Poolers func(ctx context.Context) (pooler.Averages, error)
	// Addresses that HTTP may reach.
	Addresses Addresses
	// Differences that the last comparison of rows found; nil: rows were not compared.
	Differences *int
	// Before are the checks with their last results.
	Before []v1alpha1.AnalysisCheckStatus
	// ApplyErrors of the reverse replication so far, or why they aren't known.
	ApplyErrors func(ctx context.Context) (int64, error)
}

// Round makes every check, side by side, and returns the results in the order of the spec. It takes no longer than the longest
// timeout of a check.
func Round(ctx context.Context, spec *v1alpha1.AnalysisSpec, from Sources) []Result {
	results := make([]Result, len(spec.Checks))
	var group errgroup.Group
	group.SetLimit(5)
	for i := range spec.Checks {
		group.Go(func() error {
			check := &spec.Checks[i]
			ctx, cancel := context.WithTimeout(ctx, timeoutOf(check))
			defer cancel()
			results[i] = measure(ctx, check, from)
			return nil
		})
	}
	_ = group.Wait()
	return results
}

func timeoutOf(check *v1alpha1.AnalysisCheck) time.Duration {
	return ptr.Deref(check.Timeout, metav1.Duration{Duration: 5 * time.Second}).Duration
}

func measure(ctx context.Context, check *v1alpha1.AnalysisCheck, from Sources) Result {
	switch {
	case check.SQL != nil:
		return from.sql(ctx, check)
	case check.Prometheus != nil:
		return from.prometheus(ctx, check)
	case check.HTTP != nil:
		return from.http(ctx, check)
	case check.Pooler != nil:
		return from.pooler(ctx, check)
	case check.Statements != nil:
		return from.statements(ctx, check)
	case check.Rows != nil:
		if from.Differences == nil {
			return unknown("no comparison of rows has finished; set spec.soak.compareEvery")
		}
		return judged(float64(*from.Differences), orNone(check.ThresholdRange))
	case check.Replication != nil:
		return from.replication(ctx, check)
	}
	return unknown("this version of Gitover doesn't know what the check asks for")
}

// pooler judges what the poolers measured.
func (s Sources) pooler(ctx context.Context, check *v1alpha1.AnalysisCheck) Result {
	found, err := s.Poolers(ctx)
	if err != nil {
		return unknown("%v", err)
	}
	switch check.Pooler.Metric {
	case "QueryRate":
		return judged(found.QueriesPerSecond, check.ThresholdRange)
	case "TransactionRate":
		return judged(found.TransactionsPerSecond, check.ThresholdRange)
	case "WaitTime":
		return judged(found.WaitMilliseconds, check.ThresholdRange)
	}
	if found.QueriesPerSecond == 0 {
		return unknown("no query passed the poolers in their last period")
	}
	if check.Pooler.Metric == "TransactionTime" {
		return judged(found.TransactionMilliseconds, check.ThresholdRange)
	}
	return judged(found.QueryMilliseconds, check.ThresholdRange)
}

// replication judges how many errors came since the last round: one that passed must not count in every round from then on.
func (s Sources) replication(ctx context.Context, check *v1alpha1.AnalysisCheck) Result {
	errors, err := s.ApplyErrors(ctx)
	if err != nil {
		return unknown("%v", err)
	}
	grown := errors
	if before := find(s.Before, check.Name).Counted; before != nil && *before <= errors { // else it was reset
		grown -= *before
	}
	r := judged(float64(grown), orNone(check.ThresholdRange))
	r.Counted = &errors
	return r
}

// orNone: nothing is good unless the spec says otherwise.
func orNone(wanted *v1alpha1.ThresholdRange) *v1alpha1.ThresholdRange {
	if wanted != nil {
		return wanted
	}
	return &v1alpha1.ThresholdRange{Max: &resource.Quantity{}}
}

// filled replaces the names of the instance that serves.
func (s Sources) filled(text string) string {
	return strings.NewReplacer("{namespace}", s.Namespace, "{upgrade}", s.Upgrade, "{instance}", s.Instance, "{version}", s.Version).Replace(text)
}
