package transfer

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
)

var (
	//go:embed sql/sequences.sql
	sequencesSQL string
	//go:embed sql/set_sequences.sql
	setSequencesSQL string
)

// sequencesAtOnce bounds the locks and the plan of one statement.
const sequencesAtOnce = 500

// SequenceName is a sequence of one database.
type SequenceName struct{ Schema, Name string }

// SequenceValue is the state of a sequence: the next value is last+increment if it was called,
// last if it was not. Values that sessions cached (CACHE) lie at or before last, so a copy
// returns none of them again.
type SequenceValue struct {
	Last   int64
	Called bool
}

// SequenceReader reads all sequences of a database again and again on warm sessions.
// The relations themselves are read: pg_sequence_last_value hides an uncalled sequence's
// value. Not for concurrent use.
type SequenceReader struct {
	sessions []sequenceSession
	names    []SequenceName
	// statements read a part of the names each, in order.
	statements []string
}

// sequenceSession knows which statements are planned on it.
type sequenceSession struct {
	conn    *pgx.Conn
	planned map[int]bool
}

// SequenceWriter sets sequences of a database on one warm session, by the same names.
type SequenceWriter struct {
	conn *pgx.Conn
	oids map[SequenceName]uint32
}

// NewSequenceReader lists the sequences. The first Read plans the statements.
func NewSequenceReader(ctx context.Context, conn *pgx.Conn) (*SequenceReader, error) {
	_, names, err := listSequences(ctx, conn)
	if err != nil {
		return nil, err
	}
	r := &SequenceReader{names: names}
	for i := 0; i < len(names); i += sequencesAtOnce {
		r.statements = append(r.statements, sequenceQuery(names[i:min(i+sequencesAtOnce, len(names))], i))
	}
	r.ReadOn(conn)
	return r, nil
}

const (
	// sequencesPerSession is how many sequences one session reads in about a tenth of a second.
	sequencesPerSession  = 2_500
	mostSequenceSessions = 4
)

// Sessions that are needed to read the sequences in time.
func (r *SequenceReader) Sessions() int {
	return min(mostSequenceSessions, 1+len(r.names)/sequencesPerSession)
}

// ReadOn one more session to the same database, in parallel with the others.
func (r *SequenceReader) ReadOn(conn *pgx.Conn) {
	r.sessions = append(r.sessions, sequenceSession{conn, map[int]bool{}})
}

// sequenceQuery reads sequences by name, each with its number.
func sequenceQuery(names []SequenceName, first int) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&b, "SELECT %d, last_value, is_called FROM %s", first+i, pgx.Identifier{n.Schema, n.Name}.Sanitize())
	}
	return b.String()
}

// Read returns every sequence's value as it is now.
func (r *SequenceReader) Read(ctx context.Context) (map[SequenceName]SequenceValue, error) {
	found := make([]SequenceValue, len(r.names))
	group, ctx := errgroup.WithContext(ctx)
	for first, session := range r.sessions {
		group.Go(func() error {
			for i := first; i < len(r.statements); i += len(r.sessions) {
				if err := session.read(ctx, i, r.statements[i], found); err != nil {
					return fmt.Errorf("read sequences: %w", err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	values := make(map[SequenceName]SequenceValue, len(found))
	for i, v := range found {
		values[r.names[i]] = v
	}
	return values, nil
}

func (s sequenceSession) read(ctx context.Context, number int, statement string, found []SequenceValue) error {
	name := fmt.Sprintf("gitover_sequences_%d", number)
	if !s.planned[number] {
		if _, err := s.conn.Prepare(ctx, name, statement); err != nil {
			return err
		}
		s.planned[number] = true
	}
	rows, err := s.conn.Query(ctx, name)
	if err != nil {
		return err
	}
	var i int
	var v SequenceValue
	_, err = pgx.ForEachRow(rows, []any{&i, &v.Last, &v.Called}, func() error {
		found[i] = v
		return nil
	})
	return err
}

// NewSequenceWriter looks the sequences up and plans their setting.
func NewSequenceWriter(ctx context.Context, conn *pgx.Conn) (*SequenceWriter, error) {
	oids, names, err := listSequences(ctx, conn)
	if err != nil {
		return nil, err
	}
	w := &SequenceWriter{conn: conn, oids: make(map[SequenceName]uint32, len(names))}
	for i, name := range names {
		w.oids[name] = oids[i]
	}
	if _, err := conn.Prepare(ctx, "gitover_set_sequences", setSequencesSQL); err != nil {
		return nil, fmt.Errorf("plan the setting of sequences: %w", err)
	}
	return w, w.Set(ctx, nil)
}

// Set sets the given sequences to exactly these values, a part of them at a time. A sequence
// that this side does not have is an error before anything is set.
func (w *SequenceWriter) Set(ctx context.Context, values map[SequenceName]SequenceValue) error {
	oids := make([]uint32, 0, len(values))
	last := make([]int64, 0, len(values))
	called := make([]bool, 0, len(values))
	for name, v := range values {
		oid, ok := w.oids[name]
		if !ok {
			return fmt.Errorf("sequence %s is missing on the new side", pgx.Identifier{name.Schema, name.Name}.Sanitize())
		}
		oids, last, called = append(oids, oid), append(last, v.Last), append(called, v.Called)
	}
	for i := 0; i == 0 || i < len(oids); i += sequencesAtOnce {
		end := min(i+sequencesAtOnce, len(oids))
		if _, err := w.conn.Exec(ctx, "gitover_set_sequences", oids[i:end], last[i:end], called[i:end]); err != nil {
			return fmt.Errorf("set sequences: %w", err)
		}
	}
	return nil
}

// CopySequences sets the sequences of database on "to" to exactly their values on "from".
func CopySequences(ctx context.Context, from, to postgres.Server, database string) error {
	var values map[SequenceName]SequenceValue
	err := postgres.WithSession(ctx, from, database, func(conn *pgx.Conn) error {
		reader, err := NewSequenceReader(ctx, conn)
		if err == nil {
			values, err = reader.Read(ctx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sequences of database %q on %s: %w", database, from.Instance, err)
	}
	err = postgres.WithSession(ctx, to, database, func(conn *pgx.Conn) error {
		writer, err := NewSequenceWriter(ctx, conn)
		if err == nil {
			err = writer.Set(ctx, values)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sequences of database %q on %s: %w", database, to.Instance, err)
	}
	return nil
}

// MovedSequences returns the values that changed.
func MovedSequences(was, is map[SequenceName]SequenceValue) map[SequenceName]SequenceValue {
	moved := map[SequenceName]SequenceValue{}
	for name, v := range is {
		if old, ok := was[name]; !ok || old != v {
			moved[name] = v
		}
	}
	return moved
}

func listSequences(ctx context.Context, conn *pgx.Conn) ([]uint32, []SequenceName, error) {
	rows, err := conn.Query(ctx, sequencesSQL)
	if err != nil {
		return nil, nil, fmt.Errorf("list sequences: %w", err)
	}
	var oids []uint32
	var names []SequenceName
	var oid uint32
	var name SequenceName
	_, err = pgx.ForEachRow(rows, []any{&oid, &name.Schema, &name.Name}, func() error {
		oids, names = append(oids, oid), append(names, name)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list sequences: %w", err)
	}
	return oids, names, nil
}
