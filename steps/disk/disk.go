package disk

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Volume that pods of an instance mount.
type Volume struct {
	// Claim is the PersistentVolumeClaim's name.
	Claim string
	// Capacity in bytes.
	Capacity int64
	// WAL: it holds WAL alone; Data: the data directory, and WAL unless another volume does.
	Data, WAL bool
}

// Used is what a server keeps on its volumes, in bytes.
type Used struct {
	Data, WAL int64
	// Elsewhere: it has tablespaces of its own, which may be on other volumes. They aren't counted.
	Elsewhere bool
	// MaxWAL is max_wal_size.
	MaxWAL int64
}

// UsedBy a server. Reads only; the user is a superuser or has the role pg_monitor.
func UsedBy(ctx context.Context, s postgres.Server) (u Used, err error) {
	err = postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("used")).Scan(&u.Data, &u.WAL, &u.Elsewhere, &u.MaxWAL)
	})
	if err != nil {
		return u, fmt.Errorf("what %s keeps on its disk: %w", s.Instance, err)
	}
	return u, nil
}

// Room of a volume, in bytes.
type Room struct {
	// Claim of the volume; empty: nothing is known of it.
	Claim          string
	Capacity, Free int64
}

// Known says whether it is.
func (r Room) Known() bool { return r.Claim != "" }

// String is a phrase.
func (r Room) String() string {
	return fmt.Sprintf("%s of %s free on volume %s", postgres.HumanBytes(max(r.Free, 0)), postgres.HumanBytes(r.Capacity), r.Claim)
}

// Reserve is what is left alone: for what the file system takes itself, for logs and sorts, and for what is written until the next look. A tenth, of
// large volumes less.
func (r Room) Reserve() int64 { return min(r.Capacity/10, r.Capacity/40+8<<30) }

// Rooms of a server's data directory, and of its WAL; the same where one volume has both.
type Rooms struct{ Data, WAL Room }

// RoomsOf a server that keeps so much on its volumes. Of several pods the smallest volumes count.
func RoomsOf(volumes []Volume, u Used) (r Rooms) {
	data, wal := smallest(volumes, func(v Volume) bool { return v.Data }), smallest(volumes, func(v Volume) bool { return v.WAL })
	both := u.Data
	if wal == nil {
		both += u.WAL
	} else {
		r.WAL = room(*wal, u.WAL)
	}
	if data != nil {
		r.Data = room(*data, both)
	}
	if wal == nil {
		r.WAL = r.Data
	}
	return r
}

func smallest(volumes []Volume, which func(Volume) bool) (found *Volume) {
	for i, v := range volumes {
		if which(v) && v.Capacity > 0 && (found == nil || v.Capacity < found.Capacity) {
			found = &volumes[i]
		}
	}
	return found
}

// room of a volume: not known if it holds more than it can, so that nothing limits it.
func room(v Volume, used int64) Room {
	if used > v.Capacity {
		return Room{}
	}
	return Room{Claim: v.Claim, Capacity: v.Capacity, Free: v.Capacity - used}
}
