package catalogue

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/test/pg"
)

// source is a package that has a schema in it: Debian's, in the version that this machine's apt has, with packages that it
// depends on, or npm's, in the version that is named.
type source struct {
	registry, name, version string
}

func debian(names ...string) source {
	return source{registry: "debian", name: strings.Join(names, " ")}
}
func npm(name, version string) source { return source{"npm", name, version} }

func (s source) String() string {
	return strings.TrimSuffix(s.registry+" "+s.name+" "+s.version, " ")
}

// unpack downloads the package, the first time, and returns the directory of its files and its version.
func (s source) unpack(t testing.TB) (dir, version string) {
	t.Helper()
	cache := pg.Cache(t, "catalogue")
	dir = filepath.Join(cache, strings.NewReplacer("/", "+", " ", "+").Replace(s.String()))
	if _, err := os.Stat(dir); err != nil {
		work, err := os.MkdirTemp(cache, ".new-")
		must(t, err)
		defer os.RemoveAll(work)
		must(t, s.download(t.Context(), work))
		// somebody else's is as good
		if err := os.Rename(work, dir); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	told, err := os.ReadFile(filepath.Join(dir, "version"))
	must(t, err)
	return filepath.Join(dir, "files"), strings.TrimSpace(string(told))
}

// download puts the package's files and its version into a directory.
func (s source) download(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	script := `mkdir files && npm pack --silent "$1@$2" >/dev/null && tar xzf ./*.tgz -C files --strip-components=1 && rm ./*.tgz && echo "$2" >version`
	if s.registry == "debian" {
		script = `apt-get download $1 >log 2>&1 || { apt-get update && apt-get download $1; } >>log 2>&1 || { cat log; exit 1; }
dpkg-deb -f "${1%% *}"_*.deb Version >version
for package in *.deb; do dpkg-deb -x "$package" files; done; rm ./*.deb log`
	}
	cmd := exec.CommandContext(ctx, "sh", "-ec", script, "sh", s.name, s.version)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("download %s: %w\n%s", s, err, out)
	}
	return nil
}

// reader makes a script for psql of a package's files.
type reader func(dir string) (string, error)

// files are put one after the other; patterns may match several, in order of their names.
func files(patterns ...string) reader {
	return func(dir string) (string, error) {
		var script strings.Builder
		for _, pattern := range patterns {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(found) == 0 {
				return "", fmt.Errorf("no file of the package is called %s", pattern)
			}
			slices.Sort(found)
			for _, name := range found {
				text, err := readFile(name)
				if err != nil {
					return "", err
				}
				script.WriteString(text + "\n")
			}
		}
		return script.String(), nil
	}
}

// readFile unpacks what ends in .gz.
func readFile(name string) (string, error) {
	content, err := os.ReadFile(name)
	if err != nil || !strings.HasSuffix(name, ".gz") {
		return string(content), err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return "", err
	}
	content, err = io.ReadAll(unpacked)
	return string(content), err
}

// replaced has words of a script replaced, as the application's installer does.
func replaced(r reader, oldnew ...string) reader {
	return func(dir string) (string, error) {
		script, err := r(dir)
		return strings.NewReplacer(oldnew...).Replace(script), err
	}
}

// and appends statements to a script: what the application does itself when it runs, such as making a partition.
func and(r reader, more string) reader {
	return func(dir string) (string, error) {
		script, err := r(dir)
		return script + "\n" + more, err
	}
}

// after puts statements before a script: what the installer does itself.
func after(before string, r reader) reader {
	return func(dir string) (string, error) {
		script, err := r(dir)
		return before + "\n" + script, err
	}
}

// ups are the sections of a file of Mojo::Pg's migrations that lead up.
func ups(pattern string) reader {
	return func(dir string) (string, error) {
		all, err := files(pattern)(dir)
		if err != nil {
			return "", err
		}
		var script strings.Builder
		up := false
		for line := range strings.Lines(all) {
			if m := section.FindStringSubmatch(line); m != nil {
				up = m[1] == "up"
			}
			if up {
				script.WriteString(line)
			}
		}
		return script.String(), nil
	}
}

var section = regexp.MustCompile(`^-- *\d+ *(up|down)`)

// printed is what a JavaScript expression gives, evaluated among the package's files.
func printed(expression string) reader {
	return func(dir string) (string, error) {
		cmd := exec.Command("node", "-e", "process.stdout.write("+expression+")")
		cmd.Dir = dir
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("node: %w\n%s", err, errs.String())
		}
		return string(out), nil
	}
}
