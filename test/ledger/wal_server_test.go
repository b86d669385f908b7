package ledger

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/test/pg"
)

var updateSamples = flag.Bool("update", false, "write what the servers' pg_waldump prints to testdata")

// deeds are what clients do to a server, and in how many commits of theirs it takes writes
// to the ledger's tables: the last ones are none, for the reasons that WALReader gives.
const deeds = `
INSERT INTO ledger.entry (id, client, note) VALUES (1, 1, 'one'), (2, 1, 'two');
UPDATE ledger.counter SET n = n + 1 WHERE id = 7;
UPDATE ledger.entry SET id = 3 WHERE id = 2;
DELETE FROM ledger.entry WHERE id = 3;
BEGIN; SAVEPOINT a; INSERT INTO ledger.journal (id, client) VALUES (5, 1); RELEASE a; COMMIT;
BEGIN; INSERT INTO ledger.entry (id, client, note) VALUES (9, 1, 'never'); ROLLBACK;
BEGIN; SELECT * FROM ledger.entry FOR UPDATE; COMMIT;
INSERT INTO elsewhere VALUES (1);
SELECT nextval('ledger.lone');
COPY (SELECT 77::bigint, 1) TO '/tmp/copied'; COPY ledger.journal (id, client) FROM '/tmp/copied'`

const deedsAccepted = 5

// Each server takes writes in one database and follows another server in a second one. Its
// WAL tells the two apart.
func TestTheWALOfEachVersionTellsClientsFromReplication(t *testing.T) {
	var servers []*pg.Server
	for _, major := range pg.Every(3, 0, pg.Majors()) {
		server := pg.Start(t, major, pg.Logical)
		for _, database := range []string{"orders", "follower"} {
			server.Exec("", "CREATE DATABASE "+database)
		}
		with(t, server, "orders", Install)
		with(t, server, "follower", Install)
		server.Exec("follower", "TRUNCATE ledger.counter")
		server.Exec("orders", "CREATE TABLE elsewhere (n int); CREATE PUBLICATION all_of_it FOR TABLE ledger.entry, ledger.counter, ledger.journal")
		servers = append(servers, server)
	}
	for i, server := range servers {
		leader := servers[(i+1)%len(servers)]
		server.Exec("follower", fmt.Sprintf("CREATE SUBSCRIPTION s%d CONNECTION '%s' PUBLICATION all_of_it", i, conninfo(leader)))
		awaitQuery(t, server, "follower", "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")
	}
	readers, began := map[*pg.Server]*WALReader{}, map[*pg.Server]int{}
	for _, server := range servers {
		readers[server] = NewWALReader(server.Instance)
		readOn(t, server, readers[server])
		began[server] = len(readers[server].Accepted())
		if began[server] == 0 {
			t.Errorf("PostgreSQL %d: the installation of the ledger's tables isn't seen", server.Major)
		}
	}
	before := time.Now()
	for _, server := range servers {
		for statement := range strings.SplitSeq(deeds, ";\n") {
			server.Exec("orders", statement)
		}
	}
	for _, server := range servers {
		awaitQuery(t, server, "follower", "SELECT count(*) = 2 FROM ledger.journal")
		sample := readOn(t, server, readers[server])
		accepted := readers[server].Accepted()[began[server]:]
		if len(accepted) != deedsAccepted {
			t.Errorf("PostgreSQL %d accepted %d commits of clients, its WAL tells of %d:\n%s", server.Major, deedsAccepted, len(accepted), sample)
		}
		if !strings.Contains(sample, "; origin: node") {
			t.Errorf("PostgreSQL %d took nothing by replication", server.Major)
		}
		for _, a := range accepted {
			if a.At.Before(before) || a.At.After(time.Now()) {
				t.Errorf("PostgreSQL %d: a commit of %v, while it was %v", server.Major, a.At, before)
			}
		}
		if *updateSamples {
			tables := strings.Join(slices.Sorted(mapKeys(readers[server].tables)), " ")
			if err := os.WriteFile(samplePath(server.Major), []byte(tables+"\n"+sample), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// readOn reads what is new in a server's WAL and returns it.
func readOn(t *testing.T, server *pg.Server, reader *WALReader) string {
	t.Helper()
	for _, database := range []string{"orders", "follower"} {
		with(t, server, database, reader.WatchDatabase)
	}
	var dump string
	with(t, server, "", func(ctx context.Context, conn *pgx.Conn) error {
		piece, err := reader.Next(ctx, conn)
		if err != nil {
			return err
		}
		dump = server.Shell(ctx, DumpWAL(piece))
		return reader.ReadDump(dump)
	})
	return dump
}

func awaitQuery(t *testing.T, server *pg.Server, database, query string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for server.Query(database, query) != "t" {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("PostgreSQL %d, %s: not so after 30 s: %s\n%s", server.Major, database, query, server.Log())
		}
	}
}

// conninfo of a server's database orders, quoted for a string constant.
func conninfo(s *pg.Server) string {
	password := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(string(s.Password))
	text := fmt.Sprintf("host=%s port=%d user=%s password='%s' dbname=orders", s.Host, s.Port, s.User, password)
	return strings.ReplaceAll(text, "'", "''")
}
