package postgres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
	"github.com/gitover/gitover/test/randomddl"
)

// TestRandomSchemasAreEqualOnceTheyAreCopied, each change of one side is found, and the statements that are named make
// both equal again. GITOVER_SEED takes the first seed, GITOVER_SEEDS how many.
func TestRandomSchemasAreEqualOnceTheyAreCopied(t *testing.T) {
	first, seeds := rand.Uint64N(1_000_000), uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("GITOVER_SEED"), 10, 64); err == nil {
		first = n
	}
	if n, err := strconv.ParseUint(os.Getenv("GITOVER_SEEDS"), 10, 64); err == nil {
		seeds = n
	}
	pairs := [][2]int{{15, 17}, {postgres.Latest, postgres.Oldest}}
	if pg.Full {
		pairs = append(pairs, [2]int{postgres.Oldest, postgres.Latest}, [2]int{17, 15})
	} else { // a pair a run
		pairs = pairs[first%2 : first%2+1]
	}
	for _, pair := range pairs {
		t.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(t *testing.T) {
			serving, following := pg.Start(t, pair[0], pg.Logical), pg.Start(t, pair[1], pg.Logical)
			for _, role := range randomddl.Roles {
				for _, s := range []*pg.Server{serving, following} {
					s.Exec("", "CREATE ROLE "+role)
				}
			}
			for seed := range seeds {
				randomSchema(t, serving, following, first+seed)
			}
		})
	}
}

func randomSchema(t *testing.T, serving, following *pg.Server, seed uint64) {
	t.Logf("GITOVER_SEED=%d", seed)
	db := fmt.Sprintf("d%d", seed)
	for _, s := range []*pg.Server{serving, following} {
		s.Exec("", "CREATE DATABASE "+db)
		s.Exec(db, "DROP SCHEMA public")
	}
	following.Exec("", "ALTER DATABASE "+db+" CONNECTION LIMIT 0")
	maker := randomddl.New(seed, following.Major < serving.Major)
	var ran []string
	run := func(statement string) bool {
		conn, err := serving.Connect(t.Context(), db)
		must(t, err)
		defer conn.Close(t.Context())
		if _, err = conn.Exec(t.Context(), statement); err == nil {
			ran = append(ran, statement)
		}
		return err == nil
	}
	statements := maker.Schema(100)
	for _, statement := range statements {
		run(statement)
	}
	if len(ran) < len(statements)/2 {
		t.Errorf("only %d of %d statements were taken", len(ran), len(statements))
	}
	findings, err := preflight.Check(t.Context(), serving.Server, request(following.Major, db))
	must(t, err)
	if b := blocking(findings); len(b) > 0 {
		t.Fatalf("seed %d: the preflight blocks: %s", seed, list(b))
	}
	pg.CopySchema(t, copy.PreData, serving, following, db)
	pg.CopySchema(t, copy.PostData, serving, following, db)
	drift := func() schema.Drift {
		d, err := schema.Compare(t.Context(), serving.Server, following.Server, db, schema.Whole)
		must(t, err)
		return d
	}
	if d := drift(); len(d.Differences) > 0 {
		t.Fatalf("seed %d: once copied, %q", seed, d.Differences)
	}
	changed, fixed, unknown := 0, 0, map[string]bool{}
	changes := 15
	if pg.Full {
		changes = 40
	}
	last := dumpOf(t, serving, db)
	for changed < changes {
		statement := maker.Change()
		if !run(statement) {
			continue
		}
		now := dumpOf(t, serving, db)
		if now == last {
			continue
		}
		last = now
		changed++
		d := drift()
		if len(d.Differences) == 0 {
			t.Errorf("seed %d: not seen: %s", seed, statement)
			continue
		}
		ddl, err := schema.EqualizingDDL(t.Context(), serving.Server, following.Server, db, d)
		must(t, err)
		if err := schema.ApplyDDL(t.Context(), following.Server, db, ddl); err != nil {
			t.Errorf("seed %d: %s: %q: %v", seed, statement, ddl.Statements, err)
		}
		if left := drift(); len(left.Differences) == 0 {
			fixed++
			continue
		} else if len(ddl.Unknown) == 0 {
			t.Errorf("seed %d: %s: after %q, %q", seed, statement, ddl.Statements, left.Differences)
		}
		unknown[strings.Join(ddl.Unknown, ", ")] = true
		following.Exec(db, "SET default_transaction_read_only = off; "+statement)
		if left := drift(); len(left.Differences) > 0 {
			t.Fatalf("seed %d: the same change on both sides: %s: %q", seed, statement, left.Differences)
		}
	}
	t.Logf("seed %d: %d statements of a schema, %d changes, %d fixed by statements; by hand: %q", seed, len(ran), changed, fixed, slices.Sorted(maps.Keys(unknown)))
}

// secretOfDump differs from run to run.
var secretOfDump = regexp.MustCompile(`(?m)^\\(un)?restrict .*$`)

// dumpOf says whether a statement changed anything at all.
func dumpOf(t *testing.T, s *pg.Server, db string) string {
	dump := pg.Output(t, s.Major, nil, pg.Environ(s.Server, db), "pg_dump", "--schema-only", "--no-comments")
	return secretOfDump.ReplaceAllString(dump, "")
}
