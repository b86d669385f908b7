package transfer

import (
	"slices"
	"strings"

	"github.com/gitover/gitover/steps/postgres"
)

// setting is a row of pg_db_role_setting: for a role, a database, or a role in a database;
// empty means all.
type setting struct {
	Role, Database, Name, Value string
}

// listSettings are the variables whose value is a list of names that PostgreSQL stores
// already quoted (GUC_LIST_QUOTE in its guc_tables.c).
var listSettings = []string{
	"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
	"temp_tablespaces", "unix_socket_directories",
}

// statement is the ALTER that makes the setting.
func (s setting) statement() string {
	target := "ALTER DATABASE " + postgres.Ident(s.Database)
	if s.Role != "" {
		target = "ALTER ROLE " + postgres.Ident(s.Role)
		if s.Database != "" {
			target += " IN DATABASE " + postgres.Ident(s.Database)
		}
	}
	return target + " SET " + settingName(s.Name) + " TO " + settingValue(s.Name, s.Value)
}

// knownTo: a server that has these settings accepts this one. Names with a dot belong to an
// extension or the application and are always accepted.
func (s setting) knownTo(names []string) bool {
	return strings.Contains(s.Name, ".") || slices.Contains(names, strings.ToLower(s.Name))
}

// settingName quotes each part of a name; a dot separates parts.
func settingName(name string) string { return postgres.Ident(strings.Split(name, ".")...) }

func settingValue(name, value string) string {
	if !slices.Contains(listSettings, strings.ToLower(name)) {
		return postgres.Literal(value)
	}
	var words []string
	for _, w := range splitList(value) {
		words = append(words, postgres.Literal(w))
	}
	if len(words) == 0 {
		return "''"
	}
	return strings.Join(words, ", ")
}

// splitList splits a stored list of names, which are separated by commas and in double quotes
// where needed.
func splitList(list string) (words []string) {
	rest := strings.TrimSpace(list)
	for rest != "" {
		var word string
		if rest[0] == '"' {
			word, rest = cutQuoted(rest)
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			word, rest = strings.TrimSpace(rest[:end]), rest[end:]
		}
		words = append(words, word)
		rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), ","))
	}
	return words
}

// cutQuoted cuts a name in double quotes from the start of s.
func cutQuoted(s string) (word, rest string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), s[i+1:]
	}
	return b.String(), ""
}
