package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// verifier compares slices of one database.
type verifier struct {
	options               Options
	blueName              string
	blue, green           *pgx.Conn
	writeMarker, awaitsIt *replication.Marker
	// standby is nil if there is none.
	standby *standbyReader
	report  Report
}

// open runs do with sessions on both sides.
func (v *verifier) open(ctx context.Context, blue, green postgres.Server, database string, do func() error) error {
	return postgres.WithSession(ctx, blue, database, func(b *pgx.Conn) error {
		return postgres.WithSession(ctx, green, database, func(g *pgx.Conn) (err error) {
			v.blue, v.green = b, g
			for _, conn := range []*pgx.Conn{b, g} {
				if err := postgres.WithoutTimeout(ctx, conn); err != nil {
					return err
				}
			}
			if v.writeMarker, err = replication.NewMarker(ctx, b); err != nil {
				return err
			}
			if v.awaitsIt, err = replication.NewMarker(ctx, g); err != nil {
				return err
			}
			return v.withStandby(ctx, database, do)
		})
	})
}

// barrier returns when green has applied everything that blue has committed until now.
func (v *verifier) barrier(ctx context.Context) error {
	return v.reaches(ctx, v.awaitsIt)
}

// reaches returns when a marker that is written now is visible there.
func (v *verifier) reaches(ctx context.Context, there *replication.Marker) error {
	ctx, cancel := context.WithTimeout(ctx, v.options.Patience)
	defer cancel()
	id, err := v.writeMarker.Commit(ctx, v.blueName)
	if err != nil {
		return err
	}
	return there.Await(ctx, v.blueName, id)
}

// table compares one table, or a slice of one: first as a whole; if that finds a difference, by small slices; in
// those that differ by groups of rows, then row by row.
func (v *verifier) table(ctx context.Context, t verifiedTable) error {
	if v.options.CountsOnly {
		if !t.first() {
			return nil
		}
		return v.counts(ctx, t)
	}
	if equal, err := v.equalOnStandby(ctx, t, t.sum()); equal || err != nil {
		return err
	}
	err := v.rows(ctx, t)
	if postgres.NotFound(err) {
		v.report.Mismatches = append(v.report.Mismatches, fmt.Sprintf("table %s: %v", t.name(), err))
		return nil
	}
	return err
}

// rows of a table, or of a slice of one. The fewer rows are read at once, the fewer change meanwhile.
func (v *verifier) rows(ctx context.Context, t verifiedTable) error {
	rows, equal, err := v.equal(ctx, t)
	if err != nil {
		return err
	}
	v.count(t, rows)
	if equal {
		return nil
	}
	small := []verifiedTable{t}
	if t.Slice != "" && rows >= 2*sliceRows {
		if small, err = t.inSlices(ctx, v.blue, rows/sliceRows); err != nil {
			return err
		}
	}
	if len(small) == 1 {
		return v.narrow(ctx, t, rows)
	}
	for _, s := range small {
		if rows, equal, err = v.equal(ctx, s); err == nil && !equal {
			err = v.narrow(ctx, s, rows)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count a slice as compared.
func (v *verifier) count(t verifiedTable, rows int64) {
	if t.first() {
		v.report.Tables++
	}
	if t.first() && t.sample {
		v.report.Sampled++
	}
	v.report.Rows += rows
}

// narrow looks for the rows of a table that differ or change. It compares groups of rows and leaves out those that are
// equal; the rows of the others are grouped again, until they are few enough to be read one by one. This reads the table
// only a few times, however large it is; if most groups stay different, since many rows differ, the rest is read in
// portions.
func (v *verifier) narrow(ctx context.Context, t verifiedTable, rows int64) error {
	var left selection
	all := rows
	for {
		groups := min(mostGroups, max(64, rows/rowsInGroup))
		parts, err := v.read(ctx, all, t.digests(left.group(t, groups), left.filter), left.args...)
		if err != nil {
			return err
		}
		suspects, hot := parts.judge()
		chosen := slices.Concat(suspects, hot)
		if len(chosen) == 0 {
			return nil
		}
		in := parts.rows(chosen)
		if in > v.options.RowsAtOnce && in < rows/2 {
			left, rows = left.narrowed(t, groups, chosen), in
			continue
		}
		at := max(1, int(v.options.RowsAtOnce*int64(len(chosen))/max(in, 1)))
		differ := 0
		for portion := range slices.Chunk(chosen, at) {
			more, err := v.rowByRow(ctx, t, all, left.narrowed(t, groups, portion))
			if err != nil {
				return err
			}
			if differ += more; differ > mostDiffer {
				v.report.Mismatches = append(v.report.Mismatches, fmt.Sprintf("table %s: more than %d rows differ; no more were looked for", t.name(), mostDiffer))
				return nil
			}
		}
		return nil
	}
}

const (
	// rowsInGroup: smaller groups leave fewer rows, but each group is sent and compared; for a table with few writes this
	// size leaves only a few rows.
	rowsInGroup = 16
	// mostGroups that are read at once.
	mostGroups = 65536
	// mostDiffer is how many rows of a table, or of a slice of one, are looked for.
	mostDiffer = 10_000
)

// counts compares numbers of rows. Where applications insert and delete, green's number must
// lie between blue's before and after; the spread counts as in flight.
func (v *verifier) counts(ctx context.Context, t verifiedTable) error {
	if equal, err := v.equalOnStandby(ctx, t, t.count()); equal || err != nil {
		return err
	}
	var c comparison
	for round := 0; ; round++ {
		var err error
		c, err = v.read(ctx, 0, t.count())
		if postgres.NotFound(err) {
			v.report.Mismatches = append(v.report.Mismatches, fmt.Sprintf("table %s: %v", t.name(), err))
			return nil
		}
		if err != nil {
			return err
		}
		low, high := min(c.before[0].Count, c.after[0].Count), max(c.before[0].Count, c.after[0].Count)
		if green := c.green[0].Count; low <= green && green <= high {
			v.report.InFlight += int(high - low)
			break
		} else if round+1 >= v.options.Rounds {
			v.report.Mismatches = append(v.report.Mismatches, fmt.Sprintf("table %s: %d rows, %d on the new side", t.name(), c.after[0].Count, green))
			break
		}
	}
	v.count(t, c.before[0].Count)
	return nil
}
