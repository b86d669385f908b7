package replication

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gitover/gitover/steps/postgres"
)

// Workers remembers apply workers from look to look: PostgreSQL restarts a failing worker again and again,
// and only versions from 15 on count that. The zero value is ready.
type Workers struct {
	mu   sync.Mutex
	seen map[string]workerSeen
}

type workerSeen struct {
	at, silentSince time.Time
	failures        int64
	// rises of the count of failures since the worker last ran for long
	rises int
}

const (
	// workerSettled: a worker that runs for this time works. PostgreSQL waits 5 seconds, unless configured
	// otherwise, before it restarts a worker, also after an ALTER SUBSCRIPTION.
	workerSettled = 10 * time.Second
	// workerForgotten: an observation from before such a gap is of no use.
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
	// a restart of the publisher causes one failure
	return m.rises > 1 || m.rises == 1 && !s.Running || !m.silentSince.IsZero() && now.Sub(m.silentSince) >= workerSettled
}

// Trouble says what is wrong with the apply worker of database, with PostgreSQL's error if it can be read, and what
// to do; empty if nothing is wrong, or it isn't known yet. Call it every few seconds.
func (w *Workers) Trouble(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names, now time.Time) (string, error) {
	state, err := SubscriptionState(ctx, subscriber, database, n.Subscription(database, subscriber.Instance))
	if err != nil {
		return "", err
	}
	return w.TroubleOf(ctx, state, publisher, subscriber, database, n, now), nil
}

// TroubleOf is Trouble with the subscription's state that is known already.
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
		text += fmt.Sprintf(". If a relation doesn't exist, it was created on %s only, and perhaps dropped again: create it on %s, too, with the same columns; "+
			"you may drop it once %s follows", publisher.Instance, subscriber.Instance, subscriber.Instance)
	}
	return text
}
