package tablecopy

import (
	"fmt"
	"sync"
	"time"

	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/indexes"
)

// Progress of a copy at a moment. Bytes are those of the source's disk.
type Progress struct {
	Tables       int   `json:"tables"`
	TablesCopied int   `json:"tablesCopied"`
	Bytes        int64 `json:"bytes"`
	BytesCopied  int64 `json:"bytesCopied"`
	// Rows copied by this run.
	Rows int64 `json:"rows"`
	// BytesPerSecond of this run so far.
	BytesPerSecond int64 `json:"bytesPerSecond"`
	// Indexes and Constraints to build, and built; those of foreign keys count, too.
	Indexes      int `json:"indexes"`
	IndexesBuilt int `json:"indexesBuilt"`
	// Work to do, and done, in bytes: those to copy, and those to sort for indexes.
	Work     int64 `json:"work"`
	WorkDone int64 `json:"workDone"`
	// SecondsLeft until all is done; negative while that isn't known.
	SecondsLeft int64 `json:"secondsLeft"`
	// Left is the same, not rounded; zero while that isn't known.
	Left time.Duration `json:"-"`
	// Slowed says why the copy reads less than it might; empty if it doesn't.
	Slowed string `json:"slowed,omitempty"`
	// Disks says what both servers keep on theirs, once that was measured (Options.Supervised).
	Disks *Disks `json:"disks,omitempty"`
	// Problem is the last that was met and is being tried again; empty once work goes on.
	Problem string `json:"problem,omitempty"`
}

// Disks of the source and of the target.
type Disks struct {
	Source disk.Used `json:"source"`
	Target disk.Used `json:"target"`
}

// String is one line.
func (p Progress) String() string {
	line := fmt.Sprintf("%s of %s, %d of %d tables, %d rows", postgres.HumanBytes(p.BytesCopied), postgres.HumanBytes(p.Bytes), p.TablesCopied, p.Tables, p.Rows)
	if p.Indexes > 0 {
		line += fmt.Sprintf(", %d of %d indexes", p.IndexesBuilt, p.Indexes)
	}
	if p.BytesPerSecond > 0 {
		line += ", " + postgres.HumanBytes(p.BytesPerSecond) + "/s"
	}
	if p.SecondsLeft > 0 {
		line += ", " + (time.Duration(p.SecondsLeft) * time.Second).String() + " left"
	}
	if p.Slowed != "" {
		line += "; " + p.Slowed
	}
	if p.Problem != "" {
		line += "; tries again: " + p.Problem
	}
	return line
}

// gauge adds up what workers do.
type gauge struct {
	mu     sync.Mutex
	now    Progress
	began  time.Time
	before int64
	last   time.Time
	// sent and size of what is done, by which bytes on the wire are converted to those of the disk.
	sent, size int64
	// under way: bytes of the disk, as far as that is known.
	open map[*meter]bool
	// indexWork done and to do, in bytes that are to be sorted.
	indexWork, indexDone int64
	// indexOpen is the part of that which indexes under way have behind them.
	indexOpen int64
	// left tells how long it will take.
	left estimator
	// refusedAt is how many tables were copied when refused ones were last tried again; -1: never.
	refusedAt int
}

func newGauge() *gauge {
	return &gauge{began: time.Now(), last: time.Now(), open: map[*meter]bool{}, refusedAt: -1, left: estimator{open: map[*span]bool{}, indexes: map[uint32]*pieceOfWork{}}}
}

// meter measures a batch.
type meter struct {
	*gauge
	batch      []part
	size, sent int64
	span       *span
}

func (g *gauge) meter(batch []part) *meter {
	m := &meter{gauge: g, batch: batch}
	for _, p := range batch {
		m.size += p.bytes()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[m] = true
	m.span = g.left.begin(copying, costOf(batch))
	return m
}

func (m *meter) moved(bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = time.Now()
	m.sent += int64(bytes)
}

func (m *meter) undo() {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, m)
	m.left.end(m.span, false)
}

func (m *meter) done(rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, m)
	m.left.end(m.span, true)
	m.gauge.sent += m.sent
	m.gauge.size += m.size
	m.now.BytesCopied += m.size
	m.now.Rows += rows
	m.now.Problem = ""
}

// resumed at what an earlier run has done.
func (g *gauge) resumed(tables int, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now.TablesCopied += tables
	g.now.BytesCopied += bytes
	g.before += bytes
}

// begin the time by which what is left is estimated: what comes before doesn't grow with the data.
func (g *gauge) begin(work planned, jobs int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.began, g.left.jobs = time.Now(), jobs
	for _, batch := range work.Batches {
		g.left.kinds[copying].work += costOf(batch)
	}
}

// timed has the time count that some work of a worker takes.
func (g *gauge) timed(k kind, cost int64, do func() error) error {
	g.mu.Lock()
	s := g.left.begin(k, cost)
	g.mu.Unlock()
	err := do()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left.end(s, err == nil)
	return err
}

// building: a worker begins an index.
func (g *gauge) building(i indexes.Index) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if piece := g.left.indexes[i.OID]; piece != nil {
		piece.began = time.Now()
	}
}

// timedLast has the time count that the last work takes, once everything else is done.
func (g *gauge) timedLast(do func() error) error {
	g.mu.Lock()
	g.left.lastBegan = time.Now()
	g.mu.Unlock()
	err := do()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left.last = 0
	return err
}

// again: parts that were done have to be copied once more.
func (g *gauge) again(bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now.BytesCopied -= bytes
	g.left.kinds[copying].done = max(g.left.kinds[copying].done-bytes-tableCost, 0)
}

func (g *gauge) change(do func(*Progress)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	do(&g.now)
}

func (g *gauge) succeeded() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last, g.now.Problem = time.Now(), ""
}

func (g *gauge) retried(err error) { g.change(func(p *Progress) { p.Problem = err.Error() }) }

// stuckFor is how long ago something last went well.
func (g *gauge) stuckFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.last)
}

func (g *gauge) progress() Progress {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.now
	ratio := 1.0
	if g.sent > 0 && g.size > 0 {
		ratio = float64(g.size) / float64(g.sent)
	}
	halfCopied := int64(0)
	for m := range g.open {
		sent := min(int64(float64(m.sent)*ratio), m.size)
		p.BytesCopied += sent
		halfCopied += sent
	}
	elapsed := time.Since(g.began).Seconds()
	if elapsed > 0 {
		p.BytesPerSecond = int64(float64(p.BytesCopied-g.before) / elapsed)
	}
	p.SecondsLeft = -1
	p.WorkDone, p.Work = p.BytesCopied+min(g.indexDone+g.indexOpen, g.indexWork), p.Bytes+g.indexWork
	done, all := p.WorkDone-g.before, p.Work-g.before
	left, known := g.left.left(halfCopied)
	switch {
	case all <= done && g.left.last == 0 && len(g.left.open) == 0:
		p.SecondsLeft = 0
	case known && elapsed > 1:
		p.SecondsLeft, p.Left = int64(left.Seconds()+0.5), left
	}
	return p
}
