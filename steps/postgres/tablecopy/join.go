package tablecopy

import (
	"context"
	"fmt"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/indexes"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// rest is done once all tables have their indexes: those of partitioned tables, foreign keys, statistics that are still missing. It is complete
// unless a crash of the target has taken something back meanwhile.
func (b *builder) rest(ctx context.Context) (complete bool, err error) {
	if err := b.rebuild(ctx); err != nil {
		return false, err
	}
	w := &worker{copier: b.copier}
	defer w.close()
	if len(b.Tables) == 0 {
		if err := b.join(ctx, w); err != nil {
			return false, err
		}
	}
	err = w.persistently(ctx, func() error {
		to, err := w.target(ctx)
		if err == nil {
			_, err = to.Query(ctx, flush)
		}
		return err
	})
	if err == nil {
		err = b.readExisting(ctx)
	}
	return b.complete(), err
}

// complete as far as it was read: each index is there, with its constraint.
func (b *builder) complete() bool {
	for _, all := range b.byTable {
		for _, i := range all {
			if !i.There(b.existing()) {
				return false
			}
		}
	}
	return len(b.Tables) > 0 || len(indexes.Parents(b.all, b.existing())) == 0 && (b.mixed || len(b.left()) == 0)
}

// join tables: partitions with those that they belong to, others by their foreign keys.
func (b *builder) join(ctx context.Context, w *worker) error {
	err := b.make(ctx, w, 0, func(there indexes.Existing) []string { return indexes.Parents(b.all, there) })
	if err != nil {
		return err
	}
	b.mixed, err = postgres.Scalar[bool](ctx, b.To, b.ToDatabase, "SELECT count(DISTINCT moment) > 1 FROM gitover.copy_part")
	if err != nil {
		return err
	}
	for keys := range slices.Chunk(b.keys, batchTables) {
		err := b.make(ctx, w, 0, func(there indexes.Existing) (statements []string) {
			for _, k := range keys {
				if k.Later || !b.mixed {
					statements = append(statements, k.Add(there))
				}
			}
			return statements
		})
		if err != nil {
			return err
		}
	}
	if err := b.readExisting(ctx); err != nil {
		return err
	}
	if b.mixed {
		b.unvalidated = b.left()
	} else if err := b.validate(ctx); err != nil {
		return err
	}
	return b.progress.timedLast(func() error { return transfer.Analyze(ctx, b.To, b.ToDatabase) })
}

// left are statements that foreign keys need.
func (b *builder) left() []string { return keysLeft(b.keys, b.existing()) }

func keysLeft(keys []indexes.ForeignKey, there indexes.Existing) (statements []string) {
	for _, k := range keys {
		for _, statement := range []string{k.Add(there), k.Validate(there)} {
			if statement != "" {
				statements = append(statements, statement)
			}
		}
	}
	return statements
}

// ForeignKeysLeft are the statements by which the target gets the source's foreign keys that it lacks, or hasn't validated. Reads only.
func ForeignKeysLeft(ctx context.Context, from, to postgres.Server, database string) (statements []string, err error) {
	var keys []indexes.ForeignKey
	err = postgres.WithSession(ctx, from, database, func(conn *connection) (err error) {
		keys, err = indexes.ReadForeignKeys(ctx, conn)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Instance, err)
	}
	err = postgres.WithSession(ctx, to, database, func(conn *connection) error {
		there, err := indexes.ReadExisting(ctx, conn)
		statements = keysLeft(keys, there)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", to.Instance, err)
	}
	return statements, nil
}

// AddForeignKeys runs statements of ForeignKeysLeft, which take the time of reading the tables. What is there is success.
func AddForeignKeys(ctx context.Context, to postgres.Server, database string, statements []string) error {
	err := postgres.WithSession(ctx, to, database, func(conn *connection) error {
		if err := postgres.WithoutTimeout(ctx, conn); err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err := conn.Exec(ctx, statement); err != nil && !postgres.AlreadyExists(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("foreign keys of database %q on %s: %w", database, to.Instance, err)
	}
	return nil
}

// validate foreign keys, several tables at a time.
func (b *builder) validate(ctx context.Context) error {
	tables := map[string][]indexes.ForeignKey{}
	for _, k := range b.keys {
		if k.Validate(b.existing()) != "" {
			tables[k.Table] = append(tables[k.Table], k)
		}
	}
	for _, keys := range tables {
		b.add(job{cost: b.keyCost(keys[0]) * int64(len(keys)), run: func(ctx context.Context, w *worker) error {
			for _, k := range keys {
				err := b.make(ctx, w, 0, func(there indexes.Existing) []string { return []string{k.Validate(there)} })
				if err != nil {
					return fmt.Errorf("foreign key %s of table %s: %w", k.Name, k.Table, err)
				}
			}
			return nil
		}})
	}
	return b.work(ctx)
}

// rebuild what a crash of the target took back.
func (b *builder) rebuild(ctx context.Context) error {
	for range rebuilds {
		if err := b.readExisting(ctx); err != nil {
			return err
		}
		missing := false
		for _, t := range b.tables {
			for _, i := range b.byTable[t.Source] {
				if !i.There(b.existing()) {
					b.large(&t)
					missing = true
					break
				}
			}
		}
		if !missing {
			return nil
		}
		if err := b.work(ctx); err != nil {
			return err
		}
	}
	return nil
}
