package replication

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gitover/gitover/steps/postgres"
)

// Workers remembers apply workers from look to look: PostgreSQL starts one that failed again and again, and
// only the version 15 and later count that. The zero value is ready.
type Workers struct {
	mu   sync.Mutex
	seen map[string]workerSeen
}

type workerSeen struct {
	at, silentSince time.Time
	failures        int64
	// rises of failures since the worker ran for long
	rises int
}

const (
	// workerSettled: one that runs for so long is sound. PostgreSQL waits 5 seconds, unless set otherwise, before
	// it starts a worker again, also after an ALTER SUBSCRIPTION.
	workerSettled = 10 * time.Second
	// workerForgotten: what was seen before such a gap says nothing of now.
	workerForgotten = 2 * time.Minute
)

// stopped says whether the worker of a subscription fails, or is away for longer than a restart takes.
func (w *Workers) stopped(name string, s Subscription, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[string]workerSeen{}
	}
	if !s.Exists || !s.Enabled {
		delete(w.seen, name)
		return false
	}
	m, known := w.seen[name]
	if gap := now.Sub(m.at); !known || gap > workerForgotten || gap < 0 {
		m = workerSeen{failures: s.ApplyErrors}
	}
	if s.ApplyErrors > m.failures {
		m.rises++
	}
	m.at, m.failures = now, s.ApplyErrors
	switch {
	case s.Running && s.RunningFor >= workerSettled.Seconds():
		m.rises, m.silentSince = 0, time.Time{}
	case !s.Running && m.silentSince.IsZero():
		m.silentSince = now
	}
	w.seen[name] = m
	// a publisher that is started again costs one failure
	return m.rises > 1 || m.rises == 1 && !s.Running || !m.silentSince.IsZero() && now.Sub(m.silentSince) >= workerSettled
}

// Trouble says what is wrong with the apply worker of database, in PostgreSQL's words if they can be had, and what to
// do; empty if nothing is, or nothing can be said yet. Call it every few seconds.
func (w *Workers) Trouble(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names, now time.Time) (string, error) {
	state, err := SubscriptionState(ctx, subscriber, database, n.Subscription(database, subscriber.Instance))
	if err != nil {
		return "", err
	}
	return w.TroubleOf(ctx, state, publisher, subscriber, database, n, now), nil
}

// TroubleOf is Trouble where the subscription's state is known.
func (w *Workers) TroubleOf(ctx context.Context, state Subscription, publisher, subscriber postgres.Server, database string, n postgres.Names, now time.Time) string {
	name := n.Subscription(database, subscriber.Instance)
	if !w.stopped(name, state, now) {
		return ""
	}
	words := WorkerWords(ctx, subscriber, database, name)
	text := fmt.Sprintf("database %q: the worker that applies changes of %s on %s fails or doesn't run, and %s keeps its WAL: ", database, publisher.Instance, subscriber.Instance, publisher.Instance)
	if words == "" {
		text += fmt.Sprintf("PostgreSQL's log on %s says why", subscriber.Instance)
	} else {
		text += fmt.Sprintf("%s says: %s", subscriber.Instance, words)
	}
	if words == "" || strings.Contains(words, "target relation") {
		text += fmt.Sprintf(". If a relation doesn't exist, one was made on %s alone, and perhaps dropped again: make it on %s, too, with the same columns; "+
			"it may go once %s follows", publisher.Instance, subscriber.Instance, subscriber.Instance)
	}
	return text
}
