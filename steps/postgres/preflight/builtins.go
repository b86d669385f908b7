package preflight

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/gitover/gitover/steps/postgres"
)

// builtins.tsv has the built-in objects that not every version has: kind, key (the OID, which is the same on every
// server; of an operator class the access method's OID and the name), the versions that have it, and its name. It is made of
// the versions' own catalogs: `go test ./steps/postgres -run Builtins -update`.
//
//go:embed builtins.tsv
var builtinsTSV string

// builtin is one that a version doesn't have.
type builtin struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
	Name string `json:"name"`
}

// missingBuiltins are those that source has and target doesn't. A version that isn't supported yet is taken to
// have those of the latest one.
func missingBuiltins(source, target int) []builtin {
	missing := []builtin{}
	for line := range strings.Lines(builtinsTSV) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 4 {
			continue
		}
		versions := strings.Split(fields[2], ",")
		has := func(version int) bool { return slices.Contains(versions, strconv.Itoa(min(version, postgres.Latest))) }
		if has(source) && !has(target) {
			missing = append(missing, builtin{fields[0], fields[1], fields[3]})
		}
	}
	return missing
}

// builtinFacts for the rules' queries.
func builtinFacts(source, target int) map[string]string {
	list, err := json.Marshal(missingBuiltins(source, target))
	if err != nil { // strings only
		list = []byte("[]")
	}
	return map[string]string{"gitover.missing_builtins": string(list)}
}
