package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitover/gitover/steps/postgres"
)

// Fingerprint is a state of many objects in a form that doesn't depend on the server's version,
// on OIDs or on order: equal states have equal hashes, and Diff says what differs.
type Fingerprint struct {
	Hash string
	// Items is each object's definition under its name, e.g. `role "app"`.
	Items map[string]string
}

// ownUser stands for the definition of the user that Gitover itself connects as, which may
// differ on each server.
const ownUser = "(connects here)"

func newFingerprint(items map[string]string) Fingerprint {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(items)) {
		fmt.Fprintf(hash, "%d:%s%d:%s", len(name), name, len(items[name]), items[name])
	}
	return Fingerprint{Hash: hex.EncodeToString(hash.Sum(nil)), Items: items}
}

// Diff says in sentences, sorted, what other lacks, has in addition to f, or has with another
// definition. Roles that only other has are no difference, since Gitover drops none.
func (f Fingerprint) Diff(other Fingerprint) (differences []string) {
	for name, want := range f.Items {
		have, there := other.Items[name]
		switch {
		case !there && want != ownUser:
			differences = append(differences, name+" is missing")
		case there && have != want && have != ownUser && want != ownUser:
			differences = append(differences, fmt.Sprintf("%s differs: %s", name, postgres.FirstDifference(want, have)))
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
