package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Transfer is statements on both sides with as many COPY TO STDOUT on the one as COPY FROM STDIN on the other, in the same order. The
// statements of a side are sent at once, so that any number of tables takes a single round trip.
type Transfer struct {
	Out, In string
	// Moved, if not nil, hears of bytes before they are sent on, and may wait.
	Moved func(ctx context.Context, bytes int) error
}

// Run a transfer from one session to another. It returns the number of rows of each COPY once the target has run all of In. After an
// error neither session is of use, and what the target hasn't committed is gone.
func (t Transfer) Run(ctx context.Context, from, to *Session) (rows []int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer from.watch(ctx)()
	defer to.watch(ctx)()
	if err := from.send(t.Out); err != nil {
		return nil, from.failed(ctx, err)
	}
	if err := to.send(t.In); err != nil {
		return nil, to.failed(ctx, err)
	}
	answered := make(chan error, 1)
	go func() {
		err := to.drain()
		if err != nil {
			cancel(err) // nothing that is still sent matters
		}
		answered <- err
	}()
	rows, err = t.pass(ctx, from, to)
	refused, heard := error(nil), false
	if errors.Is(err, errUnwritten) {
		// the target has most likely said why
		select {
		case refused = <-answered:
			heard = true
		case <-time.After(time.Second):
		}
	}
	if err != nil {
		cancel(err)
	}
	if !heard {
		refused = <-answered
	}
	cause := context.Cause(ctx)
	switch {
	case err == nil && refused == nil:
		return rows, nil
	case refused != nil && errors.Is(cause, refused):
		return nil, fmt.Errorf("%s: %w", to.Name, refused)
	case err != nil && errors.Is(cause, err):
		return nil, err
	}
	return nil, fmt.Errorf("%s: %w", to.Name, cause)
}

// drain reads a target's answers until it is ready for the next statements.
func (s *Session) drain() (refused error) {
	for {
		kind, length, err := s.header()
		if err != nil {
			return err
		}
		body, err := s.body(length)
		if err != nil {
			return err
		}
		switch kind {
		case 'E':
			return refusal(body)
		case 'Z':
			return nil
		}
	}
}

// frame collects the rows of one message to the target.
type frame struct {
	buf []byte
	n   int
}

const frameHeader = 5

var errUnwritten = errors.New("send rows")

// pass on rows until the source is ready for the next statements.
func (t Transfer) pass(ctx context.Context, from, to *Session) (rows []int64, err error) {
	out := frame{buf: make([]byte, bufferSize), n: frameHeader}
	for {
		kind, length, err := from.header()
		if err != nil {
			return nil, from.failed(ctx, err)
		}
		if kind == 'd' {
			if err := t.row(ctx, from, to, &out, length); err != nil {
				return nil, err
			}
			continue
		}
		body, err := from.body(length)
		if err != nil {
			return nil, from.failed(ctx, err)
		}
		switch kind {
		case 'c':
			if err := t.end(ctx, to, &out); err != nil {
				return nil, err
			}
		case 'C':
			var done pgproto3.CommandComplete
			if err := done.Decode(body); err != nil {
				return nil, from.failed(ctx, err)
			}
			if tag := string(done.CommandTag); strings.HasPrefix(tag, "COPY ") {
				rows = append(rows, pgconn.NewCommandTag(tag).RowsAffected())
			}
		case 'E':
			return nil, from.failed(ctx, refusal(body))
		case 'Z':
			return rows, nil
		}
	}
}

// row moves the body of a row's message into frames, as far as it has come each time.
func (t Transfer) row(ctx context.Context, from, to *Session, out *frame, length int) error {
	for length > 0 {
		if from.r == from.w {
			if err := from.fill(); err != nil {
				return from.failed(ctx, err)
			}
		}
		n := copy(out.buf[out.n:], from.buf[from.r:min(from.w, from.r+length)])
		from.r, out.n, length = from.r+n, out.n+n, length-n
		if out.n == len(out.buf) {
			if err := t.flush(ctx, to, out, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// end of a table's rows.
func (t Transfer) end(ctx context.Context, to *Session, out *frame) error {
	done, err := (&pgproto3.CopyDone{}).Encode(nil)
	if err != nil {
		return err
	}
	return t.flush(ctx, to, out, done)
}

// flush sends what a frame holds, and what follows it.
func (t Transfer) flush(ctx context.Context, to *Session, out *frame, more []byte) error {
	message := out.buf[:out.n]
	message[0] = 'd'
	binary.BigEndian.PutUint32(message[1:], uint32(out.n-1))
	moved := out.n - frameHeader
	if moved == 0 {
		message = message[:0]
	}
	if t.Moved != nil && moved > 0 {
		if err := t.Moved(ctx, moved); err != nil {
			return err
		}
	}
	out.n = frameHeader
	if len(message)+len(more) <= len(out.buf) {
		message, more = append(message, more...), nil
	}
	for _, part := range [][]byte{message, more} {
		if len(part) == 0 {
			continue
		}
		if _, err := to.conn.Write(part); err != nil {
			return to.failed(ctx, fmt.Errorf("%w: %w", errUnwritten, err))
		}
	}
	return nil
}
