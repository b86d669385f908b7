package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/tablecopy/wire"
	"github.com/gitover/gitover/test/pg"
)

func open(t *testing.T, s *pg.Server) *wire.Session {
	t.Helper()
	session, err := wire.Open(t.Context(), s.Server, "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

// TestAFieldOfAnySizeNeedsLittleMemory: of up to 1 GiB, which the driver would read as a whole.
func TestAFieldOfAnySizeNeedsLittleMemory(t *testing.T) {
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	mebibytes := 64
	if pg.Full {
		mebibytes = 512
	}
	blue.Exec("", "CREATE TABLE large (id int, content bytea); ALTER TABLE large ALTER content SET STORAGE EXTERNAL")
	blue.Exec("", fmt.Sprintf("INSERT INTO large SELECT 1, decode(repeat('00ff7e0d', %d), 'hex'); INSERT INTO large VALUES (2, '\\x00')", mebibytes<<18))
	green.Exec("", "CREATE TABLE large (id int, content bytea)")
	from, to := open(t, blue), open(t, green)
	most := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows, err := wire.Transfer{Out: "COPY large TO STDOUT (FORMAT binary)", In: "COPY large FROM STDIN (FORMAT binary)", Moved: func(_ context.Context, bytes int) error {
		most = max(most, bytes)
		return nil
	}}.Run(t.Context(), from, to)
	runtime.ReadMemStats(&after)
	if err != nil || len(rows) != 1 || rows[0] != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 2 || most > 1<<20 {
		t.Errorf("%d MiB were allocated, and %d bytes sent at once", allocated, most)
	}
	sum := "SELECT string_agg(id || ':' || length(content) || ':' || md5(content), ' ' ORDER BY id) FROM large"
	if want, have := blue.Query("", sum), green.Query("", sum); want != have || !strings.Contains(have, fmt.Sprint("1:", mebibytes<<20)) {
		t.Errorf("%s arrived as %s", want, have)
	}
}

func TestManyTablesTakeOneRoundTrip(t *testing.T) {
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	var out, in []string
	for i := range 50 {
		blue.Exec("", fmt.Sprintf("CREATE TABLE t%d (a int, b text); INSERT INTO t%[1]d SELECT g, repeat('x', g) FROM generate_series(1, %[1]d * 20) g", i))
		green.Exec("", fmt.Sprintf("CREATE TABLE t%d (a int, b text)", i))
		out, in = append(out, fmt.Sprintf("COPY t%d TO STDOUT", i)), append(in, fmt.Sprintf("COPY t%d FROM STDIN", i))
	}
	from, to := open(t, blue), open(t, green)
	rows, err := wire.Transfer{Out: strings.Join(out, ";"), In: "BEGIN;" + strings.Join(in, ";") + "; COMMIT"}.Run(t.Context(), from, to)
	if err != nil || len(rows) != 50 || rows[0] != 0 || rows[49] != 980 {
		t.Fatalf("%v, %v", rows, err)
	}
	// the sessions are ready for more
	for _, s := range []*wire.Session{from, to} {
		found, err := s.Query(t.Context(), "SELECT count(*), sum(length(b)), NULL FROM t49; SELECT 'more'")
		if err != nil || len(found) != 2 || strings.Join(found[0], " ") != "980 480690 " || found[1][0] != "more" {
			t.Errorf("%q, %v", found, err)
		}
	}
}

func TestWhatEitherServerRefusesIsTheErrorAndNothingArrives(t *testing.T) {
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	blue.Exec("", "CREATE TABLE a (n int); INSERT INTO a SELECT g FROM generate_series(1, 200000) g; CREATE VIEW bad AS SELECT 1 / (n - 100000) AS n FROM a")
	green.Exec("", "CREATE TABLE a (n int CHECK (n <> 1000)); CREATE TABLE bad (n int)")
	for _, c := range []struct{ out, in, says string }{
		{"COPY a TO STDOUT", "COPY a FROM STDIN", "test-17: ERROR: new row for relation"},
		{"COPY (TABLE bad) TO STDOUT", "COPY bad FROM STDIN", "test-15: ERROR: division by zero"},
		{"COPY missing TO STDOUT", "COPY bad FROM STDIN", "test-15: ERROR: relation"},
		{"COPY a TO STDOUT", "COPY missing FROM STDIN", "test-17: ERROR: relation"},
		{"COPY a TO STDOUT", "COPY bad FROM STDIN (FORMAT binary)", "test-17: ERROR: COPY file signature"},
		{"COPY (TABLE bad) TO STDOUT", "COPY missing FROM STDIN", "ERROR: "},
	} {
		_, err := wire.Transfer{Out: c.out, In: c.in}.Run(t.Context(), open(t, blue), open(t, green))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %s: %v", c.out, c.in, err)
		}
	}
	stop := errors.New("stop")
	_, err := wire.Transfer{Out: "COPY a TO STDOUT", In: "COPY bad FROM STDIN", Moved: func(context.Context, int) error { return stop }}.Run(t.Context(), open(t, blue), open(t, green))
	if !errors.Is(err, stop) {
		t.Error(err)
	}
	if n := green.Query("", "SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM bad)"); n != "0" {
		t.Errorf("%s rows", n)
	}
}

func TestASessionEndsWithItsContextAndWithItsServer(t *testing.T) {
	blue := pg.Start(t, 15, nil)
	s := open(t, blue)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Query(ctx, "SELECT pg_sleep(100)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	s = open(t, blue)
	pid, err := s.Query(t.Context(), "SELECT pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
	blue.Query("", "SELECT pg_terminate_backend("+pid[0][0]+")")
	if _, err := s.Query(t.Context(), "SELECT pg_sleep(30)"); !postgres.Interrupted(err) {
		t.Error(err)
	}
	var op *net.OpError
	s.Close()
	if _, err := s.Query(t.Context(), "SELECT 1"); !errors.As(err, &op) {
		t.Error(err)
	}
}
