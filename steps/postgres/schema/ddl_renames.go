package schema

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// renames are guesses: the side that follows has a table or column that the other side lacks, and lacks one with the same
// columns, or of the same type at the same place.
func (e *equalizer) renames() []string {
	missing, extra := columnsByTable(e.want.columns, e.drift.Missing), columnsByTable(e.have.columns, e.drift.Extra)
	var found []string
	for _, table := range slices.Sorted(maps.Keys(extra)) {
		if !slices.Contains(e.drift.Extra, "table "+table) {
			for _, old := range extra[table] {
				for _, wanted := range missing[table] {
					if old.Place == wanted.Place && old.Type == wanted.Type {
						found = append(found, fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", table, old.Column, wanted.Column))
					}
				}
			}
			continue
		}
		var like []string
		for other, columns := range missing {
			if slices.Contains(e.drift.Missing, "table "+other) && slices.EqualFunc(columns, extra[table], sameColumn) {
				like = append(like, other)
			}
		}
		if len(like) == 1 {
			found = append(found, renameTable(table, like[0]))
		}
	}
	return found
}

func sameColumn(a, b ddlColumn) bool { return a.Column == b.Column && a.Type == b.Type }

// renameTable takes qualified names, quoted where they need it.
func renameTable(old, wanted string) string {
	schema, name := splitName(wanted)
	if was, _ := splitName(old); was != schema {
		return fmt.Sprintf("ALTER TABLE %s SET SCHEMA %s", old, schema)
	}
	return fmt.Sprintf("ALTER TABLE %s RENAME TO %s", old, name)
}

// splitName at the dot that isn't within quotes.
func splitName(qualified string) (schema, name string) {
	quoted := false
	for i, r := range qualified {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '.' && !quoted:
			return qualified[:i], qualified[i+1:]
		}
	}
	return "", qualified
}

// columnsByTable are those of the names of a drift, in the order of their places.
func columnsByTable(all map[string]ddlColumn, names []string) map[string][]ddlColumn {
	tables := map[string][]ddlColumn{}
	for _, name := range names {
		if c, there := all[name]; there && strings.HasPrefix(name, "column ") {
			tables[c.Table] = append(tables[c.Table], c)
		}
	}
	for _, columns := range tables {
		slices.SortFunc(columns, func(a, b ddlColumn) int { return cmp.Compare(a.Place, b.Place) })
	}
	return tables
}
