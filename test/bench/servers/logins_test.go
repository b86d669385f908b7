package servers

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/test/pg"
)

// BenchmarkLogins of a pooler at a server, as each switch causes them: with the application's password in the pooler's file, and with the
// verifier that the server has.
func BenchmarkLogins(b *testing.B) {
	r := newReport(b, "logins")
	server := pg.Start(b, 17, nil)
	server.Exec("", "CREATE ROLE app LOGIN PASSWORD 'application'")
	verifier := server.Query("", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
	for b.Loop() {
		var wait, work [2]float64
		for i, secret := range []string{"application", verifier} {
			p := pg.NewPgBouncer(b, map[string]string{"app": secret}, nil)
			must(b, os.WriteFile(p.TargetFile, fmt.Appendf(nil, "[databases]\npostgres = host=%s port=%d\n", server.Host, server.Port), 0o644))
			p.Run()
			wait[i], work[i] = logins(b, p)
			p.Kill()
		}
		r.Against("a login of PgBouncer at a server", "a client's wait, with the verifier", "ms", wait[1], "with the password", wait[0])
		r.Against("a login of PgBouncer at a server", "processor of PgBouncer, with the verifier", "ms", work[1], "with the password", work[0])
	}
	write(b, r)
}

// logins: how long a client waits for its statement when the pooler has to log in first, and what of the processor that takes the pooler;
// milliseconds, the median and the mean.
func logins(b *testing.B, p *pg.PgBouncer) (wait, work float64) {
	const times = 200
	ctx := b.Context()
	console, err := p.Admin.Connect(ctx)
	must(b, err)
	defer console.Close(ctx)
	client, err := pgx.Connect(ctx, fmt.Sprintf("postgres://app:application@127.0.0.1:%d/postgres?sslmode=disable&default_query_exec_mode=simple_protocol", p.Admin.Port))
	must(b, err)
	defer client.Close(context.WithoutCancel(ctx))
	var waits []float64
	begun := ticks(b, p.PID())
	for range times {
		must(b, console.Reconnect(ctx))
		from := time.Now()
		_, err := client.Exec(ctx, "SELECT 1")
		must(b, err)
		waits = append(waits, float64(time.Since(from).Microseconds())/1000)
	}
	const milliseconds = 10 // of a tick: USER_HZ is 100
	work = float64(ticks(b, p.PID())-begun) * milliseconds / times
	slices.Sort(waits)
	return waits[times/2], work
}

// ticks of the processor that a process has used (proc(5): utime and stime).
func ticks(b *testing.B, pid int) int64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(b, err)
	var utime, stime int64
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &utime, &stime)
	must(b, err)
	return utime + stime
}
