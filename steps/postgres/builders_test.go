package postgres

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
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
	o := SubscribeOptions{Database: nasty, Names: Names{UID: "5f9c1a3e-0000-4000"}, CopyData: true}
	same(t, createSubscription(o, "s", `password='x'`, 15, durableCommits),
		`CREATE SUBSCRIPTION "s" CONNECTION 'password=''x''' PUBLICATION "gitover_5f9c1a3e0000" WITH (create_slot = false, slot_name = 's', enabled = true, copy_data = true, synchronous_commit = local)`)
	o.CopyData = false
	same(t, createSubscription(o, "s", "", 16, lazyCommits),
		`CREATE SUBSCRIPTION "s" CONNECTION '' PUBLICATION "gitover_5f9c1a3e0000" WITH (create_slot = false, slot_name = 's', enabled = true, copy_data = false, synchronous_commit = off, run_as_owner = true)`)
	same(t, refreshPublication(nasty), `ALTER SUBSCRIPTION "we""ird '\ $1" REFRESH PUBLICATION WITH (copy_data = true)`)
	same(t, strings.Join(dropSubscription(nasty), "; "),
		`ALTER SUBSCRIPTION "we""ird '\ $1" DISABLE; ALTER SUBSCRIPTION "we""ird '\ $1" SET (slot_name = NONE); DROP SUBSCRIPTION IF EXISTS "we""ird '\ $1"`)
}

func TestCreateDatabaseSaysWhatEachVersionKnows(t *testing.T) {
	const common = `CREATE DATABASE "d" TEMPLATE template0 OWNER "o" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 0`
	d := Database{Name: "d", Owner: "o", Encoding: "UTF8", Collate: "C", CType: "C", Provider: "c"}
	same(t, createDatabase(d, 13), common)
	same(t, createDatabase(d, 15), common+" LOCALE_PROVIDER libc")
	d.Provider, d.Locale, d.Rules = "i", "en-US", "&a < b"
	same(t, createDatabase(d, 15), common+" LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	same(t, createDatabase(d, 18), common+" LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ICU_RULES '&a < b'")
	d.Provider, d.Locale = "b", "C.UTF-8"
	same(t, createDatabase(d, 17), common+" LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'")
}

func TestSettingsAreWrittenAsTheyWereMeant(t *testing.T) {
	same(t, setting{Role: "r", Name: "search_path", Value: `"$user", public, "Od""d, one"`}.statement(),
		`ALTER ROLE "r" SET "search_path" TO '$user', 'public', 'Od"d, one'`)
	same(t, setting{Role: "r", Database: "d", Name: "app.user", Value: "it's"}.statement(),
		`ALTER ROLE "r" IN DATABASE "d" SET "app"."user" TO 'it''s'`)
	same(t, setting{Database: "d", Name: "search_path", Value: `""`}.statement(), `ALTER DATABASE "d" SET "search_path" TO ''`)
	if (setting{Name: "transaction_timeout"}).knownTo([]string{"work_mem"}) || !(setting{Name: "Work_Mem"}).knownTo([]string{"work_mem"}) {
		t.Error("which settings a server knows is asked of the server, whatever their case")
	}
}

func TestMembershipsKeepTheirOptionsWhereTheVersionHasThem(t *testing.T) {
	m := membership{Role: "boss", Member: "w", Admin: true, Inherit: false, Set: true}
	same(t, m.grant(16), `GRANT "boss" TO "w" WITH ADMIN true, INHERIT false, SET true`)
	same(t, m.grant(15), `GRANT "boss" TO "w" WITH ADMIN OPTION`)
	same(t, membership{Role: "boss", Member: "w"}.grant(13), `GRANT "boss" TO "w"`)
}

func TestEqualRolesNeedNoStatement(t *testing.T) {
	secret := "SCRAM-SHA-256$4096:x"
	blue := cluster{version: 15, roles: []role{{Name: "app", Attributes: "LOGIN", Secret: &secret}, {Name: "postgres", Attributes: "SUPERUSER"}},
		memberships: []membership{{Role: "reader", Member: "app", Plain: true}}, settings: []setting{{Role: "app", Name: "work_mem", Value: "1MB"}}}
	if s := copyRoles(blue, blue, "postgres"); len(s) > 0 {
		t.Errorf("statements %v", s)
	}
	green := cluster{version: 17, known: []string{"work_mem"}}
	statements := copyRoles(blue, green, "postgres")
	for _, s := range statements {
		if strings.Contains(s.what, secret) {
			t.Errorf("%q has the secret", s.what)
		}
	}
	if len(statements) != 5 {
		t.Errorf("statements %v", statements)
	}
}

func TestAFingerprintNamesWhatDiffers(t *testing.T) {
	want := newFingerprint(map[string]string{"table a": "x", "table b": "x y", `role "r"`: "LOGIN", `role "me"`: ownUser})
	have := newFingerprint(map[string]string{"table b": "x z", "table c": "x", `role "r"`: "LOGIN", `role "other"`: "LOGIN", `role "other" in "r"`: "", `role "r" in "q"`: ""})
	got := want.Diff(have)
	expected := []string{`role "r" in "q" is there in addition`, `table a is missing`, `table b differs: "x y", not "x z"`, `table c is there in addition`}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got %q", got)
	}
	if want.Hash == have.Hash || want.Hash != newFingerprint(want.Items).Hash {
		t.Error("equal hashes mean equal items")
	}
}

