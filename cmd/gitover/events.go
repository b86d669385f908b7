package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/internal/screen"
)

func eventsCommand() *cobra.Command {
	var output string
	var watch bool
	command := &cobra.Command{
		Use:   "events [PGUPGRADE]",
		Short: "Show the events of an upgrade, its PgProxy and its schema Jobs, by time",
		Long: `events shows the events of a PgUpgrade, of its PgProxy, and of its schema Jobs and their pods, oldest first. Kubernetes keeps
events for an hour, unless the cluster says otherwise.

It exits with 0 if it could look, and with 2 if it couldn't.`,
		Args: cobra.MaximumNArgs(1),
	}
	outputFlag(command.Flags(), &output)
	complete(command, "output", "json", "yaml")
	command.Flags().BoolVarP(&watch, "watch", "w", false, "go on, and show what comes")
	return viewing(command, func(cmd *cobra.Command, c cluster, args []string) error {
		l := onlooker{WithWatch: c, namespace: c.namespace}
		objects, err := l.only(cmd.Context(), args)
		if err != nil {
			return err
		}
		v := &eventView{onlooker: l, terminal: terminalOf(cmd.OutOrStdout()), upgrade: objects.Upgrade, shown: map[string]int32{}}
		if !watch {
			events, err := v.events(cmd.Context())
			if err != nil {
				return err
			}
			if done, err := printed(v.out, output, corev1.EventList{Items: events}); done {
				return err
			}
			return v.print(screen.Events(events, v.options(true), true))
		}
		if output != "" {
			return fmt.Errorf("-w writes lines: leave -o %s out", output)
		}
		return v.follow(cmd.Context())
	})
}

// eventView shows events of an upgrade.
type eventView struct {
	onlooker
	*terminal
	upgrade *v1alpha1.PgUpgrade
	// shown events by UID, with how often each had been seen then.
	shown map[string]int32
}

// events of the upgrade, oldest first.
func (v *eventView) events(ctx context.Context) ([]corev1.Event, error) {
	var list corev1.EventList
	if err := v.List(ctx, &list, client.InNamespace(v.namespace)); err != nil {
		return nil, err
	}
	var jobs batchv1.JobList
	o := screen.Objects{Upgrade: v.upgrade} // who may not list Jobs sees the other events
	if err := v.listed(ctx, &o, &jobs, client.MatchingLabels{v1alpha1.UpgradeLabel: v.upgrade.Name}); err != nil {
		return nil, err
	}
	events := slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return !v.concerned(&e.InvolvedObject, jobs.Items) })
	screen.Sort(events)
	return events, nil
}

func (v *eventView) concerned(o *corev1.ObjectReference, jobs []batchv1.Job) bool {
	switch o.Kind {
	case "PgUpgrade":
		return o.Name == v.upgrade.Name
	case "PgProxy":
		return o.Name == v.upgrade.Spec.ProxyRef.Name
	}
	return slices.ContainsFunc(jobs, func(j batchv1.Job) bool {
		return o.Kind == "Job" && o.Name == j.Name || o.Kind == "Pod" && strings.HasPrefix(o.Name, j.Name+"-")
	})
}

// follow writes the events that there are, and those that come.
func (v *eventView) follow(ctx context.Context) error {
	w := newWatcher(v.WithWatch)
	for _, k := range []watched{{&corev1.Event{}, &corev1.EventList{}, v.namespace, true}, {&batchv1.Job{}, &batchv1.JobList{}, v.namespace, false}} {
		if err := w.watch(ctx, k); err != nil {
			return err
		}
	}
	for first := true; ; first = false {
		events, err := v.events(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && (first || final(err)):
			return err
		case err == nil:
			if err := v.printNew(events, first); err != nil {
				return err
			}
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-w.denied:
			return err
		case <-again:
		case <-w.changed:
			w.settle(ctx)
		}
	}
}

// printNew what wasn't shown yet.
func (v *eventView) printNew(events []corev1.Event, head bool) error {
	fresh := slices.DeleteFunc(events, func(e corev1.Event) bool { return v.shown[string(e.UID)] >= screen.Times(&e) })
	for i := range fresh {
		v.shown[string(fresh[i].UID)] = screen.Times(&fresh[i])
	}
	if len(fresh) == 0 && !head {
		return nil
	}
	return v.print(screen.Events(fresh, v.options(true), head))
}
