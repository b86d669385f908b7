package fill

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Operation is a kind of statement.
type Operation string

// Operations.
const (
	Insert Operation = "insert"
	Update Operation = "update"
	Delete Operation = "delete"
)

// Operations in the order in which reports have them.
var Operations = []Operation{Insert, Update, Delete}

// Outcome is what statements of a kind did to a table.
type Outcome struct {
	// Done is how many of them changed a row.
	Done int
	// Refused are the server's errors: one for each SQLSTATE.
	Refused map[string]string
}

// Report is what was done, by table and kind of statement.
type Report map[string]map[Operation]*Outcome

func (r Report) of(t *table, op Operation) *Outcome {
	if r[t.Name] == nil {
		r[t.Name] = map[Operation]*Outcome{}
	}
	if r[t.Name][op] == nil {
		r[t.Name][op] = &Outcome{Refused: map[string]string{}}
	}
	return r[t.Name][op]
}

// Count is how many statements changed a row.
func (r Report) Count() (n int) {
	for _, outcomes := range r {
		for _, o := range outcomes {
			n += o.Done
		}
	}
	return n
}

// Failed names tables to which no statement of a kind did anything, each with what the server said.
func (r Report) Failed(op Operation) map[string]string {
	failed := map[string]string{}
	for name, outcomes := range r {
		if o := outcomes[op]; o != nil && o.Done == 0 {
			failed[name] = o.words()
		}
	}
	return failed
}

func (o *Outcome) words() string {
	var all []string
	for _, code := range slices.Sorted(maps.Keys(o.Refused)) {
		all = append(all, code+" "+o.Refused[code])
	}
	if len(all) == 0 {
		return "changed no row"
	}
	return strings.Join(all, "; ")
}

// dataErrors are classes of SQLSTATE that speak of the values that were tried: data, integrity, what functions raise.
var dataErrors = []string{"22", "23", "27", "2F", "P0", "44", "09", "54"}

// Add takes the errors and numbers of another report in.
func (r Report) Add(other Report) {
	for name, outcomes := range other {
		for op, o := range outcomes {
			if r[name] == nil {
				r[name] = map[Operation]*Outcome{}
			}
			if r[name][op] == nil {
				r[name][op] = &Outcome{Refused: map[string]string{}}
			}
			r[name][op].Done += o.Done
			maps.Copy(r[name][op].Refused, o.Refused)
		}
	}
}

// Doubtful says whether a kind of statement did nothing to a table any more, only because of data: whether the same happens on
// the side that was left, with the same rows, decides then.
func (r Report) Doubtful(before Report) bool {
	for name, outcomes := range r {
		for op, now := range outcomes {
			if now.doubtful(before[name][op]) {
				return true
			}
		}
	}
	return false
}

func (o *Outcome) doubtful(then *Outcome) bool {
	return o != nil && then != nil && then.Done > 0 && o.Done == 0 && len(o.Refused) > 0
}

// Worse names what went less well than before: errors of another kind than of data that the same statements hadn't
// met, and a kind of statement that did nothing to a table any more. The latter is only exhausted where there
// were no rows, where all errors are of data and were met before, or where it does nothing on the side that was left, either
// (control, nil: not asked): other values would do, on either side.
func (r Report) Worse(before, control Report) (worse, exhausted []string) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		for _, op := range Operations {
			now, then := r[name][op], before[name][op]
			if now == nil || then == nil {
				continue
			}
			strange := false
			for _, code := range slices.Sorted(maps.Keys(now.Refused)) {
				if _, known := then.Refused[code]; known {
					continue
				}
				strange = true
				if !slices.Contains(dataErrors, code[:2]) {
					worse = append(worse, fmt.Sprintf("%s of %s fails otherwise than before: %s %s", op, name, code, now.Refused[code]))
				}
			}
			if now.Done > 0 || then.Done == 0 {
				continue
			}
			sentence := fmt.Sprintf("%s of %s does nothing any more: %s", op, name, now.words())
			if other := control[name][op]; other != nil && other.Done == 0 {
				strange = false
			}
			if strange {
				worse = append(worse, sentence)
			} else {
				exhausted = append(exhausted, sentence)
			}
		}
	}
	return worse, exhausted
}
