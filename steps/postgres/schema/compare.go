package schema

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
)

// Drift is how a schema differs from another one.
type Drift struct {
	// Objects that were compared, or parts of them that change by themselves.
	Objects int
	// Differences in sentences, sorted.
	Differences []string
	// Missing, Changed and Extra are the names of what differs on the side that follows, sorted.
	Missing, Changed, Extra []string
	// DatabaseMissing: the side that follows doesn't have the database.
	DatabaseMissing bool
}

// What this process remembers: stamps of a database's catalogs, results of comparisons by the stamps of both sides, and
// texts that mean the same.
var (
	knownSums    = memory[knownSum]{most: 10_000}
	knownDrifts  = memory[knownDrift]{most: 10_000}
	sameMeanings = memory[bool]{most: 200_000}
)

// stamp of a schema: it changes when the schema changes.
type stamp = [sha256.Size]byte

type knownSum struct {
	mark  catalogMark
	stamp stamp
}

type knownDrift struct {
	stamps [2]stamp
	drift  Drift
}

// schemaSide is one of the two: the one that serves, then the one that follows.
type schemaSide struct {
	postgres.Server
	// number is 0 or 1.
	number int
	conn   *pgx.Conn
	// system identifier, and version.
	system  string
	version int
	stamp   stamp
}

// Compare says how a part of the schema on the side that follows differs from the one that serves. Texts that
// differ are compared by meaning: PostgreSQL prints one expression in several ways, by version and again after a dump
// and restore, so a server reads both texts and prints them, of temporary objects in transactions that are
// rolled back. What was found is remembered while neither side changes. Reads only.
func Compare(ctx context.Context, serving, following postgres.Server, database string, part Part) (found Drift, err error) {
	err = postgres.WithSession(ctx, serving, database, func(want *pgx.Conn) error {
		err := postgres.WithSession(ctx, following, database, func(have *pgx.Conn) (err error) {
			sides := []*schemaSide{{Server: serving, conn: want}, {Server: following, number: 1, conn: have}}
			if found, err = compare(ctx, sides, database, part); err != nil {
				return fmt.Errorf("compare the schema of database %q: %w", database, err)
			}
			return nil
		})
		if postgres.DatabaseMissing(err) {
			found, err = Drift{DatabaseMissing: true, Differences: []string{fmt.Sprintf("database %q is missing", database)}}, nil
		}
		return err
	})
	return found, err
}

func compare(ctx context.Context, sides []*schemaSide, database string, part Part) (Drift, error) {
	if err := eachSide(ctx, sides, (*schemaSide).look); err != nil {
		return Drift{}, err
	}
	key := sum(sides[0].Address(), sides[1].Address(), database, string(part))
	stamps := [2]stamp{sides[0].stamp, sides[1].stamp}
	if known, found := knownDrifts.get(key); found && known.stamps == stamps {
		return known.drift.clone(), nil
	}
	pairs := newItemPairs()
	err := eachSide(ctx, sides, func(s *schemaSide, ctx context.Context) error {
		return readSchema(ctx, s.conn, s.version, part, func(item schemaItem) { pairs.add(s.number, item) })
	})
	if err != nil {
		return Drift{}, err
	}
	differences, open := pairs.compare()
	if err := answerAll(ctx, sides, database, open); err != nil {
		return Drift{}, err
	}
	for _, q := range open {
		if !q.same {
			differences[q.item] = q.item + " differs: " + q.words
		}
	}
	drift := Drift{Objects: pairs.objects, Differences: slices.Sorted(maps.Values(differences))}
	for _, name := range slices.Sorted(maps.Keys(differences)) {
		_, wanted := pairs.alone[0][name]
		_, extra := pairs.alone[1][name]
		switch {
		case wanted:
			drift.Missing = append(drift.Missing, name)
		case extra:
			drift.Extra = append(drift.Extra, name)
		default:
			drift.Changed = append(drift.Changed, name)
		}
	}
	knownDrifts.put(key, knownDrift{stamps, drift})
	return drift.clone(), nil
}

func (d Drift) clone() Drift {
	for _, names := range []*[]string{&d.Differences, &d.Missing, &d.Changed, &d.Extra} {
		*names = slices.Clone(*names)
	}
	return d
}

// eachSide does the same on both at once.
func eachSide(ctx context.Context, sides []*schemaSide, do func(*schemaSide, context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sides {
		group.Go(func() error {
			if err := do(s, ctx); err != nil {
				return fmt.Errorf("on %s: %w", s.Instance, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// look computes the stamp of the schema. The catalogs are summed only if a row of them was written since the last
// time.
func (s *schemaSide) look(ctx context.Context) error {
	var server string
	if err := s.conn.QueryRow(ctx, query("schema_stamp")).Scan(&s.system, &s.version, &server); err != nil {
		return err
	}
	key := sum(s.Address(), server)
	known, found := knownSums.get(key)
	if found {
		answer, err := known.mark.ask(ctx, s.conn)
		if err != nil {
			return err
		}
		if answer == known.mark.answer {
			s.stamp = known.stamp
			return nil
		}
		snapshot, err := NewCatalogSnapshot(ctx, s.conn)
		if err != nil {
			return err
		}
		words := []string{server}
		for _, kind := range slices.Sorted(maps.Keys(snapshot.first)) {
			words = append(words, kind, snapshot.first[kind])
		}
		known = knownSum{snapshot.mark, sum(words...)}
	} else {
		// no sums yet: there are none to compare them with. The mark identifies the catalogs while no row of them is written
		mark, err := markCatalogs(ctx, s.conn)
		if err != nil {
			return err
		}
		known = knownSum{mark, sum(server, "since transaction", mark.since, mark.answer)}
	}
	s.stamp = known.stamp
	knownSums.put(key, known)
	return nil
}

// answerAll asks the side that follows, where a lock disturbs no application. If it finds that two texts differ, an older
// version that serves decides: it may not know that difference, as EXTRACT and date_part are the same before 14.
func answerAll(ctx context.Context, sides []*schemaSide, database string, open []*question) error {
	if len(open) == 0 {
		return nil
	}
	serving, following := sides[0], sides[1]
	if err := (judge{following, database}).answer(ctx, open); err != nil || serving.version >= following.version {
		return err
	}
	var left []*question
	words := map[*question]string{}
	for _, q := range open {
		if !q.same {
			left, words[q] = append(left, q), q.words
		}
	}
	if len(left) == 0 {
		return nil
	}
	err := judge{serving, database}.answer(ctx, left)
	for _, q := range left {
		q.words = words[q]
	}
	return err
}
