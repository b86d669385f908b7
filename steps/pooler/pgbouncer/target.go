package pgbouncer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitover/gitover/steps/pooler"
)

// Target is where a pooler's databases lead.
type Target pooler.Target

// Render gives the file that pgbouncer.ini includes: an entry for each database, so that
// SHOW DATABASES tells where it leads before a client asks, and "*" for those made later.
func (t Target) Render() (string, error) {
	if err := t.Check(); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("; Written by gitover-agent. Changes made by hand are lost.\n[databases]\n")
	for _, name := range t.names() {
		if spelled(name) {
			fmt.Fprintf(&b, "%s = host=%s port=%d dbname=%s\n", name, value(t.Host), t.Port, value(name))
		}
	}
	fmt.Fprintf(&b, "* = host=%s port=%d\n", value(t.Host), t.Port)
	return b.String(), nil
}

// Matches returns an error unless the pooler leads every database of t where t says. Other
// entries are the user's own and are ignored, unless they lead to left, the instance that t
// replaces.
func (t Target) Matches(found []Database, left Target) error {
	names := map[string]bool{}
	for _, name := range t.names() {
		names[name] = true
	}
	moved := left.Host != "" && (left.Host != t.Host || left.Port != t.Port)
	for _, d := range found {
		right := d.Host == t.Host && d.Port == t.Port
		if names[d.Name] && !right || moved && d.Host == left.Host && d.Port == left.Port {
			return fmt.Errorf("database %q leads to %s:%d, not to %s:%d", d.Name, d.Host, d.Port, t.Host, t.Port)
		}
		delete(names, d.Name)
	}
	for name := range names {
		if !spelled(name) {
			continue
		}
		return fmt.Errorf("database %q is unknown to the pooler", name)
	}
	return nil
}

// names leaves out the databases that PgBouncer reserves.
func (t Target) names() []string {
	names := slices.DeleteFunc(slices.Clone(t.Databases), func(n string) bool { return n == "pgbouncer" })
	slices.Sort(names)
	return slices.Compact(names)
}

// Check says why no pooler can be led there. Names of databases are never a reason: unusual
// ones are reached through "*".
func (t Target) Check() error { return pooler.Target(t).Check() }

// spelled says whether PgBouncer 1.24 can read the name as a key. Its documentation mentions
// double quotes, but its parser doesn't support them; such a database is reached through "*".
func spelled(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-')
	})
}

// value quotes for the connection string: a quote is doubled.
func value(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
