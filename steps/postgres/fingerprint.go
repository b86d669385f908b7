package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Fingerprint is a state of many objects in a form that doesn't depend on the server's version,
// on OIDs or on order: equal states of equal versions have equal hashes, and Diff says what differs.
type Fingerprint struct {
	Hash string
	// Items is each object's definition under its name, e.g. `table public.orders`.
	Items map[string]string
	// version of the server, where definitions hold expressions.
	version int
}

// ownUser stands for the definition of the user that Gitover itself connects as: it is each
// server's own affair.
const ownUser = "(connects here)"

func newFingerprint(items map[string]string) Fingerprint {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(items)) {
		fmt.Fprintf(hash, "%d:%s%d:%s", len(name), name, len(items[name]), items[name])
	}
	return Fingerprint{Hash: hex.EncodeToString(hash.Sum(nil)), Items: items}
}

// Diff says in sentences, sorted, what other lacks, has beyond f, or has otherwise.
// Roles that only other has are no difference, since Gitover drops none.
func (f Fingerprint) Diff(other Fingerprint) (differences []string) {
	for name, want := range f.Items {
		have, there := other.Items[name]
		switch {
		case !there && want != ownUser:
			differences = append(differences, name+" is missing")
		case there && have != want && have != ownUser && want != ownUser && !f.sameExpressions(other, want, have):
			differences = append(differences, fmt.Sprintf("%s differs: %s", name, firstDifference(want, have)))
		}
	}
	for name := range other.Items {
		if _, there := f.Items[name]; !there && !f.foreignRole(name) {
			differences = append(differences, name+" is there in addition")
		}
	}
	slices.Sort(differences)
	return differences
}

// sameExpressions: definitions are equal but for how versions before 14 print some
// expressions, e.g. date_part('year', x) for EXTRACT(year FROM x).
func (f Fingerprint) sameExpressions(other Fingerprint, want, have string) bool {
	old := func(v int) bool { return v > 0 && v < 14 }
	return old(f.version) != old(other.version) && words(want) == words(have)
}

var (
	wordPattern = regexp.MustCompile(`'(?:[^']|'')*'|"(?:[^"]|"")*"|[\pL_0-9.$]+`)
	// printedOtherwise are the words that only one of the two ways to print a call has.
	printedOtherwise = regexp.MustCompile(`^(?i:from|for|in|at|time|zone|text|placing|both|leading|trailing)$`)
	renamedCalls     = strings.NewReplacer("extract", "date_part", "trim", "btrim", "timezone", "", "pg_catalog.", "")
)

// words are the sorted words of an expression, those aside that depend on how calls are printed.
func words(expression string) string {
	var found []string
	for _, w := range wordPattern.FindAllString(expression, -1) {
		w = strings.Trim(renamedCalls.Replace(strings.ToLower(w)), `"'`)
		if w != "" && !printedOtherwise.MatchString(w) {
			found = append(found, w)
		}
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// foreignRole: the item is about a role that f doesn't have.
func (f Fingerprint) foreignRole(item string) bool {
	rest, isRole := strings.CutPrefix(item, `role "`)
	if !isRole {
		return false
	}
	for i := 0; i < len(rest); i++ {
		if rest[i] != '"' {
			continue
		}
		if i+1 < len(rest) && rest[i+1] == '"' {
			i++
			continue
		}
		subject := `role "` + rest[:i+1]
		definition, there := f.Items[subject]
		return !there || definition == ownUser
	}
	return true
}

// firstDifference shows where two definitions part, shortly. Secrets aren't in definitions.
func firstDifference(want, have string) string {
	i := 0
	for i < min(len(want), len(have)) && want[i] == have[i] {
		i++
	}
	start := max(0, i-20)
	for start > 0 && want[start-1] != ' ' && want[start-1] != '\n' && i-start < 60 {
		start--
	}
	return fmt.Sprintf("%q, not %q", excerpt(want[start:]), excerpt(have[min(start, len(have)):]))
}

func excerpt(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
