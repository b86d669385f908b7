package tablecopy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/tablecopy"
	"github.com/gitover/gitover/test/catalogue/fill"
)

// kinds of columns, rows and tables that COPY meets.
const kinds = `
CREATE EXTENSION hstore; CREATE EXTENSION citext;
CREATE SCHEMA "Other one";
CREATE TYPE mood AS ENUM ('sad', 'o''k', 'hap"py');
CREATE TYPE "Other one".pair AS (a int, b text);
CREATE TYPE nested AS (p "Other one".pair, m mood[]);
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE TABLE plain (i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(20,5), m money, t text, v varchar(20), c char(7), b bytea, d date,
  tm time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, o bool, ip inet, ci cidr, ma macaddr, bi bit(5), vb varbit,
  pt point, bx box, po polygon, tv tsvector, tq tsquery, l pg_lsn, ch "char", na name);
CREATE TABLE arrays (a int[], b text[], c timestamptz[][], d numeric[], e bytea[], r int4range, nr numrange[], dr daterange, tr tstzrange);
CREATE TABLE own (m mood, s small, p "Other one".pair, x span);
CREATE TABLE own_inside (m mood[], n nested, ps "Other one".pair[], ds small[]);
CREATE TABLE others (h hstore, c citext, x xml, k regclass, y xid);
CREATE TABLE "Other one"."a ""b"" c" ("x y" int, gone int, "select" text, twice int GENERATED ALWAYS AS ("x y" * 2) STORED, "é" text);
ALTER TABLE "Other one"."a ""b"" c" DROP COLUMN gone;
CREATE TABLE identity (id int GENERATED ALWAYS AS IDENTITY, t text);
CREATE TABLE nothing ();
CREATE TABLE parent (id int, t text); CREATE TABLE child (extra text) INHERITS (parent);
CREATE TABLE parts (k int, t text) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100); CREATE TABLE parts_2 (t text, k int); ALTER TABLE parts ATTACH PARTITION parts_2 DEFAULT;
CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TABLE ruled (id int); CREATE RULE away AS ON INSERT TO ruled DO INSTEAD NOTHING;
CREATE UNLOGGED TABLE light (id int);
INSERT INTO "Other one"."a ""b"" c" ("x y", "select", "é") VALUES (1, 'a	b\n', 'ü'), (2, E'\\.', NULL), (3, '', '\N');
INSERT INTO identity (t) VALUES ('a'), ('b'); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (2, 'c', 'x'); INSERT INTO parts SELECT g, 't' || g FROM generate_series(1, 300) g;
INSERT INTO guarded VALUES (1); INSERT INTO light SELECT generate_series(1, 1000);
ALTER TABLE ruled DISABLE RULE away; INSERT INTO ruled VALUES (1); ALTER TABLE ruled ENABLE RULE away;`

func TestEveryKindOfRowArrivesAsItIs(t *testing.T) {
	for _, versions := range [][2]int{{13, 18}, {15, 17}, {18, 15}} {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			blue, green := start(t, versions[0], versions[1], kinds)
			conn, err := blue.Connect(t.Context(), database)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			writer, err := fill.New(t.Context(), conn, 7, fill.Known{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := writer.Fill(t.Context(), 40); err != nil {
				t.Fatal(err)
			}
			// a trigger fires for nothing that is copied
			green.Exec(database, "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; CREATE TRIGGER stop BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION stop()")
			o := options(blue, green)
			var lines []string
			o.Explain = func(all []string) { lines = all }
			report := copies(t, o)
			sameRows(t, blue, green)
			if report.Tables != report.TablesCopied || report.Rows < 400 || report.BytesCopied != report.Bytes || report.SecondsLeft != 0 {
				t.Errorf("%+v", report)
			}
			said := strings.Join(lines, "\n")
			for _, words := range []string{`public.plain": `, `"own_inside": `, "hstore", "regclass"} {
				if !strings.Contains(strings.ReplaceAll(said, `"public"."`, "public."), words) && !strings.Contains(said, words) {
					t.Errorf("nothing of %s in\n%s", words, said)
				}
			}
			if report.Text == 0 || report.Text > 5 {
				t.Errorf("%d tables as text:\n%s", report.Text, said)
			}
			if left := green.Query(database, "SELECT count(*) FROM pg_class WHERE relname LIKE 'copy\\_%' AND relkind = 'r'"); left != "0" {
				t.Errorf("%s tables of the record are left", left)
			}
		})
	}
}

func TestALargeTableIsCopiedByManyWorkers(t *testing.T) {
	blue, green := start(t, 15, 17, `CREATE TABLE large (id int, t text); CREATE TABLE other (id int);
		INSERT INTO large SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 20000) g; DELETE FROM large WHERE id % 3 = 0; INSERT INTO large SELECT g, 'late' FROM generate_series(1, 5000) g;
		INSERT INTO other VALUES (1)`)
	o := options(blue, green)
	o.PartBytes = 1 << 20
	var lines []string
	o.Explain = func(all []string) { lines = all }
	copies(t, o)
	sameRows(t, blue, green)
	if !strings.Contains(lines[0], "parts") {
		t.Errorf("%q", lines)
	}
}

