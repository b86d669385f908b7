package adopt

import (
	"regexp"
	"strings"
)

const include = "%include /run/gitover/target.ini"

// settings that a switch needs, see docs/install.md.
var settings = []struct{ key, value string }{
	{"unix_socket_dir", "/run/gitover"}, {"admin_users", "pgbouncer"}, {"query_wait_timeout", "120"}, {"server_login_retry", "0.05"}, {"server_connect_timeout", "5"},
}

func wantedSettings() []string {
	var lines []string
	for _, s := range settings {
		lines = append(lines, s.key+" = "+s.value)
	}
	return lines
}

var (
	section = regexp.MustCompile(`^\s*\[([^\]]+)\]`)
	setting = regexp.MustCompile(`^\s*([a-z_]+)\s*=\s*(.*?)\s*$`)
	hostOf  = regexp.MustCompile(`host\s*=\s*'?([^\s']+)`)
)

// joined is pgbouncer.ini with what joining needs: the agent's file in place of the databases that lead to the server, and the
// settings that are missing. What the team has set stays; what can't stay is left to it, in hints.
func (f *Found) joined(ini string) string {
	lines := strings.SplitAfter(ini, "\n")
	var result, kept []string
	in, set, at := "", map[string]string{}, -1
	for _, line := range lines {
		if match := section.FindStringSubmatch(line); match != nil {
			in = strings.ToLower(match[1])
			if in == "databases" {
				result = append(result, "; Instead of [databases]: the agent writes this file.\n", include+"\n")
				continue
			}
		}
		if in == "databases" {
			if f.leadsElsewhere(line) {
				kept = append(kept, line)
			} else if strings.TrimSpace(line) == "" {
				kept = append(kept, "")
			}
			continue
		}
		result = append(result, line)
		if in != "pgbouncer" {
			continue
		}
		if match := setting.FindStringSubmatch(line); match != nil {
			set[match[1]] = match[2]
		}
		if strings.TrimSpace(line) != "" {
			at = len(result)
		}
	}
	text := strings.Join(result, "")
	if at >= 0 {
		text = strings.Join(result[:at], "") + f.missing(set, result[at-1]) + strings.Join(result[at:], "")
	}
	return f.withKept(text, kept)
}

// leadsElsewhere is an entry of another server's database.
func (f *Found) leadsElsewhere(line string) bool {
	if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, ";") || strings.HasPrefix(trimmed, "#") {
		return false
	}
	match := hostOf.FindStringSubmatch(line)
	if match == nil {
		return false
	}
	host, _, _ := strings.Cut(match[1], ".")
	return host != f.Service
}

// withKept puts the entries of other servers behind the agent's file.
func (f *Found) withKept(text string, kept []string) string {
	blank, others := "", ""
	for _, line := range kept {
		if line == "" {
			blank = "\n"
			continue
		}
		others += line
	}
	if others != "" {
		others = "[databases]\n" + others
	}
	return strings.Replace(text, include+"\n", include+"\n"+others+blank, 1)
}

// missing settings, and hints about those that are set otherwise.
func (f *Found) missing(set map[string]string, last string) string {
	var lines []string
	for _, s := range settings {
		value, there := set[s.key]
		switch {
		case !there:
			lines = append(lines, s.key+" = "+s.value)
		case s.key == "unix_socket_dir" && value != s.value, s.key == "admin_users" && !strings.Contains(value, s.value):
			f.hint("pgbouncer.ini sets %s = %s: the agent needs %s", s.key, value, s.value)
		}
	}
	if mode := set["pool_mode"]; mode != "transaction" && mode != "statement" {
		f.hint("pgbouncer.ini has no pool_mode = transaction: a switch can't hold clients in session pooling")
	}
	if set["max_prepared_statements"] == "0" {
		f.hint("pgbouncer.ini sets max_prepared_statements = 0: prepared statements of clients would not survive a switch")
	}
	if len(lines) == 0 {
		return ""
	}
	end := ""
	if !strings.HasSuffix(last, "\n") {
		end = "\n"
	}
	return end + "\n; New: where the agent reaches the console, and limits that a switch needs.\n" + strings.Join(lines, "\n") + "\n"
}
