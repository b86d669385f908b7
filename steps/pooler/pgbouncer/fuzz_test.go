package pgbouncer

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// readFile reads a target file by PgBouncer's own rules (cf_load_file in libusual's
// cfparser.c, parse_database in PgBouncer's loader.c): a key ends at the first space or
// '=', a value in single quotes has its quotes doubled. ok is false where it would stop.
func readFile(content string) (found []Database, ok bool) {
	section := ""
	for line := range strings.SplitSeq(content, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
			continue
		case line[0] == '[':
			section = line
			continue
		case section != "[databases]":
			return nil, false
		}
		name, rest, found1 := strings.Cut(line, " = ")
		if !found1 || name != "*" && !spelled(name) {
			return nil, false
		}
		d := Database{Name: name, Database: name}
		for rest != "" {
			key, after, found2 := strings.Cut(strings.TrimLeft(rest, " "), "=")
			if !found2 {
				return nil, false
			}
			var value, left string
			if strings.HasPrefix(after, "'") {
				end := 1
				for ; end < len(after); end++ {
					if after[end] != '\'' {
						continue
					}
					if end+1 == len(after) || after[end+1] != '\'' {
						break
					}
					end++
				}
				if end >= len(after) {
					return nil, false
				}
				value, left = strings.ReplaceAll(after[1:end], "''", "'"), after[end+1:]
			} else {
				value, left, _ = strings.Cut(after, " ")
			}
			rest = left
			switch key {
			case "host":
				d.Host = value
			case "port":
				d.Port, _ = strconv.Atoi(value)
			case "dbname":
				d.Database = value
			default:
				return nil, false
			}
		}
		found = append(found, d)
	}
	return found, true
}

func FuzzTargetFile(f *testing.F) {
	f.Add("orders-17.shop.svc", 5432, "orders", `we "ird'; db`)
	f.Add("::1", 1, "a b", "a\nb = host=evil")
	f.Add("h' port=1 host='evil", 5432, "*", "pgbouncer")
	f.Add("h", 70000, "%include /etc/passwd", ";x")
	f.Fuzz(func(t *testing.T, host string, port int, first, second string) {
		target := Target{Host: host, Port: port, Databases: []string{first, second}}
		content, err := target.Render()
		if err != nil {
			return
		}
		found, ok := readFile(content)
		if !ok {
			t.Fatalf("PgBouncer can't read\n%s", content)
		}
		for _, d := range found {
			if d.Host != host || d.Port != port || d.Name != d.Database && d.Name != "*" {
				t.Fatalf("%+v leads elsewhere than %s:%d\n%s", d, host, port, content)
			}
		}
		if last := found[len(found)-1]; last.Name != "*" {
			t.Fatalf("the entry for other databases is missing\n%s", content)
		}
		if err := target.Matches(found, Target{Host: host + "x", Port: port}); err != nil {
			t.Fatalf("what was read isn't what was written: %v\n%s", err, content)
		}
		if err := (Target{Host: host + "x", Port: port, Databases: target.Databases}).Matches(found, target); err == nil {
			t.Fatal("the old side passes for the new one")
		}
	})
}

// FuzzShow: nothing that a console answers breaks its reader, and nothing in it can make
// clients look less than nobody.
func FuzzShow(f *testing.F) {
	f.Add("orders", "127.0.0.1", "5432", "1", "2", "250000")
	f.Add("pgbouncer", "", "x", "-1", "99999999999999999999", "")
	f.Fuzz(func(t *testing.T, name, host, port, waiting, maxwait, maxwaitMicros string) {
		databases := databasesOf([]map[string]string{{"name": name, "host": host, "port": port, "database": name}, {}})
		if number, err := strconv.Atoi(port); err == nil && name != "pgbouncer" && (databases[0] != Database{Name: name, Host: host, Port: number, Database: name}) {
			t.Fatalf("%+v", databases)
		}
		load := loadOf([]map[string]string{{"database": name, "cl_waiting": waiting, "maxwait": maxwait, "maxwait_us": maxwaitMicros}, {}})
		if load.Waiting < 0 || load.Busy < 0 || load.OldestSeconds < 0 || math.IsNaN(load.OldestSeconds) {
			t.Fatalf("%+v", load)
		}
	})
}
