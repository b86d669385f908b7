package tablecopy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/postgres"
)

// Pace of a copy, which a controller may change while it runs (Options.Supervised).
type Pace struct {
	// BytesPerSecond that are sent at most; 0 for no limit, -1 for what the copy was started with.
	BytesPerSecond int64
	// Paused says why no rows are copied; empty: they are.
	Paused string
}

// NoRoom says whether it pauses for want of room on the target's disk.
func (p Pace) NoRoom() bool { return strings.HasPrefix(p.Paused, NoRoom) }

// Record is what the target says of a copy to those who don't run it.
type Record struct {
	// Slot of the copy on the source.
	Slot string
	// Progress, and how long ago the copy noted it; zero as long as it hasn't.
	Progress Progress
	Age      time.Duration
	Pace     Pace
	// Finished: rows, indexes and statistics are on the target's disk.
	Finished bool
}

// ReadRecord of the copy to a database; false if there's none. Reads only.
func ReadRecord(ctx context.Context, target postgres.Server, database string) (r Record, found bool, err error) {
	err = postgres.WithSession(ctx, target, database, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, "SELECT pg_catalog.to_regclass('gitover.copy_run') IS NOT NULL").Scan(&found); err != nil || !found {
			return err
		}
		type row struct {
			Slot, Progress string
			Age            float64
			Pace
			Finished bool
		}
		rows, err := conn.Query(ctx, query("record"))
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (w row, err error) {
			err = r.Scan(&w.Slot, &w.Progress, &w.Age, &w.BytesPerSecond, &w.Paused, &w.Finished)
			return w, err
		})
		if found = len(all) > 0; err != nil || !found {
			return err
		}
		r = Record{Slot: all[0].Slot, Age: time.Duration(all[0].Age * float64(time.Second)), Pace: all[0].Pace, Finished: all[0].Finished}
		if all[0].Progress == "" {
			return nil
		}
		return json.Unmarshal([]byte(all[0].Progress), &r.Progress)
	})
	if postgres.DatabaseMissing(err) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("record of the copy to database %q of %s: %w", database, target.Instance, err)
	}
	return r, found, nil
}

// SetPace of the copy to a database; success if there's none, which then has the pace that it is started with. A second run changes nothing.
func SetPace(ctx context.Context, target postgres.Server, database string, p Pace) error {
	err := postgres.WithSession(ctx, target, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, query("set_pace"), p.BytesPerSecond, p.Paused)
		return err
	})
	if err != nil {
		return fmt.Errorf("pace of the copy to database %q of %s: %w", database, target.Instance, err)
	}
	return nil
}

// report the progress to the target, and take the pace from there. What fails is tried again by the next one.
func (c *copier) report(ctx context.Context, p Progress) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	said, err := json.Marshal(p)
	if err != nil {
		return
	}
	var pace Pace
	err = postgres.WithSession(ctx, c.To, c.ToDatabase, func(conn *connection) error {
		return conn.QueryRow(ctx, query("tell"), string(said)).Scan(&pace.BytesPerSecond, &pace.Paused)
	})
	if err == nil {
		c.pace.set(pace)
	}
}

// measureEvery so long what both servers keep on their disks is looked at, but for no more than a fiftieth of the time: it is a look at every file.
const measureEvery, measureShare = 3 * time.Second, 50

// measureDisks of both sides. What can't be measured stays as it was.
func (c *copier) measureDisks(ctx context.Context) {
	begun := time.Now()
	looking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var d Disks
	var err error
	if d.Source, err = disk.UsedBy(looking, c.From); err == nil {
		d.Target, err = disk.UsedBy(looking, c.To)
	}
	if err == nil {
		c.progress.change(func(p *Progress) { p.Disks = &d })
	}
	c.measureAt = time.Now().Add(max(measureEvery, measureShare*time.Since(begun)))
}
