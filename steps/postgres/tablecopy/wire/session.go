package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/gitover/gitover/steps/postgres"
)

const (
	// bufferSize of what is read from a server, and of what is written to one, at a time.
	bufferSize = 256 << 10
	// mostMessage is how long a message other than a row's may be.
	mostMessage = 16 << 20
)

// Session is one connection with a server, used by one goroutine at a time.
type Session struct {
	// Name of the server, for messages.
	Name string

	conn net.Conn
	buf  []byte
	// r, w: what is read of buf, and how much is in it.
	r, w int
}

// Open a session with a database, with these settings (statements, or empty).
func Open(ctx context.Context, s postgres.Server, database, settings string) (*Session, error) {
	conn, err := s.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	pg := conn.PgConn()
	if err := pg.SyncConn(ctx); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("session on %s: %w", s.Instance, err)
	}
	taken, err := pg.Hijack()
	if err != nil {
		return nil, fmt.Errorf("session on %s: %w", s.Instance, err)
	}
	session := &Session{Name: s.Instance, conn: taken.Conn, buf: make([]byte, bufferSize)}
	if settings != "" {
		if _, err := session.Query(ctx, settings); err != nil {
			session.Close()
			return nil, err
		}
	}
	return session, nil
}

// Close the session. The server ends what it does for it.
func (s *Session) Close() {
	// a server that reads commands ends in order, and logs no lost connection
	_ = s.conn.SetDeadline(time.Now().Add(time.Second))
	if message, err := (&pgproto3.Terminate{}).Encode(nil); err == nil {
		_, _ = s.conn.Write(message)
	}
	_ = s.conn.Close()
}

// Alive says whether the server has closed the connection of an idle session.
func (s *Session) Alive() bool {
	if s.r < s.w {
		return true
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return false
	}
	n, err := s.conn.Read(s.buf)
	s.r, s.w = 0, n
	var late net.Error
	return n > 0 || errors.As(err, &late) && late.Timeout()
}

// Query runs statements without parameters in one round trip, and returns the rows of all of them as text; NULL is empty.
func (s *Session) Query(ctx context.Context, sql string) (rows [][]string, err error) {
	defer s.watch(ctx)()
	if err := s.send(sql); err != nil {
		return nil, s.failed(ctx, err)
	}
	var refused error
	for {
		kind, length, err := s.header()
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		body, err := s.body(length)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		switch kind {
		case 'D':
			var row pgproto3.DataRow
			if err := row.Decode(body); err != nil {
				return nil, s.failed(ctx, err)
			}
			texts := make([]string, len(row.Values))
			for i, v := range row.Values {
				texts[i] = string(v)
			}
			rows = append(rows, texts)
		case 'E':
			refused = refusal(body)
		case 'Z':
			if refused != nil {
				return nil, s.failed(ctx, refused)
			}
			return rows, nil
		}
	}
}

// send statements, whose answers are read later.
func (s *Session) send(sql string) error {
	message, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err == nil {
		_, err = s.conn.Write(message)
	}
	return err
}

// watch ends the session's reads and writes with ctx, until the returned function runs.
func (s *Session) watch(ctx context.Context) func() {
	_ = s.conn.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// failed names the server, and the end of ctx rather than what that caused.
func (s *Session) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: %w", s.Name, err)
}

// header of the next message, and the length of its body.
func (s *Session) header() (kind byte, length int, err error) {
	for s.w-s.r < 5 {
		if err := s.fill(); err != nil {
			return 0, 0, err
		}
	}
	kind = s.buf[s.r]
	length = int(int32(binary.BigEndian.Uint32(s.buf[s.r+1:]))) - 4
	s.r += 5
	if length < 0 {
		return 0, 0, fmt.Errorf("a message of %d bytes", length)
	}
	return kind, length, nil
}

// body of a message that isn't a row's. It is valid until the next read.
func (s *Session) body(length int) ([]byte, error) {
	if length > mostMessage {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	if length > len(s.buf)/2 {
		large := make([]byte, length)
		n := copy(large, s.buf[s.r:s.w])
		s.r += n
		_, err := io.ReadFull(s.conn, large[n:])
		return large, err
	}
	for s.w-s.r < length {
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
	body := s.buf[s.r : s.r+length]
	s.r += length
	return body, nil
}

// fill reads what the server has sent, at least a byte.
func (s *Session) fill() error {
	if s.r > 0 {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	n, err := s.conn.Read(s.buf[s.w:])
	s.w += n
	if n > 0 {
		return nil
	}
	return err
}

// refusal is the error that a server reports.
func refusal(body []byte) error {
	var said pgproto3.ErrorResponse
	if err := said.Decode(body); err != nil {
		return err
	}
	return pgconn.ErrorResponseToPgError(&said)
}