func TestADigestQueryDependsOnNothingButTheRows(t *testing.T) {
	table := verifiedTable{Schema: "s", Table: nasty, Columns: []string{"id", "b"}, Key: []string{"id"}}
	same(t, table.digests(selection{}.group(table, 64), ""), `SELECT g, count(*), mod(sum(h), 9223372036854775783)::bigint, mod(sum(hashint8extended(h, x)), 9223372036854775783)::bigint
FROM (SELECT mod(hashtextextended(ROW(t."id")::text COLLATE "C", 1), 64) AS g, hashtextextended(ROW(t."id", t."b")::text COLLATE "C", 0) AS h, t.xmin::text::bigint AS x FROM ONLY "s"."we""ird '\ $1" AS t) AS r GROUP BY g`)
	const found = `::text FROM ONLY "s"."we""ird '\ $1" AS t WHERE hashtextextended(ROW(t."id")::text COLLATE "C", 1) = $1 LIMIT 1), '')`
	same(t, table.nameOf(), `SELECT coalesce((SELECT t.ctid`+found)
	same(t, table.words("(0,1)", -1<<32), "row with key hash ffffffff at ctid (0,1)")
	table.KeyShown = true
	same(t, table.nameOf(), `SELECT coalesce((SELECT ROW(t."id")`+found)
	same(t, table.words("(7)", 0), "row (7)")
}

func TestRowsThatChangedOnBlueAreNotJudged(t *testing.T) {
	row := func(hash, version int64) rowDigest { return rowDigest{Count: 1, Hash: hash, Version: version} }
	c := comparison{
		before: reading{1: row(1, 1), 2: row(2, 1), 3: row(3, 1), 4: row(4, 1)},
		green:  reading{1: row(1, 9), 2: row(7, 9), 3: row(7, 9), 5: row(5, 9)},
		after:  reading{1: row(1, 1), 2: row(2, 1), 3: row(3, 2), 4: row(4, 1)},
	}
	equal, suspects, hot := c.judge()
	if equal || fmt.Sprint(len(suspects), hot) != "3 [3]" {
		t.Errorf("suspects %v, hot %v", suspects, hot)
	}
}

func TestProgressCountsATableThatIsBeingCopied(t *testing.T) {
	total := []tableSize{{"a", 100, ""}, {"b", 200, ""}, {"c", 300, ""}, {"d", 50, ""}}
	copied := []tableSize{{"a", 90, "r"}, {"b", 80, "d"}, {"c", 8, "i"}, {"d", 999, "d"}}
	if got := progress(total, copied); got != (Progress{4, 1, 650, 230}) {
		t.Errorf("progress %+v", got)
	}
}

func TestAConnectionStringSurvivesAnyPassword(t *testing.T) {
	s := Server{Host: "blue", Port: 5433, User: `o'neil\`, Password: `it's \ "x" = `}
	config, err := pgx.ParseConfig(conninfo(s, nasty, 18))
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "blue" || config.Port != 5433 || config.User != s.User || config.Password != string(s.Password) || config.Database != nasty {
		t.Errorf("parsed %s %d %s %s", config.Host, config.Port, config.User, config.Database)
	}
}

func TestNothingPrintsAPassword(t *testing.T) {
	s := Server{Password: "hush"}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%v %+v %#v %s", s, s, s, encoded); strings.Contains(all, "hush") {
		t.Error(all)
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

func FuzzSplitList(f *testing.F) {
	f.Add(`"$user", public, "a""b"`)
	f.Add(`"`)
	f.Fuzz(func(t *testing.T, list string) {
		for _, word := range splitList(list) {
			if strings.ContainsRune(literal(word)[1:], 0) != strings.ContainsRune(word, 0) {
				t.Error(word)
			}
		}
		quoted := ident(list)
		if list != "" && !strings.ContainsRune(list, 0) {
			if words := splitList(quoted); len(words) != 1 || words[0] != list {
				t.Errorf("%q comes back as %q", list, words)
			}
		}
	})
}

func TestALargeTableIsCutWithoutGapsOrOverlaps(t *testing.T) {
	table := verifiedTable{Schema: "s", Table: "t", Slice: "id", Estimate: 4 * sliceRows}
	var got []string
	for _, s := range table.cut(-100, 300, false) {
		got = append(got, s.where(""))
	}
	want := []string{
		` WHERE t."id" < 0`, ` WHERE t."id" >= 0 AND t."id" < 100`,
		` WHERE t."id" >= 100 AND t."id" < 200`, ` WHERE t."id" >= 200`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("slices %q, want %q", got, want)
	}
	table.SliceUUID = true
	low, _ := table.number("00000000-0000-0000-0000-000000000001")
	high, _ := table.number("ffffffff-ffff-ffff-ffff-000000000001")
	got = nil
	for _, s := range table.cut(low, high, false) {
		got = append(got, s.where(""))
	}
	want = []string{
		` WHERE t."id" < '40000000-0000-0000-0000-000000000000'::uuid`,
		` WHERE t."id" >= '40000000-0000-0000-0000-000000000000'::uuid AND t."id" < '80000000-0000-0000-0000-000000000000'::uuid`,
		` WHERE t."id" >= '80000000-0000-0000-0000-000000000000'::uuid AND t."id" < 'c0000000-0000-0000-0000-000000000000'::uuid`,
		` WHERE t."id" >= 'c0000000-0000-0000-0000-000000000000'::uuid`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("slices %q, want %q", got, want)
	}
	table.SliceUUID = false
	table.Estimate = 1000 * sliceRows
	// few values far apart, the whole range of an integer: never an empty or a reversed slice
	for _, r := range [][2]int64{{5, 5}, {1, 2}, {math.MinInt64, math.MaxInt64}} {
		parts := table.cut(r[0], r[1], false)
		if len(parts) == 0 || !parts[0].first {
			t.Errorf("range %v gives %d slices", r, len(parts))
		}
		if len(parts) == 1 && parts[0].within != "" {
			t.Errorf("range %v: a lone slice must be the whole table, not %q", r, parts[0].within)
		}
	}
}
