package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// scenario is what goes on while switches are made.
type scenario struct {
	// shape of the database, if it isn't the stage's own.
	shape   string
	clients int
	// rate in transactions per second, 0: as many as they can.
	rate     float64
	protocol string
	switches int
	// idle: a session begins a transaction when the revert is pushed, and leaves it open for idleFor.
	idle bool
	// impatient: spec.switch.patience is 0s.
	impatient bool
}

const idleFor = 6 * time.Second

func (s scenario) String() string {
	rate := "saturated"
	if s.rate > 0 {
		rate = fmt.Sprintf("%.0f/s", s.rate)
	}
	text := fmt.Sprintf("%d clients, %s, %s", s.clients, rate, s.protocol)
	if s.shape != "" {
		text = s.shape + ", " + text
	}
	if s.idle {
		text += fmt.Sprintf(", a transaction is idle for %s", idleFor)
	}
	if s.impatient {
		text += ", patience 0s"
	}
	return text
}

func (b *bench) cases() []scenario {
	few := max(4, b.options.switches/3/2*2)
	return []scenario{
		{clients: 16, rate: 300, protocol: "prepared", switches: b.options.switches},
		{clients: 16, rate: 300, protocol: "prepared", switches: few, idle: true},
		{clients: 16, rate: 300, protocol: "simple", switches: few},
		{clients: 16, protocol: "prepared", switches: few},
		{clients: 64, rate: 300, protocol: "prepared", switches: few},
		{clients: 16, rate: 300, protocol: "prepared", switches: few, idle: true, impatient: true},
	}
}

// result of a scenario: samples in milliseconds by what they are of.
type result struct {
	scenario
	samples map[string][]float64
	summary testenv.Summary
}

const (
	stall      = "clients' stall"
	worst      = "clients' worst transaction"
	held       = "held"
	p99Before  = "p99 in the 10 s before"
	p99After   = "p99 in the 10 s after"
	aroundHold = 10 * time.Second
	// ready is from the end of the hold until the other side follows, as the status tells it.
	ready = "RollbackReady after the hold"
	// back is from the end of the hold until clients have nine tenths of the throughput of the time before, in one of these intervals.
	back     = "throughput is back after"
	interval = 100 * time.Millisecond
)

func (r result) add(name string, d time.Duration) {
	r.samples[name] = append(r.samples[name], float64(d.Microseconds())/1000)
}

func (b *bench) measure(ctx context.Context, c scenario) (result, error) {
	fmt.Printf("\n%s\n", c)
	r := result{scenario: c, samples: map[string][]float64{}}
	if err := b.setPatience(ctx, c.impatient); err != nil {
		return r, err
	}
	clients, err := b.app.StartBench(ctx, testenv.BenchOptions{Clients: c.clients, Rate: c.rate, Protocol: c.protocol})
	if err != nil {
		return r, errors.Join(err, b.app.StopBench(ctx))
	}
	for i := range c.switches {
		if err := b.switchOnce(ctx, c, clients, r, i+1); err != nil {
			return r, err
		}
	}
	if r.summary, err = clients.Stop(ctx); err != nil {
		return r, err
	}
	if r.summary.Failed+r.summary.Aborted > 0 {
		return r, fmt.Errorf("pgbench: %d transactions failed, %d clients aborted: %v", r.summary.Failed, r.summary.Aborted, r.summary.Complaints)
	}
	return r, nil
}

// switchOnce reverts the last commit that moved traffic, and notes what clients felt.
func (b *bench) switchOnce(ctx context.Context, c scenario, clients *testenv.Bench, r result, number int) error {
	if err := b.app.AwaitRollbackPath(ctx, 2*time.Minute); err != nil {
		return err
	}
	if err := sleep(ctx, b.options.pause); err != nil {
		return err
	}
	begun, ended := time.Now(), func() error { return nil }
	var err error
	if c.idle {
		if ended, err = b.leaveIdle(ctx); err != nil {
			return err
		}
	}
	if b.last, err = b.app.Revert(ctx, b.last); err != nil {
		return err
	}
	b.serving = map[string]string{"orders-15": "orders-17", "orders-17": "orders-15"}[b.serving]
	if err := b.app.AwaitActive(ctx, 3*time.Minute, b.serving); err != nil {
		return err
	}
	b.moves++
	if err := b.app.AwaitRollbackPath(ctx, 2*time.Minute); err != nil {
		return err
	}
	followed := time.Now()
	if err := ended(); err != nil {
		return err
	}
	if err := sleep(ctx, aroundHold+2*time.Second); err != nil { // pgbench's log comes in blocks
		return err
	}
	return b.note(ctx, clients, r, begun, followed, number)
}

