package model

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/test/pg"
)

// unanswered: the session died, or the server gave up a conflict between two calls; the call
// may have happened or not.
const unanswered = "(none)"

var moved = []string{"one", "two"}

// registers are two real servers and the states that the model allows for them.
type registers struct {
	t        *testing.T
	servers  [2]*pg.Server
	watchers [2]*pgx.Conn
	sequence int
	from     uint8
	possible map[state]bool
	history  []string
	// What a controller has of each switch, and an agent, before a batch.
	hashes [3]string
	keys   [3]postgres.Password

	calls, unanswered int
	answers           map[string]int
}

func newRegisters(t *testing.T, majors ...int) *registers {
	r := &registers{t: t, answers: map[string]int{}}
	for i, major := range majors {
		s := pg.Start(t, major, nil)
		for _, db := range moved {
			s.Exec("", "CREATE DATABASE "+db)
		}
		if err := fence.EnsureRegister(t.Context(), s.Server, agentRole, agentsWord); err != nil {
			t.Fatal(err)
		}
		r.servers[i] = s
		r.watch(i)
	}
	return r
}

// watch opens the session that looks at a server.
func (r *registers) watch(i int) {
	r.t.Helper()
	conn, err := r.servers[i].Connect(context.Background(), postgres.MaintenanceDatabase)
	if err != nil {
		r.t.Fatal(err)
	}
	r.watchers[i] = conn
	r.t.Cleanup(func() { _ = conn.Close(context.Background()) })
}

// text reads one value from a server's register; "" for none.
func (r *registers) text(server uint8, query string, args ...any) string {
	r.t.Helper()
	var text *string
	err := r.watchers[server].QueryRow(context.Background(), query, args...).Scan(&text)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		r.t.Fatalf("%s: %v", query, err)
	}
	if text == nil {
		return ""
	}
	return *text
}

