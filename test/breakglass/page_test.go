package breakglass

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// pages have the blocks by the name of their first line.
var pages = []string{"../../docs/break-glass.md", "../../docs/runbook.md"}

var (
	block = regexp.MustCompile("(?ms)^ *```(?:sql|sh)\n *(?:--|#) ([a-z-]+\\.(?:sql|sh)), [^\n]*\n(.*?)^ *```")
	// unnamed blocks can't be run by a test, so there are none.
	anyBlock = regexp.MustCompile("(?m)^ *```(?:sql|sh)$")

	usedMutex sync.Mutex
	used      = map[string]bool{}
)

// TestMain fails when the whole package ran and a block of the pages didn't.
func TestMain(m *testing.M) {
	code := m.Run()
	all := blocks()
	if code == 0 && len(used) > 0 && flag.Lookup("test.run").Value.String() == "" {
		for name := range all {
			if !used[name] {
				fmt.Fprintf(os.Stderr, "%s: no test runs %s\n", pages, name)
				code = 1
			}
		}
	}
	os.Exit(code)
}

func TestEveryBlockOfThePagesSaysWhereItRuns(t *testing.T) {
	text := readPages()
	if named, all := len(block.FindAllString(text, -1)), len(anyBlock.FindAllString(text, -1)); named != all || len(blocks()) != all {
		t.Errorf("%d blocks, %d of them with a name, %d different names: %v", all, named, len(blocks()), slices.Sorted(maps.Keys(blocks())))
	}
}

func readPages() string {
	all := ""
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			panic(err)
		}
		all += string(text)
	}
	return all
}

func blocks() map[string]string {
	found := map[string]string{}
	for _, match := range block.FindAllStringSubmatch(readPages(), -1) {
		found[match[1]] = match[2]
	}
	return found
}

func blockOf(t *testing.T, name string) string {
	t.Helper()
	text, ok := blocks()[name]
	if !ok {
		t.Fatalf("%s have no block %s", pages, name)
	}
	usedMutex.Lock()
	defer usedMutex.Unlock()
	used[name] = true
	return text
}

// variables of psql.
type variables map[string]string

// sql runs a block by psql as the superuser does and returns what it printed, without decoration.
func sql(t *testing.T, s *pg.Server, database, name string, v variables) string {
	t.Helper()
	out, err := psql(t, s.Server, s.Major, database, blockOf(t, name), v)
	if err != nil {
		t.Fatalf("%s on %s: %v\n%s", name, s.Instance, err, out)
	}
	t.Logf("%s on %s:\n%s", name, s.Instance, out)
	return out
}

func psql(t *testing.T, s postgres.Server, major int, database, text string, v variables) (string, error) {
	t.Helper()
	args := []string{"psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		args = append(args, "-v", name+"="+v[name])
	}
	cmd := pg.Program(t.Context(), t, major, pg.Environ(s, database), args...)
	cmd.Stdin = strings.NewReader(text)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// shell runs a block as in a pooler's container, whose files lie elsewhere here.
func shell(t *testing.T, name string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "sh", "-e")
	cmd.Stdin, cmd.Env = strings.NewReader(blockOf(t, name)), append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
