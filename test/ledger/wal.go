package ledger

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Accepted is a commit by which a server took writes of a client's to the ledger's tables.
type Accepted struct {
	// Server that took them.
	Server string
	// At is when, by the server's own record.
	At time.Time
	// Position of the commit in the server's WAL.
	Position LSN
}

// LSN is a position in a server's WAL.
type LSN uint64

// ParseLSN reads a position as PostgreSQL writes it: two hexadecimal numbers, "16/B374D848".
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	l, lowErr := strconv.ParseUint(low, 16, 32)
	if !ok || err != nil || lowErr != nil {
		return 0, fmt.Errorf("%q is no position in WAL", text)
	}
	return LSN(h<<32 | l), nil
}

func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// WALReader tells from one server's own record, its WAL, when it accepted clients' writes.
// It reads what pg_waldump (13 to 19) prints of it, piece after piece: commits that changed
// rows of the ledger's tables and did not come by replication, which the record says of
// each commit ("origin").
//
// COPY isn't counted: it writes its rows by another kind of record, no client of the ledger
// does it, and the first copy of a table to a new server comes without an origin before 14.
// What table synchronization of PostgreSQL 13 catches up with comes without one, too: the
// WAL of a 13 that was filled by replication can't be judged until it was switched to.
type WALReader struct {
	server string
	tables map[string]bool
	// open transactions that have changed the tables.
	open map[string]bool
	// last record that was read.
	last     LSN
	accepted []Accepted
}

// NewWALReader of a server called by this name.
func NewWALReader(server string) *WALReader {
	return &WALReader{server: server, tables: map[string]bool{}, open: map[string]bool{}}
}

// Watch these tables too: tablespace/database/file, as in "1663/16385/16400".
func (r *WALReader) Watch(tables ...string) {
	for _, table := range tables {
		r.tables[table] = true
	}
}

// Last record that was read; zero at first. The next piece begins with it, so that none
// is missed; read again it isn't counted again.
func (r *WALReader) Last() LSN { return r.last }

// Accepted commits so far, in the order of the WAL.
func (r *WALReader) Accepted() []Accepted { return r.accepted }

// Read a piece. Lines of other record types may have been left out, lines that can't be
// understood are an error; the reader is of no use then.
func (r *WALReader) Read(piece io.Reader) error {
	lines := bufio.NewScanner(piece)
	lines.Buffer(make([]byte, 0, 1<<16), 1<<24)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "first record is after ") {
			continue
		}
		if err := r.line(line); err != nil {
			return fmt.Errorf("WAL of %s: %w: %.300q", r.server, err, line)
		}
	}
	return lines.Err()
}

// line is one record: "rmgr: <manager> len (rec/tot): …, tx: <transaction>, lsn: <position>,
// prev <position>, desc: <what was done>[, blkref #0: rel <table> blk <block>]".
func (r *WALReader) line(line string) error {
	manager, rest, ok := strings.Cut(strings.TrimPrefix(line, "rmgr: "), " len (rec/tot): ")
	if !ok || !strings.HasPrefix(line, "rmgr: ") {
		return fmt.Errorf("not a record")
	}
	transaction, ok := between(rest, ", tx: ", ", lsn: ")
	if !ok {
		return fmt.Errorf("no transaction")
	}
	at, ok := between(rest, ", lsn: ", ", prev ")
	if !ok {
		return fmt.Errorf("no position")
	}
	position, err := ParseLSN(at)
	if err != nil {
		return err
	}
	if position <= r.last {
		return nil
	}
	r.last = position
	_, what, ok := strings.Cut(rest, ", desc: ")
	if !ok {
		return fmt.Errorf("no description")
	}
	switch strings.TrimSpace(manager) {
	case "Heap":
		r.change(strings.TrimSpace(transaction), what)
		return nil
	case "Transaction":
		return r.end(strings.TrimSpace(transaction), what, position)
	}
	return nil
}

// change of a row: inserted, updated or deleted.
func (r *WALReader) change(transaction, what string) {
	operation, _, _ := strings.Cut(what, " ")
	switch strings.TrimSuffix(operation, "+INIT") {
	case "INSERT", "UPDATE", "HOT_UPDATE", "DELETE":
	default:
		return
	}
	if _, references, ok := strings.Cut(what, "blkref #0: rel "); ok {
		if table, _, _ := strings.Cut(references, " "); r.tables[table] {
			r.open[transaction] = true
		}
	}
}

// end of a transaction, with its subtransactions.
func (r *WALReader) end(transaction, what string, position LSN) error {
	operation, rest, _ := strings.Cut(what, " ")
	if operation != "COMMIT" && operation != "ABORT" {
		return nil
	}
	parts := strings.Split(rest, "; ")
	changed, replicated := r.open[transaction], false
	delete(r.open, transaction)
	for _, part := range parts[1:] {
		if subtransactions, ok := strings.CutPrefix(part, "subxacts: "); ok {
			for sub := range strings.FieldsSeq(subtransactions) {
				changed = changed || r.open[sub]
				delete(r.open, sub)
			}
		}
		replicated = replicated || strings.HasPrefix(part, "origin: ")
	}
	if operation == "ABORT" || !changed || replicated {
		return nil
	}
	at, err := time.Parse("2006-01-02 15:04:05.999999 MST", strings.TrimSpace(parts[0]))
	if err != nil || at.Location() != time.UTC {
		return fmt.Errorf("no time in UTC")
	}
	r.accepted = append(r.accepted, Accepted{Server: r.server, At: at, Position: position})
	return nil
}

func between(text, begin, end string) (string, bool) {
	_, rest, ok := strings.Cut(text, begin)
	if !ok {
		return "", false
	}
	found, _, ok := strings.Cut(rest, end)
	return found, ok
}
