package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

const agentSecret = postgres.Password("an agent's secret")

// registerOf starts a server with a fenceable database and opens its register.
func registerOf(t *testing.T, major int) (*pg.Server, *fence.Register) {
	t.Helper()
	s := pg.Start(t, major, pg.Settings{"log_statement": "all"})
	s.Exec("", `CREATE ROLE app LOGIN PASSWORD 'x'`)
	s.Exec("", `CREATE DATABASE "od'd ""name" CONNECTION LIMIT 7`)
	s.Exec("", `CREATE DATABASE plain`)
	for range 2 {
		if err := fence.EnsureRegister(t.Context(), s.Server, "gitover_agent", agentSecret); err != nil {
			t.Fatal(err)
		}
	}
	r, err := fence.OpenRegister(t.Context(), s.Server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return s, r
}

var fenceable = []string{`od'd "name`, "plain"}

func row(id string) fence.SwitchRow {
	return fence.SwitchRow{ID: id, From: "here", To: "there", Databases: fenceable}
}

func limits(t *testing.T, s *pg.Server) string {
	t.Helper()
	return s.Query("", "SELECT string_agg(datconnlimit::text, ' ' ORDER BY datname) FROM pg_database WHERE datname IN ('plain', 'od''d \"name')")
}

func decided(t *testing.T, want fence.Decision) func(fence.Decision, error) {
	t.Helper()
	return func(got fence.Decision, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

// stands is decided for those who are also given the key, which comes with commit alone.
func stands(t *testing.T, want fence.Decision) func(fence.Verdict, error) postgres.Password {
	t.Helper()
	return func(got fence.Verdict, err error) postgres.Password {
		t.Helper()
		if err != nil || got.Decision != want || (got.Key != "") != (want == fence.Commit) {
			t.Errorf("%q, a key of %d characters, %v; want %q", got.Decision, len(got.Key), err, want)
		}
		return got.Key
	}
}

func TestTheRegisterDecidesOnceAndMovesTheFenceWithIt(t *testing.T) {
	for _, major := range pg.Ends() {
		s, r := registerOf(t, major)
		ctx := t.Context()
		const open, fenced = "7 -1", "0 0"
		expect := func(when, want string) {
			t.Helper()
			if got := limits(t, s); got != want {
				t.Errorf("%d, %s: limits %q, want %q", major, when, got, want)
			}
		}
		stands(t, fence.NeverBegan)(r.State(ctx, "a"))
		decided(t, fence.Open)(r.Begin(ctx, row("a")))
		if _, err := r.Begin(ctx, row("b")); !postgres.InUse(err) {
			t.Errorf("a second switch at once: %v", err)
		}
		if _, err := r.Commit(ctx, "a", "test", nil); err == nil {
			t.Error("a switch commits without a fence")
		}
		for range 2 {
			decided(t, fence.Open)(r.Fence(ctx, "a"))
		}
		expect("fenced", fenced)
		for range 2 {
			stands(t, fence.Abort)(r.Abort(ctx, "a", "test"))
		}
		expect("aborted", open)
		decided(t, fence.Abort)(r.Fence(ctx, "a"))
		stands(t, fence.Abort)(r.Commit(ctx, "a", "test", nil))
		expect("a late fence and commit", open)
		stands(t, fence.Abort)(r.Abort(ctx, "never", "test"))
		decided(t, fence.Abort)(r.Begin(ctx, row("never")))

		decided(t, fence.Open)(r.Begin(ctx, row("b")))
		decided(t, fence.Open)(r.Fence(ctx, "b"))
		stands(t, fence.Commit)(r.Commit(ctx, "b", "test", map[string]int64{"d": 1 << 62}))
		if markers, err := r.Markers(ctx, "b"); err != nil || len(markers) != 1 || markers["d"] != 1<<62 {
			t.Errorf("markers %v, %v", markers, err)
		}
		// its abort would open what nobody has looked at
		if decision, err := r.Begin(ctx, row("late")); err == nil {
			t.Errorf("a switch begins on a server that is closed: %s", decision)
		}
		if key, again := stands(t, fence.Commit)(r.Abort(ctx, "b", "test")), stands(t, fence.Commit)(r.State(ctx, "b")); key != again {
			t.Error("the key of a switch changes")
		}
		expect("committed", fenced)

		// The other side's register draws the key; here the same server plays both.
		key := stands(t, fence.Commit)(r.State(ctx, "b"))
		hash, err := r.KeyHash(ctx, "b")
		if err != nil {
			t.Fatal(err)
		}
		position, err := r.Ready(ctx, row("back"), hash)
		if again, _ := r.Ready(ctx, row("back"), "another hash"); err != nil || position == "" || again != position {
			t.Errorf("ready at %q, then %q: %v", position, again, err)
		}
		for _, wrong := range []postgres.Password{"", "a guess", postgres.Password(hash)} {
			if state, err := r.Unfence(ctx, "back", "thief", wrong); err != nil || state != "ready" {
				t.Errorf("open without the key: %q, %v", state, err)
			}
		}
		expect("opened without the key", fenced)
		for range 2 {
			if state, err := r.Unfence(ctx, "back", "test", key); err != nil || state != "opened" {
				t.Errorf("open: %q, %v", state, err)
			}
		}
		expect("opened", open)
		decided(t, fence.Open)(r.Begin(ctx, row("c")))
		decided(t, fence.Open)(r.Fence(ctx, "c"))
		if state, err := r.Unfence(ctx, "back", "late agent", key); err != nil || state != "opened" {
			t.Errorf("late open: %q, %v", state, err)
		}
		expect("opened late, after the server was left again", fenced)
		if strings.Contains(s.Log(), string(agentSecret)) {
			t.Error("the agents' password is in the server's log")
		}
	}
}

func TestTheAgentsRoleMayDoFourThings(t *testing.T) {
	s, _ := registerOf(t, 13)
	ctx := t.Context()
	agent := s.Server
	agent.User, agent.Password = "gitover_agent", agentSecret
	r, err := fence.OpenRegister(ctx, agent)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(ctx)
	stands(t, fence.NeverBegan)(r.State(ctx, "a"))
	stands(t, fence.Abort)(r.Abort(ctx, "a", "agent"))
	if state, err := r.Unfence(ctx, "a", "agent", ""); err != nil || state != "" {
		t.Errorf("open of an unknown switch: %q, %v", state, err)
	}
	if _, err := r.Begin(ctx, row("b")); !postgres.RightsMissing(err) {
		t.Errorf("begin: %v", err)
	}
	for _, statement := range []string{
		"SELECT gitover.lift()", "SELECT gitover.shut('{plain}', false)", "SELECT gitover.admit('a', '{}')", "SELECT gitover.key_hash('a')", "SELECT gitover.fence('a')", "SELECT gitover.commit('a', 'x', '{}')",
		"SELECT * FROM gitover.switches", "DELETE FROM gitover.connection_limits", "CREATE TABLE gitover.t ()",
		"ALTER DATABASE plain CONNECTION LIMIT 5", "CREATE ROLE x",
	} {
		if _, err := r.Conn().Exec(ctx, statement); !postgres.RightsMissing(err) {
			t.Errorf("%s: %v", statement, err)
		}
	}
	app := s.Server
	app.User, app.Password = "app", "x"
	if _, err := app.Connect(ctx, postgres.MaintenanceDatabase); !postgres.RightsMissing(err) {
		t.Errorf("an application in Gitover's database: %v", err)
	}
}

func TestSequencesAreCopiedExactly(t *testing.T) {
	from, to := pg.Start(t, 18, nil), pg.Start(t, 13, nil)
	ctx := t.Context()
	for _, s := range []*pg.Server{from, to} {
		s.Exec("", `CREATE SEQUENCE up; CREATE SEQUENCE down INCREMENT -7 MINVALUE -1000 MAXVALUE 3; CREATE SEQUENCE cached CACHE 50;
			CREATE SEQUENCE cycled MINVALUE 1 MAXVALUE 3 CYCLE; CREATE SEQUENCE uncalled START 9; CREATE SEQUENCE "we""ird; --";
			CREATE SEQUENCE tiny AS smallint; CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, s serial);
			CREATE SCHEMA "other one"; CREATE SEQUENCE "other one".up;
			DO $$ BEGIN FOR i IN 1..1200 LOOP EXECUTE 'CREATE SEQUENCE many_' || i; END LOOP; END $$`)
	}
	read, err := from.Connect(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close(ctx)
	write, err := to.Connect(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close(ctx)
	reader, err := transfer.NewSequenceReader(ctx, read)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := transfer.NewSequenceWriter(ctx, write)
	if err != nil {
		t.Fatal(err)
	}
	beside, err := from.Connect(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close(ctx)
	reader.ReadOn(beside)
	before, err := reader.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	from.Exec("", `SELECT nextval('up'), nextval('down'), nextval('down'), nextval('cached'), setval('uncalled', 4, false), nextval('"we""ird; --"');
		SELECT nextval('cycled') FROM generate_series(1, 4); SELECT setval('tiny', 32767); INSERT INTO t DEFAULT VALUES; SELECT setval('"other one".up', 5, false);
		SELECT setval('many_7', 70), setval('many_1100', 11, false)`)
	after, err := reader.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	moved := transfer.MovedSequences(before, after)
	if len(moved) != 12 {
		t.Errorf("%d sequences moved: %v", len(moved), moved)
	}
	for range 2 {
		if err := writer.Set(ctx, moved); err != nil {
			t.Fatal(err)
		}
	}
	for name, query := range map[string]string{
		"up": "nextval('up')", "down": "nextval('down')", "cycled": "nextval('cycled')", "uncalled": "nextval('uncalled')",
		"schema": `nextval('"other one".up')`, "identity": "nextval('t_id_seq')", "serial": "nextval('t_s_seq')",
		"one of many": "nextval('many_7')", "another": "nextval('many_1100')", "one that nobody called": "nextval('many_500')",
	} {
		if a, b := from.Query("", "SELECT "+query), to.Query("", "SELECT "+query); a != b {
			t.Errorf("next of %s: %s there, %s here", name, a, b)
		}
	}
	if next := to.Query("", "SELECT nextval('cached')"); next != "51" {
		t.Errorf("next of cached: %s; a session on the other side may hold 2 to 50", next)
	}
}
