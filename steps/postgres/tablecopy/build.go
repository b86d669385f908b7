package tablecopy

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/indexes"
)

const (
	// mostMaintenanceMemory that a session gets unless a person asks for more.
	mostMaintenanceMemory = 1 << 30
	// rebuilds of what a crash of the target took back, or another session made.
	rebuilds = 3
)

// builder makes indexes as their tables are copied.
type builder struct {
	*copier
	byTable map[uint32][]indexes.Index
	all     []indexes.Index
	keys    []indexes.ForeignKey
	memory  int64
	version int
	// mixed: tables are of several moments, so that foreign keys may not hold until a subscription has caught up.
	mixed bool
	// unvalidated is what is left to do for foreign keys.
	unvalidated []string

	mu      sync.Mutex
	there   indexes.Existing
	waiting map[uint32]int
}

// openBuilder reads what the source has and the target lacks.
func (c *copier) openBuilder(ctx context.Context) error {
	b := &builder{copier: c, byTable: map[uint32][]indexes.Index{}, waiting: map[uint32]int{}}
	err := postgres.WithSession(ctx, c.From, c.FromDatabase, func(conn *connection) (err error) {
		if b.all, err = indexes.Read(ctx, conn); err == nil {
			b.keys, err = indexes.ReadForeignKeys(ctx, conn)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", c.From.Instance, err)
	}
	err = postgres.WithSession(ctx, c.To, c.ToDatabase, func(conn *connection) (err error) {
		if b.version, err = postgres.VersionOf(ctx, conn); err != nil {
			return err
		}
		if err = conn.QueryRow(ctx, query("maintenance_memory"), c.Jobs, mostMaintenanceMemory).Scan(&b.memory); err == nil {
			b.there, err = indexes.ReadExisting(ctx, conn)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", c.To.Instance, err)
	}
	if c.MaintenanceMemory > 0 {
		b.memory = c.MaintenanceMemory
	}
	b.count()
	c.builder = b
	return nil
}

// existing as it was when it was last read.
func (b *builder) existing() indexes.Existing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.there
}

func (b *builder) readExisting(ctx context.Context) error {
	return postgres.WithSession(ctx, b.To, b.ToDatabase, func(conn *connection) error {
		there, err := indexes.ReadExisting(ctx, conn)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.there = there
		return err
	})
}

// copied adds the work that tables of a batch need next: one job for small ones, one an index for a large one.
func (b *builder) copied(batch []part) {
	var small []*table
	for _, p := range batch {
		if p.Bytes < indexes.SmallTable {
			small = append(small, p.table)
			continue
		}
		b.large(p.table)
	}
	if len(small) == 0 {
		return
	}
	var cost int64
	for _, t := range small {
		cost += b.costOf(t)
	}
	b.add(job{cost: cost, run: func(ctx context.Context, w *worker) error {
		err := b.make(ctx, w, 0, func(there indexes.Existing) (statements []string) {
			for _, t := range small {
				for _, i := range b.byTable[t.Source] {
					statements = append(append(statements, i.Create(there)), i.Finish(there)...)
				}
			}
			return append(statements, b.analyze(small))
		})
		for _, t := range small {
			for _, i := range b.byTable[t.Source] {
				b.built(i, t)
			}
		}
		return err
	}})
}

// add a job whose time counts as building.
func (b *builder) add(j job) {
	run := j.run
	j.run = func(ctx context.Context, w *worker) error {
		if err := b.pace.room(ctx); err != nil {
			return err
		}
		return b.progress.timed(building, j.cost, func() error { return run(ctx, w) })
	}
	b.queue.add(j)
}

// analyze collects statistics of tables, but of those whose parents' bring them.
func (b *builder) analyze(tables []*table) string {
	var names []string
	for _, t := range tables {
		if !b.analyzedWithParent(t) {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "ANALYZE " + strings.Join(names, ", ")
}

// large table: its indexes side by side, and then what is left.
func (b *builder) large(t *table) {
	all := b.byTable[t.Source]
	b.mu.Lock()
	b.waiting[t.Source] = len(all)
	b.mu.Unlock()
	if len(all) == 0 {
		b.finish(t)
	}
	for _, i := range all {
		b.progress.change(func(*Progress) {
			if piece := b.progress.left.indexes[i.OID]; piece != nil {
				piece.ready = true
			}
		})
		b.add(job{cost: indexCost(t, i), run: func(ctx context.Context, w *worker) error {
			idle := b.Jobs - b.queue.busy()
			b.progress.building(i)
			err := b.make(ctx, w, idle, func(there indexes.Existing) []string { return []string{i.Create(there)} })
			if err != nil {
				return err
			}
			b.built(i, t)
			if b.lastOf(i) {
				b.finish(t)
			}
			return nil
		}})
	}
}

// lastOf a table's indexes, each of which is there once it was asked.
func (b *builder) lastOf(i indexes.Index) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.there = maps.Clone(b.there)
	b.there[i.Qualified] = true
	b.waiting[i.TableOID]--
	return b.waiting[i.TableOID] == 0
}

// finish a large table whose indexes are built.
func (b *builder) finish(t *table) {
	b.add(job{cost: b.finishCost(t), run: func(ctx context.Context, w *worker) error {
		return b.make(ctx, w, 0, func(there indexes.Existing) (statements []string) {
			for _, i := range b.byTable[t.Source] {
				statements = append(append(statements, i.Create(there)), i.Finish(there)...)
			}
			return append(statements, b.analyze([]*table{t}))
		})
	}})
}

// built counts an index that this run had to make.
func (b *builder) built(i indexes.Index, t *table) {
	if i.Create(b.existing()) == "" {
		return
	}
	b.progress.mu.Lock()
	defer b.progress.mu.Unlock()
	delete(b.progress.left.indexes, i.OID)
	b.progress.now.IndexesBuilt = min(b.progress.now.IndexesBuilt+1, b.progress.now.Indexes)
	b.progress.indexDone = min(b.progress.indexDone+indexCost(t, i), b.progress.indexWork)
	b.progress.indexOpen = max(b.progress.indexOpen-indexCost(t, i), 0)
}

// watch how far the indexes under way are. What can't be read is left as it was.
func (b *builder) watch(ctx context.Context) {
	var found []struct {
		Relation uint32
		Share    float64
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := postgres.WithSession(ctx, b.To, b.ToDatabase, func(conn *connection) (err error) {
		found, err = postgres.Collect[struct {
			Relation uint32
			Share    float64
		}](ctx, conn, query("index_progress"))
		return err
	})
	if err != nil {
		return
	}
	open := int64(0)
	for _, f := range found {
		for i := range b.tables {
			t := &b.tables[i]
			if t.Target != f.Relation {
				continue
			}
			all := int64(0) // which of them it is isn't shown before it is there
			for _, i := range b.byTable[t.Source] {
				all += indexCost(t, i)
			}
			open += int64(f.Share * float64(all) / float64(max(len(b.byTable[t.Source]), 1)))
		}
	}
	b.progress.mu.Lock()
	defer b.progress.mu.Unlock()
	b.progress.indexOpen = open
}

// make runs statements in one transaction. What exists is looked at again when a first attempt failed: it may have come through without its
// answer, or a session that was cut off may have ended its work.
func (b *builder) make(ctx context.Context, w *worker, parallel int, statements func(indexes.Existing) []string) error {
	attempt := 0
	return w.persistently(ctx, func() error {
		for {
			if attempt++; attempt > 1 {
				if err := b.readExisting(ctx); err != nil {
					return err
				}
			}
			to, err := w.target(ctx)
			if err != nil {
				return err
			}
			all := []string{fmt.Sprintf("SET maintenance_work_mem = %s; SET max_parallel_maintenance_workers = %d", postgres.Literal(fmt.Sprintf("%dkB", b.memory>>10)), max(parallel, 0))}
			for _, s := range statements(b.existing()) {
				if s != "" {
					all = append(all, s)
				}
			}
			if len(all) == 1 {
				return nil
			}
			_, err = to.Query(ctx, strings.Join(all, "; "))
			// a crash of the target has taken back what was there, or a session that was cut off has made it after all
			if !postgres.OtherObjects(err) || attempt > rebuilds {
				return err
			}
		}
	})
}
