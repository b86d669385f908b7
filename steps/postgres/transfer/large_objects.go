package transfer

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

const (
	// loPage is the size of a page of a large object; each page but the last is full, or a hole follows it.
	loPage = 2048
	// loBatch is how many large objects one transaction copies: it locks each.
	loBatch = 500
	// loChunk is how many bytes are written by one statement.
	loChunk = 128 * loPage
)

// largeObject is a row of large_objects.sql.
type largeObject struct {
	OID      uint32
	Owner    string
	HasGrant bool
	Grants   []string
	Comment  string
	Digest   []byte
}

func (l largeObject) same(other largeObject) bool {
	return l.Owner == other.Owner && l.HasGrant == other.HasGrant && slices.Equal(l.Grants, other.Grants) &&
		l.Comment == other.Comment && string(l.Digest) == string(other.Digest)
}

// extent is what is known about a large object without reading it.
type extent struct {
	pages     int64
	commented bool
}

// LargeObjects are those of a database as SyncLargeObjects left them on both sides.
type LargeObjects struct {
	// since is the first transaction on the serving side whose effects may be missing.
	since   string
	extents map[uint32]extent
}

// SyncLargeObjects makes the large objects of a database on the side that is to serve equal to those of the serving side, in a
// session to each: data, owners, rights and comments. It compares digests and copies what differs, a batch in a transaction. It
// refuses a database that is open to applications; while it copies a batch, no other session can write large objects there. By
// its result FinishLargeObjects copies what changed since then. A second call continues where the first ended.
func SyncLargeObjects(ctx context.Context, from, to *pgx.Conn) (*LargeObjects, error) {
	state := &LargeObjects{}
	if err := from.QueryRow(ctx, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::xid8::xid::text").Scan(&state.since); err != nil {
		return nil, err
	}
	differ, err := unlikeLargeObjects(ctx, from, to)
	if err != nil {
		return nil, err
	}
	if err := copyLargeObjects(ctx, from, to, differ); err != nil {
		return nil, err
	}
	state.extents, _, err = largeObjectsSince(ctx, to, "0") // no other session writes there
	return state, err
}

// FinishLargeObjects is SyncLargeObjects once no client writes on the serving side: it copies what differs from what the other
// side had then, or was written since.
func (l *LargeObjects) FinishLargeObjects(ctx context.Context, from, to *pgx.Conn) error {
	now, written, err := largeObjectsSince(ctx, from, l.since)
	if err != nil {
		return err
	}
	var differ []uint32
	for oid, e := range now {
		if had, there := l.extents[oid]; !there || had != e || written[oid] {
			differ = append(differ, oid)
		}
	}
	for oid := range l.extents {
		if _, there := now[oid]; !there {
			differ = append(differ, oid)
		}
	}
	slices.Sort(differ)
	return copyLargeObjects(ctx, from, to, differ)
}

func largeObjectsSince(ctx context.Context, conn *pgx.Conn, since string) (extents map[uint32]extent, written map[uint32]bool, err error) {
	rows, err := conn.Query(ctx, query("large_objects_since"), since)
	if err != nil {
		return nil, nil, err
	}
	extents, written = map[uint32]extent{}, map[uint32]bool{}
	var oid uint32
	var e extent
	var changed bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &e.pages, &e.commented, &changed}, func() error {
		extents[oid] = e
		if changed {
			written[oid] = true
		}
		return nil
	})
	return extents, written, err
}

// unlikeLargeObjects reads both sides in order of OIDs, and returns the OIDs that differ.
func unlikeLargeObjects(ctx context.Context, from, to *pgx.Conn) (differ []uint32, err error) {
	left, err := readLargeObjects(ctx, from)
	if err != nil {
		return nil, err
	}
	defer left.rows.Close()
	right, err := readLargeObjects(ctx, to)
	if err != nil {
		return nil, err
	}
	defer right.rows.Close()
	for left.have || right.have {
		switch a, b := left.now, right.now; {
		case !right.have || left.have && a.OID < b.OID:
			differ = append(differ, a.OID)
			left.next()
		case !left.have || b.OID < a.OID:
			differ = append(differ, b.OID)
			right.next()
		default:
			if !a.same(b) {
				differ = append(differ, a.OID)
			}
			left.next()
			right.next()
		}
	}
	if left.err != nil {
		return nil, left.err
	}
	return differ, right.err
}

