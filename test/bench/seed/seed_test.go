package seed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitover/gitover/test/bench/report"
	"github.com/gitover/gitover/test/pg"
)

const root = "../../.."

// BenchmarkSeed of every shape, between every pair of versions.
func BenchmarkSeed(b *testing.B) {
	r := report.New("seed", root)
	for b.Loop() {
		for _, pair := range strings.Split(otherwise("PAIRS", "15-17,17-18"), ",") {
			var from, to int
			if _, err := fmt.Sscanf(pair, "%d-%d", &from, &to); err != nil {
				b.Fatal(err)
			}
			for _, s := range shapes {
				if chosen := os.Getenv("SHAPES"); chosen != "" && !strings.Contains(chosen, s.name) {
					continue
				}
				b.Run(pair+" "+s.name, func(b *testing.B) { measure(b, r, s, from, to) })
				var table bytes.Buffer
				if err := r.Write(root, &table); err != nil {
					b.Fatal(err)
				}
				fmt.Printf("\n%s\n", table.String())
			}
		}
	}
}

func otherwise(variable, value string) string {
	if v := os.Getenv(variable); v != "" {
		return v
	}
	return value
}

// measure all contestants on a shape.
func measure(b *testing.B, r *report.Report, s shape, from, to int) {
	settings := pg.Settings{"wal_level": "logical", "shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "maintenance_work_mem": "256MB", "autovacuum": "off",
		"max_locks_per_transaction": "1024", "max_logical_replication_workers": "8", "max_sync_workers_per_subscription": strconv.Itoa(jobs), "max_worker_processes": "16"}
	blue, green := pg.Start(b, from, settings), pg.Start(b, to, settings)
	blue.Exec("", "CREATE DATABASE "+database)
	s.make(b, blue, pg.Number("SIZE", 2048))
	blue.Exec(database, "CREATE TABLE load (n bigint PRIMARY KEY)")
	// a note of late minor versions, which only their own pg_dump leaves out
	blue.Exec(database, "UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text ~ 'pg_attver'")
	blue.Exec(database, "VACUUM ANALYZE")
	blue.Exec(database, "CHECKPOINT")
	mebibytes, err := strconv.ParseFloat(blue.Query("", "SELECT pg_database_size('"+database+"') / 1048576.0"), 64)
	if err != nil {
		b.Fatal(err)
	}
	name := fmt.Sprintf("%d→%d %s", from, to, s.name)
	r.Add(name, "size", "MiB", mebibytes)
	want := sum(blue)
	stop := load(b, blue)
	defer stop()
	race := func(c contestant) float64 {
		green.Exec("", "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)")
		green.Exec("", "CREATE DATABASE "+database)
		green.Exec("", "CHECKPOINT")
		unix.Sync() // what the last one left to write, and its files to remove, are nobody else's time
		begun := time.Now()
		c.run(b, blue, green)
		took := time.Since(begun).Seconds()
		b.Logf("%s: %s %.2f s", name, c.name, took)
		return took
	}
	fastest, by := 0.0, ""
	for _, peer := range peers {
		if only := os.Getenv("PEERS"); only != "" && !strings.Contains(only, peer.name) {
			continue
		}
		took := race(peer)
		if have := sum(green); have != want {
			b.Errorf("%s brought %s of %s", peer.name, have, want)
		}
		r.Add(name, peer.name, "s", took)
		if by == "" || took < fastest {
			fastest, by = took, peer.name
		}
	}
	before := used(b, blue, green)
	took := race(gitover)
	after := used(b, blue, green)
	if have := sum(green); have != want {
		b.Errorf("gitover brought %s of %s", have, want)
	}
	r.Add(name, "gitover", "s", took)
	if by != "" {
		r.Against(name, "logical", "MiB/s", mebibytes/took, by, mebibytes/fastest)
	}
	for share, what := range map[float64]string{1. / 3: "a third", 1. / 2: "a half", 2. / 3: "two thirds"} {
		r.Add(name, "estimate of the time of the copy after "+what+" of it: off by", "%", lastCopy.off(share))
	}
	r.Add(name, "worst estimate of the time of the copy, after its first third", "%", lastCopy.worst())
	r.Against(name, "processor time of Gitover", "s", lastCopy.seconds, "that of both servers", after-before)
	phase(r, name, s, race)
}

// phase is the copy of the rows alone, beside what streams of psql need, or for each table.
func phase(r *report.Report, name string, s shape, race func(contestant) float64) {
	var took float64
	alone := func(rows func(b *testing.B, blue, green *pg.Server)) float64 {
		race(contestant{"rows", func(b *testing.B, blue, green *pg.Server) {
			preData(b, blue, green)
			began := time.Now()
			rows(b, blue, green)
			took = time.Since(began).Seconds()
			want, have := rowsOf(sum(blue)), rowsOf(sum(green))
			if want != have {
				b.Errorf("%s of %s", have, want)
			}
		}})
		return took
	}
	rows := alone(func(b *testing.B, blue, green *pg.Server) { copyRows(b, blue, green, false) })
	if s.floor {
		streams := alone(floor)
		r.Against(name, "rows alone: speed in relation to one COPY stream a core", "1/s", 1/rows, "psql", 1/streams)
		return
	}
	var tables float64
	if _, err := fmt.Sscanf(strings.ReplaceAll(s.name, ",", ""), "%f", &tables); err == nil {
		r.Add(name, "rows alone, a table", "ms", rows*1000/tables)
	}
}

// rowsOf a sum.
func rowsOf(sum string) string { return sum[strings.LastIndex(sum, ", ")+2:] }

// load writes a little meanwhile, to a table of its own.
func load(b *testing.B, blue *pg.Server) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	conn, err := blue.Connect(ctx, database)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ctx.Err() == nil; n++ {
			<-tick.C
			_, _ = conn.Exec(ctx, "INSERT INTO load VALUES ($1)", n)
		}
	}()
	return func() { cancel(); <-done; _ = conn.Close(context.Background()) }
}

// used processor seconds of both servers, sessions that have ended included.
func used(b *testing.B, servers ...*pg.Server) (seconds float64) {
	for _, s := range servers {
		conn, err := s.Connect(b.Context(), "") // which is there as long as its process is looked at
		if err != nil {
			b.Fatal(err)
		}
		var pid string
		if err := conn.QueryRow(b.Context(), "SELECT pg_backend_pid()::text").Scan(&pid); err != nil {
			b.Fatal(err)
		}
		// the parent of a session is the server's first process, which counts those that have ended
		for _, ticks := range fields(b, fields(b, pid)[3])[13:17] {
			n, err := strconv.ParseFloat(ticks, 64)
			if err != nil {
				b.Fatal(err)
			}
			seconds += n / 100
		}
		_ = conn.Close(b.Context())
	}
	return seconds
}

// fields of /proc/<pid>/stat; the program's name has no blanks.
func fields(b *testing.B, pid string) []string {
	content, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	return strings.Fields(string(content))
}
