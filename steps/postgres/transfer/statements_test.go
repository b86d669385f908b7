package transfer

import (
	"reflect"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
)

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCreateDatabaseSaysWhatEachVersionKnows(t *testing.T) {
	const common = `CREATE DATABASE "d" TEMPLATE template0 OWNER "o" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 0`
	d := postgres.Database{Name: "d", Owner: "o", Encoding: "UTF8", Collate: "C", CType: "C", Provider: "c"}
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

func FuzzSplitList(f *testing.F) {
	f.Add(`"$user", public, "a""b"`)
	f.Add(`"`)
	f.Fuzz(func(t *testing.T, list string) {
		for _, word := range splitList(list) {
			if strings.ContainsRune(postgres.Literal(word)[1:], 0) != strings.ContainsRune(word, 0) {
				t.Error(word)
			}
		}
		quoted := postgres.Ident(list)
		if list != "" && !strings.ContainsRune(list, 0) {
			if words := splitList(quoted); len(words) != 1 || words[0] != list {
				t.Errorf("%q comes back as %q", list, words)
			}
		}
	})
}