// largeObjectReader holds one row at a time.
type largeObjectReader struct {
	rows pgx.Rows
	now  largeObject
	have bool
	err  error
}

func readLargeObjects(ctx context.Context, conn *pgx.Conn) (*largeObjectReader, error) {
	rows, err := conn.Query(ctx, query("large_objects"), nil)
	if err != nil {
		return nil, err
	}
	r := &largeObjectReader{rows: rows}
	r.next()
	return r, nil
}

func (r *largeObjectReader) next() {
	if r.have = r.err == nil && r.rows.Next(); r.have {
		if r.now, r.err = pgx.RowToStructByPos[largeObject](r.rows); r.err != nil {
			r.have = false
		}
		return
	}
	if r.err == nil {
		r.err = r.rows.Err()
	}
}

// copyLargeObjects makes those of the given OIDs on "to" equal to those on "from", or removes them.
func copyLargeObjects(ctx context.Context, from, to *pgx.Conn, oids []uint32) error {
	for batch := range slices.Chunk(oids, loBatch) {
		err := pgx.BeginFunc(ctx, to, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, postgres.FrozenAfter+"; "+noVacuum+"; LOCK TABLE pg_catalog.pg_largeobject IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return err
			}
			fenced, err := postgres.FencedHere(ctx, tx)
			if err != nil {
				return err
			}
			if !fenced {
				return postgres.ErrServes
			}
			return copyBatch(ctx, from, tx, batch)
		})
		if err != nil {
			return fmt.Errorf("copy large objects: %w", err)
		}
	}
	return nil
}

func copyBatch(ctx context.Context, from *pgx.Conn, tx pgx.Tx, oids []uint32) error {
	_, err := tx.Exec(ctx, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = ANY ($1::oid[])", oids)
	if err != nil {
		return err
	}
	// one snapshot for rights and data
	return pgx.BeginTxFunc(ctx, from, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(source pgx.Tx) error {
		objects, err := postgres.Collect[largeObject](ctx, from, query("large_objects"), oids)
		if err != nil || len(objects) == 0 {
			return err
		}
		for _, l := range objects {
			if _, err := tx.Exec(ctx, l.create()); err != nil {
				return fmt.Errorf("large object %d: %w", l.OID, err)
			}
		}
		return copyPages(ctx, source, tx, oids)
	})
}

// create makes it, without data.
func (l largeObject) create() string {
	oid := strconv.FormatUint(uint64(l.OID), 10)
	statements := "SELECT lo_create(" + oid + "); ALTER LARGE OBJECT " + oid + " OWNER TO " + postgres.Ident(l.Owner)
	if l.HasGrant {
		statements += "; REVOKE ALL ON LARGE OBJECT " + oid + " FROM PUBLIC, " + postgres.Ident(l.Owner)
		for _, grant := range l.Grants {
			statements += "; " + grant
		}
	}
	if l.Comment != "" {
		statements += "; COMMENT ON LARGE OBJECT " + oid + " IS " + postgres.Literal(l.Comment)
	}
	return statements
}

// copyPages streams pages, and joins adjacent ones: holes stay holes.
func copyPages(ctx context.Context, source, target pgx.Tx, oids []uint32) error {
	rows, err := source.Query(ctx, query("large_object_pages"), oids)
	if err != nil {
		return err
	}
	defer rows.Close()
	var oid, last uint32
	var page int32
	var data, chunk []byte
	var begin, end int64 // of the chunk, in bytes
	put := func() error {
		if len(chunk) == 0 {
			return nil
		}
		_, err := target.Exec(ctx, "SELECT lo_put($1, $2, $3)", last, begin, chunk)
		chunk = chunk[:0]
		return err
	}
	for rows.Next() {
		if err := rows.Scan(&oid, &page, &data); err != nil {
			return err
		}
		at := int64(page) * loPage
		if oid != last || at != end || len(chunk) >= loChunk {
			if err := put(); err != nil {
				return err
			}
			last, begin = oid, at
		}
		chunk = append(chunk, data...)
		end = at + int64(len(data))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return put()
}
