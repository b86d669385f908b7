package testenv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/ledger"
)

// Traffic is the ledger's workload on an app, until it is stopped.
type Traffic struct {
	*ledger.Workload
	// WALReader of the servers' own records.
	WALReader *WALReader
	// Records of the switches meanwhile.
	Records *Records
	app     *App
	running context.Context
	stop    context.CancelFunc
	ended   chan error
	// watching beside the clients, and as long as they write.
	watching sync.WaitGroup
}

// StartTraffic makes the ledger's tables as the application's own role and begins to write
// through the poolers.
func (a *App) StartTraffic(ctx context.Context, config ledger.Config) (*Traffic, error) {
	for _, database := range Databases {
		conn, err := a.Application(ctx, database)
		if err != nil {
			return nil, err
		}
		err = ledger.Install(ctx, conn)
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return nil, err
		}
	}
	config.Databases, config.Connect = Databases, a.Application
	t := &Traffic{Workload: ledger.New(config), WALReader: a.WALReader(), Records: &Records{}, app: a, ended: make(chan error, 1)}
	t.running, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() { t.ended <- t.Run(t.running) }()
	t.watching.Go(func() { t.Records.keep(t.running, a) })
	return t, nil
}

// Watch the servers' own records all the time that there is traffic: a server that goes takes
// them along. What can't be read now is read by the next look, or is gone.
func (t *Traffic) Watch() {
	t.watching.Go(func() {
		wait.UntilWithContext(t.running, func(ctx context.Context) { _ = t.WALReader.Look(ctx) }, 10*time.Second)
	})
}

// Stop lets each client finish its transaction.
func (t *Traffic) Stop() error {
	t.stop()
	err := <-t.ended
	t.watching.Wait()
	t.ended <- err // a second Stop is harmless
	return err
}

// Check stops the traffic and compares its ledger with what an instance holds.
func (t *Traffic) Check(ctx context.Context, instance string, switches int) (ledger.Report, error) {
	if err := t.Stop(); err != nil {
		return ledger.Report{}, err
	}
	return t.Compare(ctx, instance, ledger.Options{Switches: switches})
}

// Prove is Check, and compares the switches that the status told of with the servers' own
// records, as far as the WALReader has seen them. The servers must keep their WAL, see AppOptions.
func (t *Traffic) Prove(ctx context.Context, instance string, switches int) (ledger.Report, error) {
	if err := t.Stop(); err != nil {
		return ledger.Report{}, err
	}
	proxy, err := t.app.Proxy(ctx)
	if err != nil {
		return ledger.Report{}, err
	}
	t.Records.Take(proxy)
	if err := t.WALReader.AwaitLook(ctx, time.Minute); err != nil {
		return ledger.Report{}, err
	}
	return t.Compare(ctx, instance, ledger.Options{Switches: switches, Accepted: t.WALReader.Accepted(), Handovers: t.Records.Handovers()})
}

// Compare the ledger with what an instance holds. Nobody may write meanwhile.
func (t *Traffic) Compare(ctx context.Context, instance string, options ledger.Options) (ledger.Report, error) {
	states, err := t.States(ctx, instance)
	if err != nil {
		return ledger.Report{}, err
	}
	return ledger.Check(t.History(), states, options), nil
}

// States of the databases of an instance.
func (t *Traffic) States(ctx context.Context, instance string) (map[string]ledger.State, error) {
	states := map[string]ledger.State{}
	for _, database := range Databases {
		conn, err := t.app.Superuser(ctx, instance, database)
		if err != nil {
			return nil, err
		}
		states[database], err = ledger.Read(ctx, conn)
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// Errors that applications saw, in words, the first few.
func (t *Traffic) Errors(most int) []string {
	var errs []string
	for _, tx := range t.History() {
		if tx.Failed() && len(errs) < most {
			errs = append(errs, fmt.Sprintf("%s client %d %s: %s", tx.Start.Format("15:04:05.000"), tx.Client, tx.Name, tx.Error))
		}
	}
	return errs
}

// Held is the time in which a switch held traffic.
func Held(record v1alpha1.SwitchRecord) (from, until time.Time, ok bool) {
	if record.HeldAt == nil {
		return time.Time{}, time.Time{}, false
	}
	from = record.HeldAt.Time
	return from, from.Add(time.Duration(record.HeldMicroseconds) * time.Microsecond), true
}

// Stall that clients felt of a switch.
func Stall(spans []ledger.Span, record v1alpha1.SwitchRecord) (ledger.Stall, error) {
	from, until, ok := Held(record)
	if !ok {
		return ledger.Stall{}, fmt.Errorf("the switch %s → %s has no time at which it held traffic", record.From, record.To)
	}
	return ledger.StallOf(spans, from, until), nil
}
