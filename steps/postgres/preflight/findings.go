package preflight

import (
	"slices"
	"strconv"
	"strings"
)

// Finding is one hazard at one object.
type Finding struct {
	// Name of the rule; what spec.acknowledge lists.
	Name, Severity string
	// Database is empty if the finding concerns the whole server.
	Database, Object string
	// Why it matters, and the exact SQL or setting that fixes it.
	Why, Fix string
	// Acknowledged findings don't stop the upgrade.
	Acknowledged bool
}

// Blocks says whether the finding stops the upgrade.
func (f Finding) Blocks() bool { return f.Severity == Block && !f.Acknowledged }

// Blocking is how many of the findings stop the upgrade.
func Blocking(findings []Finding) (n int) {
	for _, f := range findings {
		if f.Blocks() {
			n++
		}
	}
	return n
}

// finding makes a finding of a row of evidence.
func (r rule) finding(e evidence, database string, req Request) Finding {
	word := strings.NewReplacer("{object}", e.Object, "{detail}", e.Detail, "{fix}", e.Fix, "{target}", strconv.Itoa(req.Target))
	return Finding{
		Name: r.Name, Severity: r.Severity, Database: database, Object: e.Object,
		Why: word.Replace(r.Why), Fix: word.Replace(r.Fix),
		Acknowledged: !r.Firm && (slices.Contains(req.Acknowledged, r.Name) ||
			slices.Contains(req.Acknowledged, r.Name+"/"+database+"/"+e.Object)),
	}
}
