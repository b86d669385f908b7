package tablecopy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

type connection = pgx.Conn

// open reads both catalogs and the record of earlier runs.
func (c *copier) open(ctx context.Context) error {
	var source, target []described
	err := postgres.WithSession(ctx, c.From, c.FromDatabase, func(conn *connection) (err error) {
		if c.version, err = postgres.VersionOf(ctx, conn); err != nil {
			return err
		}
		if err = conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('server_encoding')").Scan(&c.encoding); err != nil {
			return err
		}
		if source, err = describe(ctx, conn); err == nil {
			err = c.choosePublished(ctx, conn, source)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("tables of %s: %w", c.From.Instance, err)
	}
	err = postgres.WithSession(ctx, c.To, c.ToDatabase, func(conn *connection) (err error) {
		target, err = describe(ctx, conn)
		return err
	})
	if err != nil {
		return fmt.Errorf("tables of %s: %w", c.To.Instance, err)
	}
	if c.tables, err = pair(source, target, c.Tables); err != nil {
		return err
	}
	c.progress.now.Bytes, c.progress.now.Tables = 0, 0
	for _, t := range c.tables {
		if !t.Left {
			c.progress.now.Bytes += t.Bytes
			c.progress.now.Tables++
		}
	}
	c.moments = &moments{source: c.From, database: c.FromDatabase, slot: c.Slot != ""}
	if !c.Supervised {
		c.ledger, err = openLedger(ctx, c.To, c.ToDatabase)
		return err
	}
	// before anything is made on the target: a copy that was ended leaves nothing
	if _, err := c.ensureSlot(ctx); err != nil {
		return err
	}
	if c.ledger, err = awaitLedger(ctx, c.To, c.ToDatabase); err == nil {
		c.ledger.ours = true
	}
	return err
}

// choosePublished marks the tables that are to be left.
func (c *copier) choosePublished(ctx context.Context, conn *connection, source []described) error {
	if c.Publication == "" {
		return nil
	}
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = $1)", c.Publication).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("there is no publication %q", c.Publication)
	}
	tables, err := postgres.Collect[struct{ Schema, Name string }](ctx, conn, query("published"), c.Publication, postgres.Schema)
	published := map[string]bool{}
	for _, t := range tables {
		published[postgres.Ident(t.Schema, t.Name)] = true
	}
	for i := range source {
		source[i].left = !published[source[i].quoted()]
	}
	return err
}

// resume decides what is left to do. What earlier runs have done stays where its moment suits the slot; otherwise their tables are emptied.
func (c *copier) resume(ctx context.Context) (planned, error) {
	id, err := postgres.IdentityOf(ctx, c.From)
	if err != nil {
		return planned{}, err
	}
	before, there, err := c.ledger.run(ctx)
	if err != nil {
		return planned{}, err
	}
	now := run{Source: id.System + "/" + c.FromDatabase, Slot: c.Slot}
	made, err := c.ensureSlot(ctx)
	if err != nil {
		return planned{}, err
	}
	now.MadeSlot = made || there && before.Slot == now.Slot && before.MadeSlot
	known, err := c.ledger.tables(ctx)
	if err != nil {
		return planned{}, err
	}
	suits := there && !made && before.Source == now.Source && before.Slot == now.Slot
	if suits {
		suits, err = c.positionsSuit(ctx, known)
	}
	if err == nil && !suits {
		err = c.ledger.forget(ctx, c.tables)
		known = nil
	}
	if err == nil {
		err = c.ledger.begin(ctx, now)
	}
	if err != nil {
		return planned{}, fmt.Errorf("continue the copy: %w", err)
	}
	var left []table
	for i, t := range c.tables {
		if known[t.Target].Done || t.Left {
			if !t.Left {
				c.progress.resumed(1, t.Bytes)
			}
			c.before = append(c.before, part{table: &c.tables[i], Parts: 1, End: -1})
		} else {
			left = append(left, t)
		}
	}
	work := planOf(left, c.Jobs, c.version, c.PartBytes)
	if c.Explain != nil {
		c.Explain(describePlan(work))
	}
	return work, c.ledger.prepare(ctx, work, known)
}

// errSlotGone: what is committed on the source isn't kept any more.
var errSlotGone = errors.New("replication slot")

// ensureSlot that keeps the changes since the first moment, and say whether it was made now.
func (c *copier) ensureSlot(ctx context.Context) (made bool, err error) {
	if c.Slot == "" {
		return false, nil
	}
	state, err := replication.SlotState(ctx, c.From, c.Slot)
	switch {
	case err != nil:
		return false, err
	case state.Lost:
		return false, fmt.Errorf("%w %q of %s is lost, since the WAL it needs is gone. Drop it, and run the copy again", errSlotGone, c.Slot, c.From.Instance)
	case state.Exists && state.Database != c.FromDatabase:
		return false, fmt.Errorf("replication slot %q of %s belongs to database %q", c.Slot, c.From.Instance, state.Database)
	case state.Exists:
		return false, nil
	case c.Supervised:
		return false, fmt.Errorf("%w %q of %s isn't there: the copy was ended", errSlotGone, c.Slot, c.From.Instance)
	}
	err = postgres.WithSession(ctx, c.From, c.FromDatabase, func(conn *connection) error {
		if err := postgres.WithoutTimeout(ctx, conn); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", c.Slot)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("create replication slot %q on %s: %w", c.Slot, c.From.Instance, err)
	}
	return true, nil
}

// positionsSuit says whether the slot still has all changes since the moments of the tables that are done. Without a slot no moment outlives
// its run.
func (c *copier) positionsSuit(ctx context.Context, known map[uint32]recorded) (bool, error) {
	if c.Slot == "" {
		return false, nil
	}
	var positions []string
	for _, r := range known {
		if r.Done && r.Moment != nil {
			positions = append(positions, *r.Moment)
		}
	}
	suit, err := postgres.Scalar[bool](ctx, c.From, c.FromDatabase, query("positions_suit"), c.Slot, positions)
	if err != nil {
		return false, fmt.Errorf("position of replication slot %q on %s: %w", c.Slot, c.From.Instance, err)
	}
	return suit, nil
}

// ParseTables checks patterns that a person gives.
func ParseTables(patterns []string) error {
	for _, p := range patterns {
		if p == "" || strings.Count(p, ".") > 1 || strings.ContainsAny(p, `"[]\`) {
			return errors.New(`a table is named "schema.table", or "table" for schema public; * and ? stand for other letters`)
		}
	}
	return nil
}