// leaveIdle opens a transaction through the poolers, as somebody does who went for lunch. The function waits for its end.
func (b *bench) leaveIdle(ctx context.Context) (func() error, error) {
	conn, err := b.app.Application(ctx, testenv.Databases[0])
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "BEGIN; SELECT 1"); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		if err := sleep(ctx, idleFor); err != nil {
			done <- err
			return
		}
		_, err := conn.Exec(ctx, "COMMIT")
		if closing := conn.Close(ctx); err == nil {
			err = closing
		}
		done <- err
	}()
	return func() error { return <-done }, nil
}

// note the newest switch, and the attempts before it, in which clients were held, too.
func (b *bench) note(ctx context.Context, clients *testenv.Bench, r result, begun, followed time.Time, number int) error {
	proxy, err := b.app.Proxy(ctx)
	if err != nil {
		return err
	}
	spans, err := clients.Spans(ctx)
	if err != nil {
		return err
	}
	record := proxy.Status.Switches[0]
	felt, err := testenv.Stall(spans, record)
	if err != nil {
		return err
	}
	attempts := 0
	for _, earlier := range proxy.Status.Switches[1:] {
		if from, _, ok := testenv.Held(earlier); ok && from.After(begun) {
			attempts++
			also, err := testenv.Stall(spans, earlier)
			if err != nil {
				return err
			}
			felt.Worst, felt.InFlight = max(felt.Worst, also.Worst), min(felt.InFlight, also.InFlight)
		}
	}
	from, until, _ := testenv.Held(record)
	r.add(worst, felt.Worst)
	r.add(stall, felt.Length())
	r.add(held, until.Sub(from))
	r.add(p99Before, p99(spans, from.Add(-aroundHold), from))
	r.add(p99After, p99(spans, until.Add(time.Second), until.Add(aroundHold)))
	r.add(ready, followed.Sub(until))
	r.add(back, throughputBack(spans, from, until))
	for name, microseconds := range record.Parts {
		r.add(name, time.Duration(microseconds)*time.Microsecond)
	}
	fmt.Printf("%3d  %s → %s  worst %4.0f ms  stall %4.0f ms  held %4.0f ms  after %d attempts that let clients go\n", number, record.From, record.To,
		felt.Worst.Seconds()*1000, felt.Length().Seconds()*1000, until.Sub(from).Seconds()*1000, attempts)
	return nil
}

// throughputBack after a hold; all of the time after it, if clients never have as much again.
func throughputBack(spans []ledger.Span, from, until time.Time) time.Duration {
	enough := 0.9 * float64(endedBetween(spans, from.Add(-aroundHold), from)) / float64(aroundHold/interval)
	for after := time.Duration(0); after < aroundHold; after += interval {
		if float64(endedBetween(spans, until.Add(after), until.Add(after+interval))) >= enough {
			return after
		}
	}
	return aroundHold
}

// endedBetween counts the transactions that ended between two times.
func endedBetween(spans []ledger.Span, from, until time.Time) (n int) {
	for _, s := range spans {
		if s.End.After(from) && s.End.Before(until) {
			n++
		}
	}
	return n
}

// p99 of the transactions that ran from one time to another.
func p99(spans []ledger.Span, from, until time.Time) time.Duration {
	var took []time.Duration
	for _, s := range spans {
		if s.Start.After(from) && s.End.Before(until) {
			took = append(took, s.Latency())
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// setPatience by a commit.
func (b *bench) setPatience(ctx context.Context, none bool) error {
	if !none {
		return nil
	}
	_, err := b.app.Commit(ctx, "orders: switch at any moment", fleet.Replace(b.app.Dir+"/proxy.yaml", "    transactionLimit: 5s\n", "    transactionLimit: 5s\n    patience: 0s\n"))
	if err != nil {
		return err
	}
	return b.app.AwaitProxy(ctx, time.Minute, "patience 0s", func(p *v1alpha1.PgProxy) bool {
		return p.Spec.Switch.Patience != nil && p.Spec.Switch.Patience.Duration == 0
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
