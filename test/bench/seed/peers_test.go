package seed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
	"github.com/gitover/gitover/test/pg"
)

// jobs that every contestant has: as many as this machine has cores.
var jobs = pg.Number("JOBS", 2)

// contestant brings everything from blue to an empty database of green.
type contestant struct {
	name string
	run  func(b *testing.B, blue, green *pg.Server)
}

var gitover = contestant{"logical", func(b *testing.B, blue, green *pg.Server) {
	preData(b, blue, green)
	copyRows(b, blue, green, true)
}}

// copyRows in a process of its own, whose processor time counts.
func copyRows(b *testing.B, blue, green *pg.Server, indexes bool) {
	b.Helper()
	text, err := json.Marshal(order{blue.Host, green.Host, blue.Port, green.Port, jobs, indexes})
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asCopier+"="+string(text))
	var said, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &errs
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v\n%s", err, errs.String())
	}
	if os.Getenv("VERBOSE") != "" {
		b.Log(errs.String())
	}
	lastCopy = copied{seconds: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	for line := range strings.Lines(said.String()) {
		var at, total float64
		if _, err := fmt.Sscan(line, &at, &total); err == nil {
			lastCopy.at, lastCopy.total = append(lastCopy.at, at), append(lastCopy.total, total)
		}
	}
}

// asCopier is the variable by which this program copies instead.
const asCopier = "GITOVER_BENCH_COPY"

// order to copy.
type order struct {
	From, To         string
	FromPort, ToPort int
	Jobs             int
	Indexes          bool
}

func (o order) run() error {
	server := func(host string, port int) postgres.Server {
		return postgres.Server{Instance: fmt.Sprint(port), Host: host, Port: port, User: "postgres", Password: pg.Password, MaintenanceDatabase: "postgres"}
	}
	begun := time.Now()
	_, err := tablecopy.Copy(context.Background(), tablecopy.Options{From: server(o.From, o.FromPort), To: server(o.To, o.ToPort), FromDatabase: database, ToDatabase: database,
		Jobs: o.Jobs, Indexes: o.Indexes, Every: 100 * time.Millisecond, Progress: func(p tablecopy.Progress) {
			at := time.Since(begun).Seconds()
			if p.Left > 0 || p.SecondsLeft == 0 {
				fmt.Println(at, at+p.Left.Seconds())
			}
			if os.Getenv("VERBOSE") != "" {
				fmt.Fprintf(os.Stderr, "%.1f s: %.1f s as a whole; %s\n", at, at+p.Left.Seconds(), p)
			}
		}})
	return err
}

