//go:build crashpoints

package crash

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func init() {
	plain := githttp.NewClient(&http.Client{Transport: HTTP(http.DefaultTransport)})
	client.InstallProtocol("http", plain)
}

// SQL lets a session be crashed in.
func SQL(config *pgx.ConnConfig) {
	config.Tracer = tracer{}
	config.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		return &session{Conn: conn}, nil
	}
}

// session is a connection that ends the process once a statement has been sent.
type session struct {
	net.Conn
	// strike is set before the statement's messages are written, by the one goroutine that
	// uses the connection.
	strike *effect
}

func (s *session) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if s.strike != nil && err == nil && executes(b) {
		s.strike.crash()
	}
	return n, err
}

// executes says whether a statement is run by these messages of the protocol (Query or
// Execute), and not only prepared. Each is a letter and a length without it.
func executes(b []byte) bool {
	for len(b) >= 5 {
		if b[0] == 'Q' || b[0] == 'E' {
			return true
		}
		length := int(binary.BigEndian.Uint32(b[1:5])) + 1
		if length > len(b) {
			return false
		}
		b = b[length:]
	}
	return false
}

type tracer struct{}

func (tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if e := effectOf(ctx); e.strikes(changes(data.SQL)) {
		if s, ok := conn.PgConn().Conn().(*session); ok {
			s.strike = e
		}
	}
	return ctx
}

func (tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

var (
	comments = regexp.MustCompile(`(?m)^\s*--.*$`)
	reading  = regexp.MustCompile(`(?i)^(SELECT|SHOW|SET|WITH|TABLE|VALUES|BEGIN|COMMIT|ROLLBACK)\b`)
	writing  = regexp.MustCompile(`gitover\.|pg_(create_|drop_)\w*replication_slot|pg_replication_slot_advance|pg_terminate_backend|setval`)
)

// changes says whether a statement of Gitover's does more than read.
func changes(sql string) bool {
	sql = strings.TrimSpace(comments.ReplaceAllString(sql, ""))
	return !reading.MatchString(sql) || writing.MatchString(sql)
}

// HTTP lets requests be crashed in.
func HTTP(transport http.RoundTripper) http.RoundTripper { return requests{transport} }

type requests struct{ http.RoundTripper }

func (r requests) RoundTrip(request *http.Request) (*http.Response, error) {
	// a fetch of Git's is a POST, too
	change := request.Method != http.MethodGet && !strings.HasSuffix(request.URL.Path, "/git-upload-pack")
	// renewing the leader's Lease and sending events is no step's effect and has no scope
	if e := effectOf(request.Context()); e.strikes(change) {
		request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
			WroteRequest: func(info httptrace.WroteRequestInfo) {
				if info.Err == nil {
					e.crash()
				}
			},
		}))
	}
	return r.RoundTripper.RoundTrip(request)
}

// CloseIdleConnections passes on what http.Client asks for.
func (r requests) CloseIdleConnections() {
	if c, ok := r.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
