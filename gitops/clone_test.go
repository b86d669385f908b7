package gitops

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/gitover/gitover/test/pg"
)

func TestAHostileRepositoryHasNoEffectHere(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	h := s.human()
	for link, target := range map[string]string{"apps/orders/link.yaml": "/etc/passwd", "apps/orders/dir": "/etc", "apps/orders/instances": "../../../..", "apps/orders/in.yaml": "proxy.yaml"} {
		g.Expect(os.Symlink(target, filepath.Join(h.directory, link))).To(Succeed())
	}
	h.write("apps/orders/huge.yaml", strings.Repeat("#\n", fileLimit))
	h.commit("Hostile")
	h.push()
	r := s.open()
	for path, kind := range map[string]error{
		"apps/orders/link.yaml": ErrBadPath, "apps/orders/dir/passwd": ErrBadPath, "apps/orders/in.yaml": ErrBadPath,
		"apps/orders/huge.yaml": ErrBadFile, "../../etc/passwd": ErrBadPath, "/etc/passwd": ErrBadPath, ".git/config": ErrBadPath,
		"apps/orders": ErrBadPath, "apps/orders/none.yaml": ErrPathMissing, "apps/orders/proxy.yaml/x": ErrPathMissing,
	} {
		_, err := r.ReadFile(ctx, "", path)
		g.Expect(errors.Is(err, kind)).To(BeTrue(), "%s: %v", path, err)
	}
	_, err := r.Commit(ctx, request("CommitGreen", AddInstance(green())))
	g.Expect(errors.Is(err, ErrBadPath)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(ContainSubstring("apps/orders/instances"))
	for _, name := range []string{"link.yaml", "dir/x", "../x", ".git/x"} {
		_, err := r.Commit(ctx, request("X", func(tree *Tree) error { return tree.Write(name, []byte("x")) }))
		g.Expect(errors.Is(err, ErrBadPath)).To(BeTrue(), "%s: %v", name, err)
	}
	for _, directory := range []string{"../..", "/apps", ".git", "apps/orders/dir", "apps/orders/proxy.yaml"} {
		bad := request("X", SetTarget("orders", "orders-17"))
		bad.Directory = directory
		_, err := r.Commit(ctx, bad)
		g.Expect(errors.Is(err, ErrBadPath) || errors.Is(err, ErrPathMissing)).To(BeTrue(), "%s: %v", directory, err)
	}
	_, err = r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(err).NotTo(HaveOccurred(), "what isn't touched does no harm")
}

func TestADamagedCloneIsMadeAnew(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	directory := t.TempDir()
	r := Open(s.access("main"), directory)
	_, err := r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	clones, err := os.ReadDir(directory)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clones).To(HaveLen(1))
	packs, err := filepath.Glob(filepath.Join(directory, clones[0].Name(), "objects", "pack", "*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(packs).NotTo(BeEmpty())
	for _, pack := range packs {
		g.Expect(os.Remove(pack)).To(Succeed())
	}
	h := s.human()
	h.commit("Meanwhile")
	h.push()
	g.Eventually(func() error {
		_, err := r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
		return err
	}).WithTimeout(10 * time.Second).Should(Succeed())
}

func TestAnEvictedCloneIsNothingToItsUsers(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	directory := t.TempDir()
	first := Open(s.access("main"), directory)
	_, err := first.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	for i := range keptClones + 1 {
		cloneOf(Access{url: fmt.Sprint("https://example.org/", i)}, directory, time.Now())
	}
	g.Expect(len(process.clones)).To(BeNumerically("<=", keptClones))
	entries, err := os.ReadDir(directory)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(entries).To(BeEmpty(), "its directory is gone")
	_, err = first.ReadFile(ctx, "", "README.md")
	g.Expect(err).NotTo(HaveOccurred())
}

func TestNobodyReadsTheCloneOfOthersWithoutTheirCredentials(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	directory := t.TempDir()
	_, err := Open(s.access("main"), directory).Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	access, err := NewAccess(s.URL+"/fleet.git", "main", secretOf("username", "mallory", "password", "guessed"))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Open(access, directory).ReadFile(ctx, "", "README.md")
	g.Expect(errors.Is(err, ErrUnauthorized)).To(BeTrue(), "%v", err)
}

func TestALongHistoryAndManyFilesStayQuick(t *testing.T) {
	pg.Long(t)
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	h := s.human()
	for i := range 2000 {
		h.write(fmt.Sprintf("apps/app-%d/%d.yaml", i%50, i), strings.Repeat(fmt.Sprintf("line: %d\n", i), 20))
	}
	h.commit("Many files")
	var stream strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&stream, "commit refs/heads/long\ncommitter Ada <ada@example.org> %d +0000\ndata 7\ncommit\n", 1700000000+i)
		if i == 0 {
			stream.WriteString("from refs/heads/main\n")
		}
		fmt.Fprintf(&stream, "M 644 inline notes.yaml\ndata %d\nn: %d\n\n", len(fmt.Sprintf("n: %d\n", i)), i)
	}
	h.write("../stream", stream.String())
	run(t, h.directory, "sh", "-c", "git fast-import --quiet < ../stream && git checkout -q long && rm ../stream")
	h.push()
	for name, directory := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		r := Open(s.access("main"), directory)
		took := func(what string, call func() error) {
			start := time.Now()
			g.Expect(call()).To(Succeed())
			t.Logf("%s: %s %s", name, what, time.Since(start).Round(time.Millisecond))
		}
		took("clone", func() error { _, err := r.Fetch(ctx); return err })
		took("fetch nothing", func() error { _, err := r.Fetch(ctx); return err })
		took("find, cold", func() error { _, err := r.FindByTrailers(ctx, map[string]string{"A": "b"}, ""); return err })
		took("find, warm", func() error { _, err := r.FindByTrailers(ctx, map[string]string{"A": "b"}, ""); return err })
		took("last change", func() error {
			_, err := r.LastChange(ctx, "", "apps/orders/upgrade.yaml", "spec.version")
			return err
		})
		start := time.Now()
		for i := range 10 {
			target := fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), i)
			took("commit", func() error { _, err := r.Commit(ctx, request(target, SetTarget("orders", target))); return err })
		}
		g.Expect(time.Since(start)).To(BeNumerically("<", 30*time.Second))
	}
}
