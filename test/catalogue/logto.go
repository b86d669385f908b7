package catalogue

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	initOrder = regexp.MustCompile(`init_order = ([\d.]+)`)
	// tenantsTable is the one whose statement is in JavaScript.
	tenantsTable = regexp.MustCompile("(?s)/\\* Sql \\*/ `(.*?)`")
)

// logto puts the files of @logto/schemas together as Logto's installer does: in the order that each begins with, and
// after each what is said of every table.
func logto(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "tables", "*.sql"))
	if err != nil {
		return "", err
	}
	type part struct {
		name, text string
		order      float64
	}
	const last = 1000 // where a file doesn't say
	var parts []part
	fixed := map[string]string{}
	for _, name := range found {
		content, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		p := part{strings.TrimSuffix(filepath.Base(name), ".sql"), string(content), last}
		if strings.HasPrefix(p.name, "_after") || strings.HasPrefix(p.name, "_before") {
			fixed[p.name] = p.text
			continue
		}
		if m := initOrder.FindStringSubmatch(p.text); m != nil {
			p.order, _ = strconv.ParseFloat(m[1], 64)
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.name, b.name))
	})
	model, err := os.ReadFile(filepath.Join(dir, "lib", "models", "tenants.js"))
	if err != nil {
		return "", err
	}
	tenants := tenantsTable.FindSubmatch(model)
	if tenants == nil {
		return "", errors.New("lib/models/tenants.js has no statement")
	}
	script := strings.ReplaceAll(string(tenants[1]), "${TenantTag.Development}", "development") + "\n"
	for _, p := range parts {
		script += p.text + ";\n"
		if !strings.Contains(p.text, "no_after_each") {
			script += strings.ReplaceAll(fixed["_after_each"], "${name}", p.name) + "\n"
		}
	}
	return strings.ReplaceAll(script+fixed["_after_all"], "${database}", "logto"), nil
}
