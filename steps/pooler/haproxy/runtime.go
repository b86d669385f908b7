package haproxy

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gitover/gitover/steps/pooler"
)

// maxAnswer bounds what is read from the socket.
const maxAnswer = 4 << 20

// Socket is the runtime API: the path of a Unix socket with level admin, or host:port.
type Socket string

// Do runs one command and returns its answer, without the newlines at its end. HAProxy closes the connection after it.
func (s Socket) Do(ctx context.Context, command string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(string(s), "/") {
		network = "unix"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, string(s))
	if err != nil {
		return "", fmt.Errorf("connect to HAProxy's runtime API at %s: no answer", s)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", fmt.Errorf("%s: HAProxy's runtime API: %w", command, err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("%s: HAProxy's runtime API: %w", command, errors.Join(err, ctx.Err()))
	}
	if len(answer) == 0 { // a command that succeeded and says nothing is answered by an empty line
		return "", fmt.Errorf("%s: HAProxy's runtime API ended the connection without an answer", command)
	}
	text := strings.TrimRight(string(answer), "\n")
	for _, refusal := range []string{"Permission denied", "No such", "Unknown command", "Can't find", "Require", "Invalid"} {
		if strings.HasPrefix(text, refusal) {
			first, _, _ := strings.Cut(text, "\n")
			return "", &pooler.RefusedError{Message: fmt.Sprintf("HAProxy refused %q: %s", command, first)}
		}
	}
	return text, nil
}

// table reads an answer with a header, by its columns' names; comma separates them.
func table(answer string, comma rune) ([]map[string]string, error) {
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(answer, "# ")))
	reader.Comma, reader.FieldsPerRecord, reader.LazyQuotes = comma, -1, true
	records, err := reader.ReadAll()
	if err != nil || len(records) == 0 {
		return nil, errors.New("HAProxy's answer is no table")
	}
	var rows []map[string]string
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			if i < len(record) {
				row[name] = record[i]
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}
