package fill

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// edges are the edge values of types, by their names in pg_type, as far as every version from 13 on takes them. The first few
// are plain.
var edges = map[string][]string{
	"bool":   {"true", "false"},
	"int2":   {"1", "2", "3", "0", "-1", "32767", "-32768"},
	"int4":   {"1", "2", "3", "0", "-1", "2147483647", "-2147483648"},
	"int8":   {"1", "2", "3", "0", "-1", "9223372036854775807", "-9223372036854775808"},
	"oid":    {"1", "0", "4294967295"},
	"float4": {"1", "2.5", "3", "NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1"},
	"float8": {"1", "2.5", "3", "NaN", "Infinity", "-Infinity", "-0", "4.9406564584124654e-324", "1.7976931348623157e308", "0.1"},
	"money":  {"1", "0", "-92233720368547758.08", "92233720368547758.07"},
	"bytea":  {`\x01`, `\x`, `\x00`, `\x00ff5c27`, `\x` + strings.Repeat("ab00", 3000)},
	"date":   {"2024-02-29", "2026-01-01", "infinity", "-infinity", "4713-01-01 BC", "5874897-12-31", "1582-10-10"},
	"time":   {"12:00", "00:00", "24:00:00", "23:59:59.999999"},
	"timetz": {"12:00+00", "00:00+15:59:59", "24:00:00-15:59:59"},
	"timestamp": {"2026-01-01 12:00", "2024-02-29 23:59:59.999999", "infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999",
		"2000-01-01"},
	"timestamptz": {"2026-01-01 12:00+00", "2024-02-29 23:59:59.999999+13:45", "infinity", "-infinity", "4713-01-01 00:00:00+00 BC",
		"294276-12-31 23:59:59.999999+00", "2025-03-30 02:30 Europe/Berlin"},
	"interval": {"1 day", "1 mon -1 day 00:00:00.000001", "-178000000 years", "00:00", "-1 year 2 mons -3 days 04:05:06.789", "2147483647:59:59.999999"},
	"uuid":     {"6f1c9a3e-0000-4000-8000-00000000abcd", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
	"json":     {`{}`, `{"a" : 1, "a" : 2,   "z":[null, 1e400]}`, `[]`, `"\u00e4\ud83d\ude00"`, `null`, `1.0000000000000000000000000001`},
	"jsonb":    {`{}`, `{"a": 1, "ä": [null, {"b": "x'y\"\\"}]}`, `[]`, `"😀"`, `null`, `1.0000000000000000000000000001`, `{"": ""}`},
	"xml":      {"<a/>", "text only", `<a b="ä">&lt;<!-- c --></a>`},
	"inet":     {"10.0.0.1", "10.0.0.1/8", "::1", "fe80::1/64", "0.0.0.0/0", "::ffff:1.2.3.4"},
	"cidr":     {"10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32"},
	"macaddr":  {"08:00:2b:01:02:03", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"},
	"macaddr8": {"08:00:2b:01:02:03:04:05", "ff:ff:ff:ff:ff:ff:ff:ff"},
	"point":    {"(1,2)", "(0,-0)", "(NaN,Infinity)", "(1e308,-1e-308)"},
	"box":      {"((1,1),(0,0))"}, "line": {"{1,2,3}"}, "lseg": {"[(0,0),(1,1)]"}, "path": {"[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"},
	"polygon": {"((0,0),(1,1),(2,0))"}, "circle": {"<(0,0),1>"},
	"tsvector": {"'cat':1A 'dog':2B,3", "", "'it''s':16383"},
	"tsquery":  {"'cat' & !'dog'", "'a' <-> 'b' | 'c':*"},
	"pg_lsn":   {"0/0", "FFFFFFFF/FFFFFFFF"},
	"name":     {"name", "", "ünï"}, "char": {"a", "", "0"}, "regclass": {"pg_class"}, "regtype": {"int4"}, "regproc": {"now"},
	"xid": {"3", "4294967295"}, "txid_snapshot": {"10:20:10,14"}, "pg_snapshot": {"10:20:10,14"},
	"hstore": {"a=>1", "", `"x y"=>NULL, "\"q\""=>"ä"`}, "ltree": {"Top.Science", "", "a.b.c"}, "lquery": {"*.a{2}.b"},
	"int4range": {"[1,5)", "empty", "(,)", "[5,)", "(,-1]"}, "int8range": {"[1,5)", "empty", "(,)", "[9223372036854775806,)"},
	"numrange": {"[1.5,2.5]", "empty", "(,)"}, "daterange": {"[2024-01-01,2024-02-01)", "empty", "[2024-01-01,infinity]"},
	"tsrange":   {"[2024-01-01,2024-02-01)", "empty", "(,)", "[-infinity,infinity]"},
	"tstzrange": {"[2024-01-01 00:00+00,2024-02-01 00:00+00)", "empty", "(,)"},
}

// texts are awkward: quoting, encodings, what looks like something else, what is stored out of line.
var texts = []string{
	"a", "plain", "x", "", " ", "it's", `back\slash`, "new\nline", "tab\there", `\N`, "NULL", "😀", "e\u0301", "\u202eright to left", "ÄÖÜ ß", `"quoted"`,
	"; DROP TABLE t; --", "$1 %s {}", "\x01\x7f", strings.Repeat("long ", 2000), "0", "-1", "{}", "trailing  ",
}

// pool is every value that a type has to offer, as text; nil where the type isn't known.
func (c *catalog) pool(oid uint32, modifier int32, r *rand.Rand) []string {
	t := c.types[oid]
	switch {
	case t.Kind == "d":
		m := modifier
		if t.Modifier >= 0 {
			m = t.Modifier
		}
		return append(c.named(t.Base, t.Checks, r), c.pool(t.Base, m, r)...)
	case t.Kind == "e":
		return t.Labels
	case t.Element != 0:
		return arrays(c.pool(t.Element, modifier, r))
	case t.Kind == "c":
		return c.composites(t, r)
	}
	switch t.Name {
	case "text", "citext":
		return texts
	case "varchar", "bpchar":
		return fitting(texts, int(modifier)-4, t.Name == "bpchar")
	case "timestamp", "timestamptz":
		if modifier >= 0 {
			return wholeSeconds(edges[t.Name])
		}
	case "bit", "varbit":
		return bits(t.Name, int(modifier))
	case "numeric":
		return numerics(modifier)
	}
	if known := edges[t.Name]; known != nil {
		return known
	}
	if t.Kind == "r" {
		return []string{"empty", "(,)"}
	}
	return nil
}

// fitting cuts texts to a length in characters, and has one that is just as long; limit is negative for none.
func fitting(all []string, limit int, padded bool) []string {
	if limit <= 0 {
		if padded {
			limit = 1
		} else {
			return all
		}
	}
	var fit []string
	for _, s := range all {
		if runes := []rune(s); len(runes) > limit {
			s = string(runes[:limit])
		}
		fit = append(fit, s)
	}
	return append(fit, strings.Repeat("ß", limit))
}

// wholeSeconds are times without fractions: PostgreSQL rounds the last of all times to one that it doesn't read again.
func wholeSeconds(times []string) (whole []string) {
	for _, s := range times {
		whole = append(whole, strings.ReplaceAll(s, ".999999", ""))
	}
	return whole
}

func bits(name string, length int) []string {
	if length <= 0 {
		length = 1
	}
	all := []string{strings.Repeat("1", length), strings.Repeat("0", length)}
	if name == "varbit" {
		all = append(all, "", "1")
	}
	return all
}

// numerics of any precision, or of one that a modifier names.
func numerics(modifier int32) []string {
	if modifier < 4 {
		return []string{"1", "2.50", "3", "0", "-1", "NaN", "1e-300", strings.Repeat("9", 200) + "." + strings.Repeat("9", 100), "0.00", "100"}
	}
	precision, scale := (modifier-4)>>16&0xffff, (modifier-4)&0x7ff
	most := strings.Repeat("9", int(precision-scale))
	if most == "" {
		most = "0"
	}
	if scale > 0 {
		most += "." + strings.Repeat("9", int(scale))
	}
	return []string{"0", "0.1", "NaN", most, "-" + most, "1"}
}

// arrays of some values: none, one, several, nothing among them, odd bounds, two dimensions.
func arrays(of []string) []string {
	if len(of) == 0 {
		return []string{"{}"}
	}
	q := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	first, last := q(of[0]), q(of[len(of)-1])
	middle := q(of[len(of)/2])
	return []string{"{" + first + "}", "{}", "{" + first + ",NULL," + middle + "}", "[2:3]={" + middle + "," + last + "}",
		"{{" + first + "," + last + "},{NULL," + middle + "}}"}
}

// composites have the nth value of each field, or nothing.
func (c *catalog) composites(t dataType, r *rand.Rand) []string {
	var all []string
	for n := range 4 {
		var fields []string
		for i, f := range t.Fields {
			of := c.pool(f, t.Modifiers[i], r)
			if n == 3 || len(of) == 0 {
				fields = append(fields, "")
				continue
			}
			fields = append(fields, `"`+strings.NewReplacer(`\`, `\\`, `"`, `""`).Replace(of[n%len(of)])+`"`)
		}
		all = append(all, "("+strings.Join(fields, ",")+")")
	}
	return all
}

// made is a value that no other row has, for columns that are told apart.
func (c *catalog) made(oid uint32, modifier int32, n int) (string, bool) {
	t := c.types[oid]
	if t.Kind == "d" {
		if t.Modifier >= 0 {
			modifier = t.Modifier
		}
		return c.made(t.Base, modifier, n)
	}
	switch t.Name {
	case "int2":
		return strconv.Itoa(100 + n%30000), true
	case "int4", "int8", "oid":
		return strconv.Itoa(100 + n), true
	case "numeric", "float4", "float8":
		return strconv.Itoa(100 + n%30000), true // few digits may fit
	case "text", "citext", "varchar", "bpchar", "name":
		s := strconv.FormatInt(int64(n+1), 36)
		if limit := int(modifier) - 4; modifier > 4 && len(s) > limit {
			s = s[len(s)-limit:]
		}
		return s, true
	case "uuid":
		return fmt.Sprintf("%08x-1111-4111-8111-%012x", n, n), true
	case "bytea":
		return fmt.Sprintf(`\x%08x`, n), true
	case "date":
		return fmt.Sprintf("%04d-%02d-%02d", 1900+n/300, 1+n/25%12, 1+n%25), true
	case "timestamp", "timestamptz":
		return fmt.Sprintf("%04d-01-01 %02d:%02d:%02d+00", 1990+n/86400, n/3600%24, n/60%60, n%60), true
	case "inet":
		return fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255), true
	}
	return "", false
}
