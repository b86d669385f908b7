// Package preflight names what would break an upgrade, before anything is made.
//
// Each hazard is a row of rules: severity, where its query runs, why it matters and what fixes it. Queries are in sql/rules, a
// file each, and read only. What no query can tell, Gitover tries and undoes. An error means that a server couldn't be queried; a
// hazard is a finding, never an error.
package preflight