// begin clears both registers: the first server is open, the second fenced from its birth.
// from is where the second switch leads away from.
func (r *registers) begin(sequence int, from uint8) {
	r.sequence, r.from, r.history = sequence, from, nil
	for _, conn := range r.watchers {
		statements := "TRUNCATE gitover.switches, gitover.incoming_switches, gitover.connection_limits"
		for _, db := range moved {
			statements += fmt.Sprintf("; ALTER DATABASE %[1]s ALLOW_CONNECTIONS true CONNECTION LIMIT -1; ALTER DATABASE %[1]s RESET ALL", db)
		}
		if _, err := conn.Exec(r.t.Context(), statements); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := fence.FenceStandby(r.t.Context(), r.servers[1].Server, moved); err != nil {
		r.t.Fatal(err)
	}
	first := initial()
	first.from[2] = from
	r.possible = map[state]bool{first: true}
}

func (r *registers) id(sw uint8) string { return fmt.Sprintf("%d-%d", r.sequence, sw) }

// make makes one call and gives the answer in the model's words.
func (r *registers) make(c call) string {
	var s state
	s.from[2] = r.from
	server := r.servers[c.server(&s)].Server
	if c.agent {
		server.User, server.Password = agentRole, agentsWord
	}
	ctx := context.Background()
	register, err := fence.OpenRegister(ctx, server)
	if err != nil {
		return unanswered
	}
	defer register.Close(ctx)
	killed := make(chan struct{})
	if c.dies {
		pid := register.Conn().PgConn().PID()
		go func() {
			defer close(killed)
			r.kill(r.servers[c.server(&s)].Server, pid)
		}()
		if pid%2 == 0 { // on a slow machine the others are all answered in time
			<-killed
		}
		defer func() { <-killed }()
	}
	answer, err := r.ask(ctx, register, c)
	var said *pgconn.PgError
	switch {
	case err == nil:
		return answer
	case errors.As(err, &said) && (said.Code == "55006" || said.Code == "55000"):
		return "refused"
	case c.dies, errors.As(err, &said) && (said.Code == "XX000" || said.Code == "40P01"):
		return unanswered
	}
	r.t.Errorf("%s: %v", c, err)
	return unanswered
}

func (r *registers) ask(ctx context.Context, register *fence.Register, c call) (string, error) {
	id, who := r.id(c.sw), "test"
	row := fence.SwitchRow{ID: id, From: "a", To: "b", Databases: moved}
	var decision fence.Decision
	var verdict fence.Verdict
	var err error
	switch c.function {
	case "begin":
		decision, err = register.Begin(ctx, row)
	case "fence":
		decision, err = register.Fence(ctx, id)
	case "commit":
		verdict, err = register.Commit(ctx, id, who, nil)
	case "abort":
		verdict, err = register.Abort(ctx, id, who)
	case "state":
		verdict, err = register.State(ctx, id)
	case "admit":
		return "", register.AllowReplication(ctx, id, nil)
	case "ready":
		_, err = register.Ready(ctx, row, r.hashes[c.sw])
		return "position", err
	case "open":
		return register.Unfence(ctx, id, who, r.keys[c.sw])
	default:
		return register.Unfence(ctx, id, who, "a guess")
	}
	if verdict.Decision != "" {
		decision = verdict.Decision
	}
	if (verdict.Key != "") != (verdict.Decision == fence.Commit) {
		return "", fmt.Errorf("a key with %q", verdict.Decision)
	}
	return string(decision), err
}

func (c call) from(second uint8) uint8 {
	if c.sw == 2 {
		return second
	}
	return 0
}

// learn reads what callers have learned by now: a key is shown with commit only.
func (r *registers) learn() {
	r.t.Helper()
	for sw := uint8(1); sw <= 2; sw++ {
		from := call{sw: sw}.from(r.from)
		r.keys[sw] = postgres.Password(r.text(from, "SELECT gitover.key($1)", r.id(sw)))
		r.hashes[sw] = r.text(from, "SELECT gitover.key_hash($1)", r.id(sw))
	}
}

func (r *registers) kill(server postgres.Server, pid uint32) {
	conn, err := server.Connect(context.Background(), "")
	if err == nil {
		err = postgres.TerminateSession(context.Background(), conn, int(pid))
		_ = conn.Close(context.Background())
	}
	if err != nil {
		r.t.Error(err)
	}
}

// look gives what shown gives of a state.
func (r *registers) look() string {
	r.t.Helper()
	s := initial()
	s.from[2] = r.from
	for i, conn := range r.watchers {
		rows, err := conn.Query(context.Background(), `SELECT datconnlimit = 0, NOT datallowconn, coalesce('default_transaction_read_only=on' = ANY (setconfig), false)
			FROM pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid AND s.setrole = 0 WHERE datname = ANY ($1)`, moved)
		if err != nil {
			r.t.Fatal(err)
		}
		type fence struct{ Fenced, Shut, ReadOnly bool }
		fences, err := pgx.CollectRows(rows, pgx.RowToStructByPos[fence])
		if err != nil || len(fences) != len(moved) || fences[0] != fences[1] {
			r.t.Fatalf("fences of server %d: %v, %v", i, fences, err)
		}
		s.fenced[i], s.shut[i], s.readOnly[i] = fences[0].Fenced, fences[0].Shut, fences[0].ReadOnly
	}
	for sw := uint8(1); sw <= 2; sw++ {
		of := func(server uint8, table string, words []string) uint8 {
			word := r.text(server, "SELECT state FROM gitover."+table+" WHERE id = $1", r.id(sw))
			for n, w := range words {
				if w == word {
					return uint8(n)
				}
			}
			r.t.Fatalf("%s says %q", table, word)
			return 0
		}
		s.row[sw], s.entrance[sw] = of(s.from[sw], "switches", rows), of(s.to(sw), "incoming_switches", entrances)
	}
	return shown(s)
}
