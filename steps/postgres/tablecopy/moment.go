package tablecopy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// ErrMomentLost: the snapshot that all rows must be of is gone, and no replication slot bridges the gap to another one.
var ErrMomentLost = errors.New("the snapshot of the source is lost, and rows of another one don't fit those that are copied: run it again, it begins again from empty tables; with --slot it continues")

// moment is what rows are copied at.
type moment struct {
	// id is the position in the source's WAL, with a slot, or a unique word.
	id string
	// snapshot that workers import.
	snapshot string
	// files of the tables, by OID.
	files map[uint32]int64
}

// moments keeps a session on the source that holds the snapshot of the current moment.
type moments struct {
	source   postgres.Server
	database string
	// slot: moments have positions, and another one may follow.
	slot bool

	mu      sync.Mutex
	holder  *pgx.Conn
	current *moment
	count   int
}

// get the current moment, or make one.
func (m *moments) get(ctx context.Context) (*moment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		return m.current, nil
	}
	if m.count > 0 && !m.slot {
		return nil, ErrMomentLost
	}
	made, err := m.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", m.source.Instance, err)
	}
	m.current = made
	m.count++
	return made, nil
}

// lost says whether a moment isn't held any more.
func (m *moments) lost(ctx context.Context, which *moment) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != which {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := m.holder.Ping(ctx); err != nil {
		m.forget(ctx)
	}
	return m.current == nil
}

// renew forgets a moment that no longer suits, so that another one is made.
func (m *moments) renew(ctx context.Context, which *moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == which {
		m.forget(ctx)
	}
}

func (m *moments) close(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(ctx)
}

func (m *moments) forget(ctx context.Context) {
	m.current = nil
	if m.holder != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = m.holder.Close(ctx)
		m.holder = nil
	}
}

// begin a moment: with a slot at a position, by a temporary slot that goes with its session.
func (m *moments) begin(ctx context.Context) (made *moment, err error) {
	holder, err := m.source.Connect(ctx, m.database)
	if err != nil {
		return nil, err
	}
	m.holder = holder
	defer func() {
		if err != nil {
			m.forget(ctx)
		}
	}()
	if _, err := holder.Exec(ctx, "SET search_path = ''; "+noticed+lasting); err != nil {
		return nil, err
	}
	made = &moment{id: rand.Text(), files: map[uint32]int64{}}
	importing := ""
	if m.slot {
		maker, err := m.source.ConnectReplication(ctx, m.database)
		if err != nil {
			return nil, err
		}
		defer func() { _ = maker.Close(context.WithoutCancel(ctx)) }()
		results, err := maker.Exec(ctx, "CREATE_REPLICATION_SLOT "+postgres.Ident("gitover_copy_"+postgres.Digest(made.id))+" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT").ReadAll()
		if err != nil {
			return nil, err
		}
		if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 3 {
			return nil, errors.New("unexpected answer to CREATE_REPLICATION_SLOT")
		}
		made.id, importing = string(results[0].Rows[0][1]), string(results[0].Rows[0][2])
	}
	if _, err := holder.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, err
	}
	if importing != "" {
		if _, err := holder.Exec(ctx, "SET TRANSACTION SNAPSHOT "+postgres.Literal(importing)); err != nil {
			return nil, err
		}
	}
	if err := holder.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()").Scan(&made.snapshot); err != nil {
		return nil, err
	}
	files, err := postgres.Collect[struct {
		OID  uint32
		File int64
	}](ctx, holder, "SELECT oid, relfilenode::bigint FROM pg_catalog.pg_class WHERE relkind = 'r'")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		made.files[f.OID] = f.File
	}
	return made, nil
}
