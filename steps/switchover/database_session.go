package switchover

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// databaseSession holds the warm sessions that one database needs inside the stall.
type databaseSession struct {
	database      string
	commit, await *replication.Marker
	snapshot      *schema.CatalogSnapshot
	read          *transfer.SequenceReader
	write         *transfer.SequenceWriter
	ahead         map[transfer.SequenceName]transfer.SequenceValue
	conns         []*pgx.Conn
	// carry is one session on each side for what isn't replicated; none if a switch copies nothing.
	carry [2]*pgx.Conn
	// shared: markers and sequences take turns on one session on each side.
	shared bool
}

// sharedAbove is the number of databases above which one session on each side must do: it
// takes a few milliseconds more and half the connections.
const sharedAbove = 4

func (l *databaseSession) open(ctx context.Context, in Input, nonce string) error {
	session := func(s postgres.Server) (*pgx.Conn, error) {
		conn, err := fence.SwitchSession(ctx, s, l.database, nonce)
		if err == nil {
			l.conns = append(l.conns, conn)
		}
		return conn, err
	}
	var err error
	var conns [4]*pgx.Conn
	for i, s := range []postgres.Server{in.From, in.From, in.To, in.To} {
		if l.shared && i%2 == 1 {
			conns[i] = conns[i-1] //nolint:gosec // i is odd, so not 0
			continue
		}
		if conns[i], err = session(s); err != nil {
			return err
		}
	}
	if in.Scope.Carry.Any() {
		for i, s := range []postgres.Server{in.From, in.To} {
			if l.carry[i], err = session(s); err != nil {
				return err
			}
		}
	}
	if l.commit, err = replication.NewMarker(ctx, conns[0]); err != nil {
		return err
	}
	if l.snapshot, err = schema.NewCatalogSnapshot(ctx, conns[0]); err != nil { // before the schemas are compared
		return err
	}
	if l.read, err = transfer.NewSequenceReader(ctx, conns[1]); err != nil {
		return err
	}
	for n := 1; n < l.read.Sessions() && !l.shared; n++ {
		conn, err := session(in.From)
		if err != nil {
			return err
		}
		l.read.ReadOn(conn)
	}
	if l.await, err = replication.NewMarker(ctx, conns[2]); err != nil {
		return err
	}
	l.write, err = transfer.NewSequenceWriter(ctx, conns[3])
	return err
}

// sequences sets those that moved since they were copied ahead, and returns how many.
func (l *databaseSession) sequences(ctx context.Context) (int, error) {
	now, err := l.read.Read(ctx)
	if err != nil {
		return 0, err
	}
	changed := transfer.MovedSequences(l.ahead, now)
	if len(changed) == 0 {
		return 0, nil
	}
	return len(changed), l.write.Set(ctx, changed)
}

// sameSchema as when the preparation of the switch began: the comparison of schemas since then is then
// valid behind the fence. A migration whose transaction was in flight commits after all such checks.
func (l *databaseSession) sameSchema(ctx context.Context, from string) error {
	changed, err := l.snapshot.Changed(ctx)
	if err != nil || len(changed) == 0 {
		return err
	}
	return &WaitingError{Obstacles: []Obstacle{obstacle(SchemaDrift,
		"database %q: DDL changed %s on %s while the switch was prepared", l.database, strings.Join(changed, ", "), from)}}
}

// drain waits until the new side has a row that was committed behind the fence. Meanwhile it checks the
// schema in the old side's session: rows of a new table can keep that row from ever arriving.
func (l *databaseSession) drain(parent context.Context, from string, id int64) error {
	group, ctx := errgroup.WithContext(parent)
	group.Go(func() error { return l.sameSchema(ctx, from) })
	group.Go(func() error {
		if err := l.await.Await(ctx, from, id); err != nil {
			return &NewSideBehindError{Database: l.database, Cause: err}
		}
		return nil
	})
	return group.Wait()
}

// warm runs every statement of the hold twice, before it.
func (l *databaseSession) warm(ctx context.Context, from string) error {
	if err := l.commit.Forget(ctx, from); err != nil {
		return err
	}
	for range 2 {
		values, err := l.read.Read(ctx)
		if err != nil {
			return err
		}
		if err := l.write.Set(ctx, transfer.MovedSequences(l.ahead, values)); err != nil {
			return err
		}
		l.ahead = values
	}
	if _, err := l.snapshot.Changed(ctx); err != nil { // the comparison of schemas checks it again
		return err
	}
	return l.probe(ctx, from)
}

// probe sends a row to the new side and waits for it.
func (l *databaseSession) probe(ctx context.Context, from string) error {
	id, err := l.commit.Commit(ctx, from)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := l.await.Await(bounded, from, id); err != nil {
		return &NewSideBehindError{Database: l.database, Cause: err}
	}
	return nil
}
