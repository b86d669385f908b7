package testenv

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/ledger"
)

// WALReader reads in the servers' own WAL when each of them accepted clients' writes. A server
// that is about to be removed has to be looked at before: its WAL goes with it. For
// concurrent use.
type WALReader struct {
	app *App
	mu  sync.Mutex
	// readers by the server's system identifier: a name may come back, with other data.
	readers map[string]*ledger.WALReader
}

// WALReader of the app's servers, which keep their WAL for it (see AppOptions.KeepWAL).
func (a *App) WALReader() *WALReader {
	return &WALReader{app: a, readers: map[string]*ledger.WALReader{}}
}

// Look reads what is new on every server that runs. A server that can't be looked at is an
// error, unless it went away meanwhile; nothing of it is counted twice by another look.
func (w *WALReader) Look(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	servers, err := w.app.servers(ctx)
	if err != nil {
		return err
	}
	for _, server := range servers {
		if err := w.read(ctx, server); err != nil {
			left, listed := w.app.servers(ctx)
			if listed == nil && !slices.Contains(left, server) {
				continue
			}
			return err
		}
	}
	return nil
}

// server that takes writes: the workload that it is called by, and its pod.
type server struct{ workload, pod string }

// servers that run: of StatefulSets, and the primaries of CloudNativePG's clusters.
func (a *App) servers(ctx context.Context) (all []server, err error) {
	var sets appsv1.StatefulSetList
	if err := a.Client.List(ctx, &sets, client.InNamespace(a.Namespace)); err != nil {
		return nil, err
	}
	for _, set := range sets.Items {
		if set.DeletionTimestamp.IsZero() && set.Status.ReadyReplicas > 0 {
			all = append(all, server{set.Name, set.Name + "-0"})
		}
	}
	var primaries corev1.PodList
	if err := a.Client.List(ctx, &primaries, client.InNamespace(a.Namespace), client.MatchingLabels{"cnpg.io/instanceRole": "primary"}); err != nil {
		return nil, err
	}
	for _, pod := range primaries.Items {
		if pod.DeletionTimestamp.IsZero() {
			all = append(all, server{pod.Labels["cnpg.io/cluster"], pod.Name})
		}
	}
	return all, nil
}

// AwaitLook looks until all servers could be read.
func (w *WALReader) AwaitLook(ctx context.Context, patience time.Duration) error {
	return w.app.Await(ctx, patience, w.app.Namespace+": the servers' WAL", func(ctx context.Context) (bool, string, error) {
		if err := w.Look(ctx); err != nil {
			return false, err.Error(), nil
		}
		return true, "read", nil
	})
}

func (w *WALReader) read(ctx context.Context, server server) error {
	maintenance, err := w.app.Superuser(ctx, server.workload, "postgres")
	if err != nil {
		return err
	}
	defer maintenance.Close(ctx)
	var identifier string
	if err := maintenance.QueryRow(ctx, "SELECT system_identifier::text FROM pg_control_system()").Scan(&identifier); err != nil {
		return err
	}
	reader := w.readers[identifier]
	if reader == nil {
		reader = ledger.NewWALReader(w.app.instanceOf(server.workload))
		w.readers[identifier] = reader
	}
	piece, err := reader.Next(ctx, maintenance)
	if err != nil {
		return err
	}
	for _, database := range Databases {
		conn, err := w.app.Superuser(ctx, server.workload, database)
		if missingDatabase(err) {
			continue // a new server, which has nothing yet
		}
		if err != nil {
			return err
		}
		err = reader.WatchDatabase(ctx, conn)
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return err
		}
	}
	dump, err := w.app.Exec(ctx, w.app.Namespace, server.pod, "sh", "-c", ledger.DumpWAL(piece))
	if err != nil {
		return err
	}
	return reader.ReadDump(dump)
}

// Accepted commits of clients on all servers, so far.
func (w *WALReader) Accepted() []ledger.Accepted {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []ledger.Accepted
	for _, identifier := range slices.Sorted(maps.Keys(w.readers)) {
		all = append(all, w.readers[identifier].Accepted()...)
	}
	return all
}