func TestMain(m *testing.M) {
	text := os.Getenv(asCopier)
	if text == "" {
		os.Exit(m.Run())
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// copied says of a copy what processor time it needed, and when it estimated that it would take how long as a whole.
type copied struct {
	seconds   float64
	at, total []float64
}

var lastCopy copied

// off says by how many percent the estimate of the whole time was wrong at a share of it; negative: too short.
func (c copied) off(share float64) (percent float64) {
	if len(c.at) == 0 {
		return math.NaN()
	}
	took := c.at[len(c.at)-1]
	for i, at := range c.at {
		if at >= share*took {
			return 100 * (c.total[i] - took) / took
		}
	}
	return math.NaN()
}

// worst estimate after the first third, in percent, too long or too short.
func (c copied) worst() (percent float64) {
	if len(c.at) == 0 {
		return 0
	}
	took := c.at[len(c.at)-1]
	for i, at := range c.at {
		if at >= took/3 {
			percent = max(percent, 100*math.Abs(c.total[i]-took)/took)
		}
	}
	return percent
}

var peers = []contestant{
	{"pgcopydb", func(b *testing.B, blue, green *pg.Server) {
		uri := func(s *pg.Server) string { return fmt.Sprintf("postgres://%s@%s/%s", s.User, s.Address(), database) }
		pg.Tool(b, "pgcopydb", []string{"PGPASSWORD=" + pg.Password}, "pgcopydb", "clone", "--source", uri(blue), "--target", uri(green), "--dir", "/tmp/pgcopydb", "--no-owner", "--no-acl",
			"--table-jobs", fmt.Sprint(jobs), "--index-jobs", fmt.Sprint(jobs), "--split-tables-larger-than", "1GB")
	}},
	{"pg_dump and pg_restore", func(b *testing.B, blue, green *pg.Server) {
		// a directory on this machine's disk, as the servers': /tmp of the programs is memory
		directory(b, green, func(dump string) {
			pg.OutputIn(b, green.Major, dump, pg.Environ(blue.Server, database), "pg_dump", "-Fd", "-Z0", "-j", fmt.Sprint(jobs), "-f", "/mnt/dump")
			pg.OutputIn(b, green.Major, dump, pg.Environ(green.Server, database), "pg_restore", "-j", fmt.Sprint(jobs), "-d", database, "/mnt/dump")
		})
		pg.Output(b, green.Major, nil, pg.Environ(green.Server, database), "vacuumdb", "--analyze-only", "-j", fmt.Sprint(jobs), "-q", database)
	}},
	{"table synchronization", func(b *testing.B, blue, green *pg.Server) {
		preData(b, blue, green)
		blue.Exec(database, "CREATE PUBLICATION everything FOR ALL TABLES")
		green.Exec(database, fmt.Sprintf("CREATE SUBSCRIPTION sync CONNECTION 'host=%s port=%d user=postgres dbname=%s password=''%s''' PUBLICATION everything",
			blue.Host, blue.Port, database, strings.NewReplacer(`\`, `\\`, `'`, `\''`).Replace(pg.Password)))
		for green.Query(database, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')") != "0" {
			if green.Query("", "SELECT pg_sleep(0.1)") != "" {
				b.Fatal("no answer")
			}
		}
		green.Exec(database, "ALTER SUBSCRIPTION sync DISABLE")
		green.Exec(database, "DROP SUBSCRIPTION sync")
		directory(b, green, func(dump string) {
			pg.OutputIn(b, green.Major, dump, pg.Environ(blue.Server, database), "pg_dump", "-Fc", "--section=post-data", "--no-publications", "-f", "/mnt/rest")
			pg.OutputIn(b, green.Major, dump, pg.Environ(green.Server, database), "pg_restore", "-j", fmt.Sprint(jobs), "-d", database, "/mnt/rest")
		})
		blue.Exec(database, "DROP PUBLICATION everything")
		pg.Output(b, green.Major, nil, pg.Environ(green.Server, database), "vacuumdb", "--analyze-only", "-j", fmt.Sprint(jobs), "-q", database)
	}},
}

// directory that the programs see as /mnt.
func directory(b *testing.B, s *pg.Server, do func(dir string)) {
	dir, err := os.MkdirTemp("", "gitover-seed-")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		b.Fatal(s.Instance, err)
	}
	do(dir)
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
}

// preData makes the tables alone.
func preData(b *testing.B, blue, green *pg.Server) {
	begun := time.Now()
	defer func() { b.Logf("tables alone: %.2f s", time.Since(begun).Seconds()) }()
	dump := pg.Output(b, green.Major, nil, pg.Environ(blue.Server, database), "pg_dump", "--section=pre-data")
	pg.Output(b, green.Major, strings.NewReader(dump), pg.Environ(green.Server, database), "psql", "-qX1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null")
}

// floor is one COPY stream a core, by psql: parts of the tables, as many as there are streams.
func floor(b *testing.B, blue, green *pg.Server) {
	tables := strings.Fields(blue.Query(database, "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'load%'"))
	group, ctx := errgroup.WithContext(b.Context())
	for n := range jobs {
		group.Go(func() error {
			for _, table := range tables {
				if err := stream(ctx, b, blue, green, table, n); err != nil {
					return fmt.Errorf("%s: %w", table, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// stream the n-th part of a table.
func stream(ctx context.Context, b *testing.B, blue, green *pg.Server, table string, n int) error {
	pages := "(pg_relation_size('" + table + "') / 8192)"
	where := blue.Query(database, fmt.Sprintf("SELECT format('ctid >= ''(%%s,0)'' AND ctid < ''(%%s,0)''', %[1]s * %[2]d / %[3]d, %[1]s * %[4]d / %[3]d + (%[4]d = %[3]d)::int)", pages, n, jobs, n+1))
	out := pg.Program(ctx, b, green.Major, pg.Environ(blue.Server, database), "psql", "-qX", "-c", "COPY (SELECT * FROM "+table+" WHERE "+where+") TO STDOUT (FORMAT binary)")
	in := pg.Program(ctx, b, green.Major, pg.Environ(green.Server, database), "psql", "-qX", "-c", "COPY "+table+" FROM STDIN (FORMAT binary)")
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	out.Stdout, in.Stdin, out.Stderr, in.Stderr = w, r, os.Stderr, os.Stderr
	if err := in.Start(); err != nil {
		return err
	}
	err = out.Run()
	_, _ = w.Close(), r.Close()
	if failed := in.Wait(); err == nil {
		err = failed
	}
	return err
}
