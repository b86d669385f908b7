package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// pausedForGit is the way of a pooler that is paused, by its signals, from before a commit is pushed until Flux has applied
// it, with the same clients as the first case: the stall of each of some rounds, in milliseconds. Nothing moves: what moving
// takes comes on top.
func (b *bench) pausedForGit(ctx context.Context) ([]float64, error) {
	const rounds = 4
	fmt.Printf("\nthe poolers paused until Flux has applied a commit, 16 clients, 300/s, prepared\n")
	clients, err := b.app.StartBench(ctx, testenv.BenchOptions{Clients: 16, Rate: 300, Protocol: "prepared"})
	if err != nil {
		return nil, err
	}
	var stalls []float64
	for round := range rounds {
		if err := sleep(ctx, 5*time.Second); err != nil {
			return nil, err
		}
		from, until, err := b.paused(ctx, fmt.Sprintf("round-%d", round))
		if err != nil {
			return nil, err
		}
		if err := sleep(ctx, 3*time.Second); err != nil { // pgbench's log comes in blocks
			return nil, err
		}
		spans, err := clients.Spans(ctx)
		if err != nil {
			return nil, err
		}
		length := ledger.StallOf(spans, from, until).Length()
		fmt.Printf("%3d  stall %4.0f ms\n", round+1, length.Seconds()*1000)
		stalls = append(stalls, length.Seconds()*1000)
	}
	_, err = clients.Stop(ctx)
	return stalls, err
}

// paused while a commit is pushed, and until Flux has applied it.
func (b *bench) paused(ctx context.Context, label string) (from, until time.Time, err error) {
	from = time.Now()
	if err := b.signal(ctx, "USR1"); err != nil {
		return from, from, err
	}
	// whatever happens, clients go on
	defer func() { err = errors.Join(err, b.signal(context.WithoutCancel(ctx), "USR2")); until = time.Now() }()
	_, err = b.app.Commit(ctx, "orders: "+label, fleet.Write(b.app.Dir+"/label.yaml",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: label}\ndata: {label: "+label+"}\n"))
	if err != nil {
		return from, from, err
	}
	if label == "round-0" {
		_, err = b.app.Commit(ctx, "orders: apply the label", fleet.Replace(b.app.Dir+"/kustomization.yaml", "resources:\n", "resources:\n- label.yaml\n"))
		if err != nil {
			return from, from, err
		}
	}
	err = b.app.Await(ctx, 2*time.Minute, "Flux applies "+label, func(ctx context.Context) (bool, string, error) {
		var m corev1.ConfigMap
		err := b.app.Client.Get(ctx, client.ObjectKey{Namespace: b.app.Namespace, Name: "label"}, &m)
		return m.Data["label"] == label, m.Data["label"], client.IgnoreNotFound(err)
	})
	return from, from, err
}

// signal all PgBouncers: USR1 pauses, USR2 resumes.
func (b *bench) signal(ctx context.Context, name string) error {
	var pods corev1.PodList
	if err := b.app.Client.List(ctx, &pods, client.InNamespace(b.app.Namespace), client.MatchingLabels(testenv.PoolerLabels)); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if _, err := b.app.Exec(ctx, b.app.Namespace, pod.Name, "sh", "-c", "kill -"+name+" 1"); err != nil {
			return err
		}
	}
	return nil
}

// dumpAndRestore is how long the conventional way stops a service at least: pg_dump of the database, and its restore, with two
// jobs each, from the serving side to a database of its own on the other version. In milliseconds.
func (b *bench) dumpAndRestore(ctx context.Context) (float64, error) {
	fmt.Printf("\ndump and restore of the same database\n")
	begun := time.Now()
	err := b.app.RunTool(ctx, "dump", b.serving, "set -e; rm -rf /tmp/dump; pg_dump -Fd -j 2 -f /tmp/dump "+testenv.Databases[0]+
		"; createdb restored; pg_restore -j 2 --no-publications --no-subscriptions -d restored /tmp/dump; psql -Xqc 'ANALYZE' restored; dropdb restored")
	return float64(time.Since(begun).Milliseconds()), err
}
