package pooler

import (
	"context"
	"fmt"
	"time"
	"unicode"
)

// Types of proxies, as PgProxy's spec has them.
const (
	PgBouncer = "PgBouncer"
	HAProxy   = "HAProxy"
	NGINX     = "NGINX"
	// Service is no driver of an agent's: the controller leads it (steps/pooler/service).
	Service = "Service"
)

// Target is where a proxy leads.
type Target struct {
	Host      string
	Port      int
	Databases []string
}

// Check says why no proxy can be led there. Names of databases are never a reason.
func (t Target) Check() error {
	if t.Host == "" || t.Port < 1 || t.Port > 65535 {
		return fmt.Errorf("no usable host and port: %q, %d", t.Host, t.Port)
	}
	for _, r := range t.Host {
		if unicode.IsControl(r) {
			return fmt.Errorf("no usable host: %q", t.Host)
		}
	}
	return nil
}

// Driver leads and holds one kind of proxy.
type Driver interface {
	// Render gives the file that the proxy's configuration includes: a proxy that starts leads where it says. An error
	// says why the proxy can't be led to t, or that t's name could not be resolved, which is worth a retry.
	Render(ctx context.Context, t Target) ([]byte, error)
	// Moved looks t's name up again, so that Render has its present address, and says whether that changed since it was
	// rendered. It may wait for DNS; after an error the address that was known stays.
	Moved(ctx context.Context, t Target) (bool, error)
	// Connect opens a session with the proxy that runs now.
	Connect(ctx context.Context) (Session, error)
}

// Session controls a proxy that runs. It is not for concurrent use. A *RefusedError is one that a human must act upon.
type Session interface {
	// Close ends the session. A hold that it began stays.
	Close(ctx context.Context)
	// Alive says whether the session can be used.
	Alive() bool
	// Rehearse finds out, before anything is held, whether the proxy would accept another target. Nothing changes for clients.
	Rehearse(ctx context.Context) error
	// Pause holds clients, and returns when no server connection is in use that a hold waits for. A second one succeeds.
	Pause(ctx context.Context) error
	// Resume lets clients continue; it succeeds also if they are not held.
	Resume(ctx context.Context) error
	// Paused says whether all clients are held, or some: a proxy may have several ways in, and a command that failed leaves
	// one closed.
	Paused(ctx context.Context) (all, some bool, err error)
	// Lead makes the proxy read the file that says t, and checks that new connections are led there, and none to left, which
	// t replaces. While clients are held the check may be left to Resume. A *NotLedError says what is wrong.
	Lead(ctx context.Context, t, left Target) error
	// Load sums up the clients.
	Load(ctx context.Context) (Load, error)
	// About the program.
	About(ctx context.Context) (About, error)
	// Clients that keep a server connection until they disconnect, and that a hold waits for.
	Clients(ctx context.Context) ([]Client, error)
}

// Connectionless is what all sessions have in common with a proxy that passes connections on, and that is led without a connection that
// stays: a hold waits for no client, and who waits isn't known, since the proxy has not seen them yet.
type Connectionless struct{}

// Close implements Session.
func (Connectionless) Close(context.Context) {}

// Alive implements Session.
func (Connectionless) Alive() bool { return true }

// Load implements Session.
func (Connectionless) Load(context.Context) (Load, error) { return Load{}, nil }

// Clients implements Session.
func (Connectionless) Clients(context.Context) ([]Client, error) { return nil, nil }

// Load is how clients are served.
type Load struct {
	// Waiting clients, and the seconds that the oldest has waited.
	Waiting       int
	OldestSeconds float64
	// Busy server connections, which a hold waits for.
	Busy int
	// SessionMode: some of them belong to clients in session pooling.
	SessionMode bool
}

// About is what a program says of itself.
type About struct {
	// Version is "PgBouncer 1.24.1" and the like.
	Version string
	// Others, unless empty, says why other processes may serve clients that a hold doesn't reach.
	Others string
}

// Client is one that keeps a server connection until it disconnects.
type Client struct {
	User, Database, Application, Address string
	// Since it is connected, to the second.
	Since time.Time
}

// RefusedError: the proxy refused a command; a human must act.
type RefusedError struct {
	Message string
	Cause   error
}

func (e *RefusedError) Error() string { return e.Message }

func (e *RefusedError) Unwrap() error { return e.Cause }

// NotLedError: the proxy did not accept its target.
type NotLedError struct{ Message string }

func (e *NotLedError) Error() string { return e.Message }