func TestRowsAreOfOneMomentWhateverIsWrittenMeanwhile(t *testing.T) {
	blue, green := start(t, 15, 17, `CREATE TABLE a (id int, n int); CREATE TABLE b (id int, n int); INSERT INTO a SELECT g, 0 FROM generate_series(1, 30000) g; INSERT INTO b SELECT g, 0 FROM generate_series(1, 30000) g`)
	o := options(blue, green)
	o.PartBytes, o.BytesPerSecond = 256<<10, 2<<20
	written := make(chan struct{})
	o.Progress = func(p tablecopy.Progress) {
		select {
		case <-written:
		default:
			if p.BytesCopied > 0 {
				blue.Exec(database, "UPDATE a SET n = 1; UPDATE b SET n = 1; DELETE FROM a WHERE id < 100; DELETE FROM b WHERE id < 100")
				close(written)
			}
		}
	}
	copies(t, o)
	<-written
	for _, table := range []string{"a", "b"} {
		if n := green.Query(database, "SELECT count(*) || ' ' || sum(n) FROM "+table); n != "30000 0" {
			t.Errorf("%s has %s", table, n)
		}
	}
}

func TestARateLimitHolds(t *testing.T) {
	blue, green := start(t, 15, 17, `CREATE TABLE a (t text); INSERT INTO a SELECT repeat(md5(g::text), 20) FROM generate_series(1, 10000) g`)
	o := options(blue, green)
	o.BytesPerSecond = 2 << 20
	// six mebibytes, of which one may be sent at once
	if report := copies(t, o); report.Seconds < 2 {
		t.Errorf("%.1f s", report.Seconds)
	}
}

func TestACheckThatReadsAnotherTableWaitsForIt(t *testing.T) {
	blue, green := start(t, 15, 17, `CREATE TABLE z_kinds (id int, kind text); INSERT INTO z_kinds SELECT g, 'user' FROM generate_series(1, 100) g;
		CREATE FUNCTION kind_is(int, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN coalesce((SELECT kind FROM public.z_kinds WHERE id = $1) = $2, false); END $$;
		CREATE TABLE a_members (id int, kind_id int, t text, CHECK (kind_is(kind_id, 'user'))); INSERT INTO a_members SELECT g % 100 + 1, g % 100 + 1, repeat('x', 500) FROM generate_series(1, 5000) g`)
	copies(t, options(blue, green))
	sameRows(t, blue, green)

	blue.Exec(database, "ALTER TABLE a_members DROP CONSTRAINT a_members_kind_id_check; INSERT INTO a_members VALUES (1, 1000); TRUNCATE z_kinds")
	green.Exec(database, "TRUNCATE a_members; TRUNCATE z_kinds")
	_, err := tablecopy.Copy(t.Context(), options(blue, green))
	if err == nil || !strings.Contains(err.Error(), "a_members") || !strings.Contains(err.Error(), "kind_id_check") {
		t.Errorf("a row that the check refuses: %v", err)
	}
}

func TestATableWithRowsOfOthersIsLeftAlone(t *testing.T) {
	blue, green := start(t, 15, 17, `CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE TABLE b (id int); INSERT INTO b VALUES (1)`)
	green.Exec(database, "INSERT INTO a VALUES (7)")
	_, err := tablecopy.Copy(t.Context(), options(blue, green))
	if err == nil || !strings.Contains(err.Error(), `"public"."a" of test-17 has rows`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	o := options(blue, green)
	o.Tables = []string{"b"}
	copies(t, o)
	if a, b := green.Query(database, "SELECT string_agg(id::text, ' ') FROM a"), green.Query(database, "SELECT count(*) FROM b"); a != "7" || b != "1" {
		t.Errorf("a has %s, b %s", a, b)
	}
	green.Exec(database, "DROP TABLE b")
	for patterns, says := range map[string]string{"nothing*": "no table", "b": "schema first"} {
		o.Tables = []string{patterns}
		if _, err := tablecopy.Copy(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", patterns, err)
		}
	}
}

func TestATableThatIsEmptiedMeanwhileEndsACopyOfOneMoment(t *testing.T) {
	blue, green := start(t, 15, 17, `CREATE TABLE a (id int, t text); INSERT INTO a SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g; CREATE TABLE b (id int); INSERT INTO b VALUES (1)`)
	o := options(blue, green)
	o.Jobs, o.BytesPerSecond = 1, 1<<20
	emptied := false
	o.Progress = func(tablecopy.Progress) {
		if !emptied {
			emptied = true
			blue.Exec(database, "TRUNCATE b")
		}
	}
	_, err := tablecopy.Copy(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), `"public"."b" was emptied`) {
		t.Errorf("%v", err)
	}
	if errors.Is(err, tablecopy.ErrMomentLost) {
		t.Error(err)
	}
	copies(t, options(blue, green))
	sameRows(t, blue, green)
}
