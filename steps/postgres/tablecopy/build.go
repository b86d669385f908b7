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
	// indexShare: building an index takes the time of copying its table's rows, divided by this.
	indexShare = 2
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
	sizes := map[uint32]int64{}
	for _, t := range c.tables {
		sizes[t.Source] = max(t.Bytes, 1)
	}
	for _, i := range b.all {
		if i.Partitioned || sizes[i.TableOID] == 0 {
			continue
		}
		b.byTable[i.TableOID] = append(b.byTable[i.TableOID], i)
		if i.Create(b.there) != "" {
			c.progress.now.Indexes++
			c.progress.indexWork += sizes[i.TableOID] / indexShare
			if sizes[i.TableOID] >= indexes.SmallTable {
				c.progress.left.indexes[i.OID] = &pieceOfWork{cost: sizes[i.TableOID] / indexShare}
			}
		}
	}
	for i := range c.tables {
		c.progress.left.kinds[building].work += b.costOf(&c.tables[i])
	}
	for _, k := range b.keys {
		if k.Validate(b.there) != "" {
			c.progress.left.kinds[building].work += b.keyCost(k)
		}
	}
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
			return append(statements, analyze(small))
		})
		for _, t := range small {
			for _, i := range b.byTable[t.Source] {
				b.built(i, t.Bytes)
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

// analyze collects statistics of tables.
func analyze(tables []*table) string {
	var names []string
	for _, t := range tables {
		names = append(names, t.Name)
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
		b.add(job{cost: t.Bytes / indexShare, run: func(ctx context.Context, w *worker) error {
			idle := b.Jobs - b.queue.busy()
			err := b.make(ctx, w, idle, func(there indexes.Existing) []string { return []string{i.Create(there)} })
			if err != nil {
				return err
			}
			b.built(i, t.Bytes)
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
	b.add(job{cost: finishCost(t), run: func(ctx context.Context, w *worker) error {
		return b.make(ctx, w, 0, func(there indexes.Existing) (statements []string) {
			for _, i := range b.byTable[t.Source] {
				statements = append(append(statements, i.Create(there)), i.Finish(there)...)
			}
			return append(statements, analyze([]*table{t}))
		})
	}})
}

// built counts an index that this run had to make.
func (b *builder) built(i indexes.Index, bytes int64) {
	if i.Create(b.existing()) == "" {
		return
	}
	b.progress.mu.Lock()
	defer b.progress.mu.Unlock()
	delete(b.progress.left.indexes, i.OID)
	b.progress.now.IndexesBuilt = min(b.progress.now.IndexesBuilt+1, b.progress.now.Indexes)
	b.progress.indexDone = min(b.progress.indexDone+max(bytes, 1)/indexShare, b.progress.indexWork)
	b.progress.indexOpen = max(b.progress.indexOpen-bytes/indexShare, 0)
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
		for _, t := range b.tables {
			if t.Target == f.Relation {
				open += int64(f.Share * float64(t.Bytes/indexShare))
			}
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
