package ledger

import (
	"fmt"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestACommitThatNobodyAnsweredIsUnknown(t *testing.T) {
	for _, statement := range []string{"commit", "INSERT INTO ledger.entry VALUES (1)"} {
		conn := toOneThatHangsUp(t, statement)
		_, err := conn.Exec(t.Context(), statement)
		if got := outcomeOf(err); got != Unknown {
			t.Errorf("%s: %v is %s", statement, err, got)
		}
	}
}

// toOneThatHangsUp is a session with a server that takes a statement and closes the connection
// without an answer.
func toOneThatHangsUp(t *testing.T, statement string) *pgx.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- hangUpOn(listener, statement) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://client@%s/orders?sslmode=disable", listener.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func hangUpOn(listener net.Listener, statement string) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer listener.Close()
	defer conn.Close()
	server := pgproto3.NewBackend(conn, conn)
	if _, err := server.ReceiveStartupMessage(); err != nil {
		return err
	}
	server.Send(&pgproto3.AuthenticationOk{})
	server.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := server.Flush(); err != nil {
		return err
	}
	message, err := server.Receive()
	if err != nil {
		return err
	}
	if query, ok := message.(*pgproto3.Query); !ok || query.String != statement {
		return fmt.Errorf("%#v instead of %q", message, statement)
	}
	return nil
}
