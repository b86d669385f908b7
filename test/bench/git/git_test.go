package git

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/test/bench/report"
)

const root = "../../.."

// BenchmarkMonorepo: the first commit, which clones, and later ones; twenty upgrades that commit at once while others push; two
// hundred databases in one clone; and what that takes of memory and disk.
func BenchmarkMonorepo(b *testing.B) {
	m := newMonorepo(b)
	runtime.GC()
	r := report.New("git", root)
	for b.Loop() {
		m.measure(r)
	}
	must(b, r.Write(root, os.Stdout))
}

func (m *monorepo) measure(r *report.Report) {
	reference := filepath.Join(m.b.TempDir(), "clone")
	byHand := seconds(m.b, func() error {
		if err := git("", "clone", "-q", m.url, reference); err != nil {
			return err
		}
		return pushByHand(reference, 0)
	})
	laterByHand := seconds(m.b, func() error {
		if err := git(reference, "pull", "-q", "--rebase"); err != nil {
			return err
		}
		return pushByHand(reference, 1)
	})
	runtime.GC()
	most, err := report.WatchMemory()
	must(m.b, err)
	repository := m.open()
	tip, err := exec.Command("git", "-C", m.bare, "rev-parse", "main").Output()
	must(m.b, err)
	m.since = strings.TrimSpace(string(tip))
	r.Against(m.size, "first commit", "s", seconds(m.b, func() error { return m.commit(repository, 0, "first") }), "git clone, commit, push", byHand)
	r.Against(m.size, "later commit", "s", seconds(m.b, func() error { return m.commit(repository, 0, "later") }), "git pull, commit, push", laterByHand)
	r.Add(m.size, "20 upgrades commit at once, others push", "s", seconds(m.b, func() error { return m.together(reference) }))
	r.Add(m.size, fmt.Sprintf("a look at %d databases", databases), "s", seconds(m.b, m.look))
	memory, err := most()
	must(m.b, err)
	r.Add(m.size, "most memory of this process", "MiB", memory)
	most, err = report.WatchMemory()
	must(m.b, err)
	r.Add(m.size, "the whole history, for an upgrade that doesn't say where it began", "s", seconds(m.b, func() error {
		_, err := repository.FindByTrailers(m.b.Context(), map[string]string{"Gitover-Upgrade": "none"}, "")
		return err
	}))
	memory, err = most()
	must(m.b, err)
	r.Add(m.size, "most memory of this process by that", "MiB", memory)
	r.Against(m.size, "disk", "MiB", mebibytes(m.b, m.repositoryDir), "git clone", mebibytes(m.b, filepath.Join(reference, ".git")))
}

func pushByHand(directory string, n int) error {
	file := filepath.Join(directory, "apps", fmt.Sprintf("by-hand-%d.yaml", n))
	if err := os.WriteFile(file, []byte(time.Now().String()), 0o600); err != nil {
		return err
	}
	for _, arguments := range [][]string{{"add", "-A", "apps"}, {"commit", "-q", "-m", "apps: by hand"}, {"push", "-q"}} {
		if err := git(directory, arguments...); err != nil {
			return err
		}
	}
	return nil
}

// commit what an upgrade changes: a file of its directory, and a new one.
func (m *monorepo) commit(r *gitops.Repository, n int, step string) error {
	trailers := []gitops.Trailer{{Key: "Gitover-Upgrade", Value: fmt.Sprintf("default/orders-%d/1", n)}, {Key: "Gitover-Step", Value: step}}
	_, err := r.Commit(m.b.Context(), gitops.CommitRequest{
		Directory: directory(n), Message: "orders: " + step, Trailers: trailers, Author: gitops.Person{Name: "Gitover", Email: "gitover@example.org"},
		Unique: map[string]string{trailers[0].Key: trailers[0].Value, trailers[1].Key: trailers[1].Value}, Since: m.since,
		Edit: func(t *gitops.Tree) error {
			content, err := t.Read("upgrade.yaml")
			if err != nil {
				return err
			}
			if err := t.Write("upgrade.yaml", append(content, "# "+step+"\n"...)); err != nil {
				return err
			}
			return t.Write(step+".yaml", []byte("kind: List\n"))
		},
	})
	return err
}

func directory(n int) string { return fmt.Sprintf("databases/orders-%d", n) }

// together has twenty upgrades commit, while a person pushes as fast as they can.
func (m *monorepo) together(checkout string) error {
	done := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for n := 2; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			// a push that lost against Gitover's is made again with the next
			if err := git(checkout, "pull", "-q", "--rebase"); err != nil {
				failed <- err
				return
			}
			_ = pushByHand(checkout, n)
		}
	}()
	var group errgroup.Group
	for n := range 20 {
		group.Go(func() error { return m.commit(m.open(), n, "together") })
	}
	err := group.Wait()
	close(done)
	return errors.Join(err, <-failed)
}

// look as a controller does at each of many databases in one repository.
func (m *monorepo) look() error {
	for n := range databases {
		r := m.open()
		if _, err := r.Fetch(m.b.Context()); err != nil {
			return err
		}
		if _, err := r.FindByTrailers(m.b.Context(), map[string]string{"Gitover-Upgrade": fmt.Sprintf("default/orders-%d/1", n)}, m.since); err != nil {
			return err
		}
		if _, err := r.ReadFile(m.b.Context(), "", directory(n)+"/upgrade.yaml"); err != nil {
			return err
		}
	}
	return nil
}

func seconds(b *testing.B, do func() error) float64 {
	b.Helper()
	begun := time.Now()
	must(b, do())
	return time.Since(begun).Seconds()
}

// mebibytes of the files below a directory.
func mebibytes(b *testing.B, directory string) float64 {
	var sum int64
	must(b, filepath.Walk(directory, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return err
	}))
	return float64(sum) / (1 << 20)
}
