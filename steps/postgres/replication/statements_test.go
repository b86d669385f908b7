package replication

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

const nasty = `we"ird '\ $1`

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStatementsQuoteEveryName(t *testing.T) {
	same(t, createPublication(nasty, []string{"public.a", `"S".b`}),
		`CREATE PUBLICATION "we""ird '\ $1" FOR TABLE ONLY public.a, ONLY "S".b WITH (publish = 'insert, update, delete, truncate')`)
	same(t, createPublication("p", nil), `CREATE PUBLICATION "p" WITH (publish = 'insert, update, delete, truncate')`)
	o := SubscribeOptions{Database: nasty, Names: postgres.Names{UID: "5f9c1a3e-0000-4000"}, CopyData: true}
	same(t, createSubscription(o, "s", `password='x'`, 15, durableCommits),
		`CREATE SUBSCRIPTION "s" CONNECTION 'password=''x''' PUBLICATION "gitover_5f9c1a3e0000" WITH (create_slot = false, slot_name = 's', enabled = true, copy_data = true, synchronous_commit = local)`)
	o.CopyData = false
	same(t, createSubscription(o, "s", "", 16, lazyCommits),
		`CREATE SUBSCRIPTION "s" CONNECTION '' PUBLICATION "gitover_5f9c1a3e0000" WITH (create_slot = false, slot_name = 's', enabled = true, copy_data = false, synchronous_commit = off, run_as_owner = true)`)
	same(t, refreshPublication(nasty), `ALTER SUBSCRIPTION "we""ird '\ $1" REFRESH PUBLICATION WITH (copy_data = true)`)
	same(t, strings.Join(dropSubscription(nasty), "; "),
		`ALTER SUBSCRIPTION "we""ird '\ $1" DISABLE; ALTER SUBSCRIPTION "we""ird '\ $1" SET (slot_name = NONE); DROP SUBSCRIPTION IF EXISTS "we""ird '\ $1"`)
}

func TestProgressCountsATableThatIsBeingCopied(t *testing.T) {
	total := []tableSize{{"a", 100, ""}, {"b", 200, ""}, {"c", 300, ""}, {"d", 50, ""}}
	copied := []tableSize{{"a", 90, "r"}, {"b", 80, "d"}, {"c", 8, "i"}, {"d", 999, "d"}}
	if got := progress(total, copied); got != (Progress{4, 1, 650, 230}) {
		t.Errorf("progress %+v", got)
	}
}

func TestAConnectionStringSurvivesAnyPassword(t *testing.T) {
	s := postgres.Server{Host: "blue", Port: 5433, User: `o'neil\`, Password: `it's \ "x" = `}
	config, err := pgx.ParseConfig(Conninfo(s, nasty, 18))
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "blue" || config.Port != 5433 || config.User != s.User || config.Password != string(s.Password) || config.Database != nasty {
		t.Errorf("parsed %s %d %s %s", config.Host, config.Port, config.User, config.Database)
	}
}

func FuzzConninfoValue(f *testing.F) {
	f.Add("x")
	f.Add(`'\ =`)
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsRune(value, 0) {
			t.Skip("no server takes NUL")
		}
		config, err := pgx.ParseConfig("host=h password=" + conninfoValue(value) + " user=u")
		if err != nil || config.Password != value || config.User != "u" {
			t.Errorf("%q: %v", value, err)
		}
	})
}
