package tablecopy

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
)

// run all workers until everything is copied.
func (c *copier) run(ctx context.Context, work planned) error {
	for _, batch := range work.Batches {
		c.addBatch(batch)
	}
	c.copied(c.before)
	done := make(chan struct{})
	var telling sync.WaitGroup
	c.progress.begin(work, c.Jobs)
	telling.Go(func() { c.tell(ctx, done) })
	defer telling.Wait()
	defer close(done)
	w := &worker{copier: c}
	defer w.close()
	for rounds := 0; ; {
		if err := c.work(ctx); err != nil {
			return err
		}
		again, err := c.retryRefused()
		if err == nil && !again {
			again, err = c.settle(ctx, work)
		}
		switch {
		case err != nil:
			return err
		case again:
			continue
		case c.builder == nil:
			return nil
		}
		complete := false
		err = w.persistently(ctx, func() (err error) {
			complete, err = c.builder.rest(ctx)
			return err
		})
		if err != nil || complete {
			return err
		}
		if rounds++; rounds > rebuilds {
			return errors.New("not every index and foreign key is there, which happens if the target crashes again and again, or they are changed meanwhile: run it again")
		}
	}
}

// copied tables get their indexes.
func (c *copier) copied(batch []part) {
	if c.builder != nil {
		c.builder.copied(batch)
	}
}

// flush is a commit that waits for the disk: all before it are there, too, and what is read after it stays.
const flush = "BEGIN; SET LOCAL synchronous_commit = on; UPDATE gitover.copy_run SET began = began; COMMIT"

// settle makes what is done durable, and adds what isn't: a target that crashed may have lost the last commits.
func (c *copier) settle(ctx context.Context, work planned) (again bool, err error) {
	w := &worker{copier: c}
	defer w.close()
	var rows [][]string
	err = w.persistently(ctx, func() error {
		to, err := w.target(ctx)
		if err == nil {
			rows, err = to.Query(ctx, flush+"; SELECT relation, part FROM gitover.copy_part WHERE NOT done")
		}
		return err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	lost := map[string]bool{}
	for _, row := range rows {
		lost[strings.Join(row, "/")] = true
	}
	for _, batch := range work.Batches {
		for _, p := range batch {
			if lost[p.id()] {
				c.progress.again(p.bytes())
				c.notCopied(p)
				c.addBatch([]part{p})
			}
		}
	}
	return true, nil
}

// notCopied takes back that a part's table is copied.
func (c *copier) notCopied(p part) {
	if s := c.sliced[p.Target]; s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		complete := len(s.done) == p.Parts
		delete(s.done, p.Number)
		if !complete {
			return
		}
	}
	c.progress.change(func(p *Progress) { p.TablesCopied-- })
}

// work until the queue is empty.
func (c *copier) work(ctx context.Context) error {
	defer context.AfterFunc(ctx, c.queue.end)()
	group, ctx := errgroup.WithContext(ctx)
	for range c.Jobs {
		group.Go(func() error {
			w := &worker{copier: c}
			defer w.close()
			for {
				j, more := c.queue.next()
				if !more {
					return ctx.Err()
				}
				err := j.run(ctx, w)
				c.queue.finish()
				if err != nil {
					c.queue.end()
					return err
				}
			}
		})
	}
	return group.Wait()
}

// tell the progress every second.
func (c *copier) tell(ctx context.Context, done <-chan struct{}) {
	if c.Progress == nil && !c.Supervised && c.CommitLatency == 0 {
		return
	}
	say := func() {
		p := c.progress.progress()
		if c.Supervised {
			c.report(ctx, p)
		}
		if c.Progress != nil {
			c.Progress(p)
		}
	}
	if c.Supervised { // at once, so that people see what there is to do
		c.measureDisks(ctx)
		c.report(ctx, c.progress.progress())
	}
	tick := time.NewTicker(cmp.Or(c.Every, time.Second))
	defer tick.Stop()
	for n := 1; ; n++ {
		if c.Supervised && n%slotLooks == 0 {
			c.watchSlot(ctx)
		}
		if c.Supervised && !time.Now().Before(c.measureAt) {
			c.measureDisks(ctx)
		}
		select {
		case <-done:
			say()
			return
		case <-tick.C:
			if c.builder != nil {
				c.builder.watch(ctx)
			}
			c.probe(ctx)
			say()
		}
	}
}

// slotLooks are the ticks between two looks at the slot.
const slotLooks = 10

// watchSlot ends the copy if the slot is gone: what was committed meanwhile is lost, so that it has to begin again. A server that doesn't answer is others' matter.
func (c *copier) watchSlot(ctx context.Context) {
	looking, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := c.ensureSlot(looking); errors.Is(err, errSlotGone) {
		c.stop(err)
	}
}

func (c *copier) addBatch(batch []part) {
	c.queue.add(job{cost: costOf(batch), run: func(ctx context.Context, w *worker) error { return c.copyBatch(ctx, w, batch) }})
}

// copyBatch of whole tables, or one part of a table.
func (c *copier) copyBatch(ctx context.Context, w *worker, batch []part) error {
	if batch[0].sliced() {
		return c.copyPart(ctx, w, batch[0])
	}
	err := w.atMoment(ctx, func(m *moment) error { return w.copyBatch(ctx, m, batch) })
	switch {
	case err == nil:
		c.progress.change(func(p *Progress) { p.TablesCopied += len(batch) })
		c.copied(batch)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case postgres.DataRefused(err) && len(batch) > 1:
		for _, p := range batch {
			c.addBatch([]part{p})
		}
		return nil
	case postgres.DataRefused(err):
		c.mu.Lock()
		defer c.mu.Unlock()
		c.putOff = append(c.putOff, refusedBatch{batch, nameTables(batch, err)})
		return nil
	}
	return nameTables(batch, err)
}

// retryRefused adds what the target refused: a check may read a table that wasn't copied then. It ends when nothing else gets done by that.
func (c *copier) retryRefused() (again bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.putOff) == 0 {
		return false, nil
	}
	copied := c.progress.progress().TablesCopied
	if copied == c.progress.refusedAt {
		var all []error
		for _, r := range c.putOff {
			all = append(all, r.err)
		}
		return false, errors.Join(all[:min(len(all), 3)]...)
	}
	c.progress.refusedAt = copied
	for _, r := range c.putOff {
		c.addBatch(r.batch)
	}
	c.putOff = nil
	return true, nil
}

// copyPart of a table that several workers copy.
func (c *copier) copyPart(ctx context.Context, w *worker, p part) error {
	c.mu.Lock()
	s := c.sliced[p.Target]
	if s == nil {
		s = &slicedTable{table: p.table, done: map[int]bool{}}
		c.sliced[p.Target] = s
	}
	c.mu.Unlock()
	for {
		var at *moment
		err := w.atMoment(ctx, func(m *moment) error {
			again, err := s.begin(ctx, w, m)
			if err != nil {
				return err
			}
			for _, n := range again {
				c.progress.again(p.bytes())
				c.addBatch([]part{p.another(n)})
			}
			at = m
			return w.copyBatch(ctx, m, []part{p})
		})
		if err != nil {
			return nameTables([]part{p}, err)
		}
		last, stale := s.finished(p, at)
		if !stale {
			if last {
				c.progress.change(func(p *Progress) { p.TablesCopied++ })
				c.copied([]part{p})
			}
			return nil
		}
		c.progress.again(p.bytes())
	}
}

// another part of the same table.
func (p part) another(n int) part {
	parts := int64(p.Parts)
	p.Number, p.First, p.End = n, p.Pages*int64(n)/parts, end(p.Pages, int64(n), parts)
	return p
}
