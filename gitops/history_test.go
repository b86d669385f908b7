package gitops

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestOurCommitsAreFoundByTheirTrailersNewestFirst(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r, h := s.open(), s.human()
	h.git("checkout", "-q", "-b", "side")
	side := h.commit("On the side\n\nGitover-Step: X\nGitover-Other: 1")
	h.git("checkout", "-q", "main")
	one := h.commit("One\n\nGitover-Step: X")
	h.git("merge", "-q", "--no-ff", "-m", "Merge the side", "side")
	h.commit("Not ours: Gitover-Step: X\n\nGitover-Step: X\n\nbecause a paragraph follows")
	two := h.commit("Two\n\nGitover-Step: X\nGitover-Step: Y")
	h.push()
	_, err := r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	found, err := r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "X"}, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shas(found)).To(And(HaveLen(3), HaveExactElements(two, BeElementOf(one, side), BeElementOf(one, side))))
	g.Expect(found[0].Author).To(Equal(Person{"Ada", "ada@example.org"}))
	found, err = r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "X", "Gitover-Other": "1"}, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shas(found)).To(Equal([]string{side}), "merged ones too")

	three := h.commit("Three\n\nGitover-Step: X")
	h.push()
	_, err = r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	found, err = r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "X"}, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shas(found)).To(HaveExactElements(three, two, BeElementOf(one, side), BeElementOf(one, side)))

	h.git("reset", "-q", "--hard", one)
	h.git("push", "-q", "--force", "origin", "HEAD:main")
	tip, err := r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tip.Revision()).To(Equal("main@sha1:" + one))
	found, err = r.FindByTrailers(ctx, map[string]string{"Gitover-Step": "X"}, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shas(found)).To(Equal([]string{one}), "history was rewritten")
	_, err = r.FindByTrailers(ctx, nil, "")
	g.Expect(err).To(HaveOccurred())
	_, err = r.FindByTrailers(ctx, map[string]string{"Signed-off-by": "Ada"}, "")
	g.Expect(err).To(MatchError(ErrBadMessage), "only Gitover's own are remembered")
}

func shas(commits []Commit) []string {
	var all []string
	for _, commit := range commits {
		all = append(all, commit.SHA)
	}
	return all
}

func TestARevisionOfFluxContainsOurCommitOrNot(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r, h := s.open(), s.human()
	one := h.commit("One")
	two := h.commit("Two")
	h.git("checkout", "-q", "-b", "side", one)
	side := h.commit("Side")
	h.git("checkout", "-q", "main")
	h.push()
	for _, c := range []struct {
		a, d string
		want bool
	}{{one, two, true}, {one, one, true}, {two, one, false}, {"sha1:" + one, "main@sha1:" + two, true}, {one, "main/" + two, true}, {one, "refs/heads/main@sha1:" + two, true}} {
		got, err := r.IsAncestor(ctx, c.a, c.d)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(c.want), "%v", c)
	}
	for _, unknown := range []string{side, strings.Repeat("0", 39) + "1", "main@sha1:zz", "HEAD", "main"} {
		_, err := r.IsAncestor(ctx, one, unknown)
		g.Expect(errors.Is(err, ErrUnknownRevision)).To(BeTrue(), "%s: %v", unknown, err)
	}
	h.git("merge", "-q", "--no-ff", "-m", "Merge", "side")
	h.push()
	got, err := r.IsAncestor(ctx, two, strings.TrimSpace(h.git("rev-parse", "HEAD")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(BeTrue(), "a commit that isn't here yet is fetched for")
	got, err = r.IsAncestor(ctx, side, two)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(BeFalse())
}

func TestWhoAskedForTheUpgradeIsWhoWroteTheVersion(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r, h := s.open(), s.human()
	file, version := "apps/orders/upgrade.yaml", base["apps/orders/upgrade.yaml"]
	h.git("checkout", "-q", "-b", "bump")
	h.write(file, strings.Replace(version, "15", "17", 1))
	h.git("add", "-A")
	h.git("-c", "user.name=Grace", "-c", "user.email=grace@example.org", "commit", "-q", "-m", "PostgreSQL 17 for orders")
	bump := strings.TrimSpace(h.git("rev-parse", "HEAD"))
	h.git("checkout", "-q", "main")
	h.commit("Meanwhile")
	h.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7", "bump")
	h.write(file, "# a remark\n"+strings.Replace(version, "15", "17", 1))
	last := h.commit("A remark")
	h.push()
	commit, err := r.LastChange(ctx, "main@sha1:"+last, file, "spec.version")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(commit.SHA).To(Equal(bump))
	g.Expect(commit.Author.Name).To(Equal("Grace"))
	value, err := r.ReadField(ctx, bump, "./"+file, "spec.version")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(value).To(Equal("17"))
	_, err = r.LastChange(ctx, "", file, "spec.nothing")
	g.Expect(errors.Is(err, ErrFieldMissing)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(And(ContainSubstring(file), ContainSubstring("spec.nothing")))
	_, err = r.LastChange(ctx, "", "nowhere.yaml", "spec.version")
	g.Expect(errors.Is(err, ErrPathMissing)).To(BeTrue(), "%v", err)
}

// A revert is an instruction: each story ends with whether the cutover still stands.
func TestWhatAHumanTookBackIsSeen(t *testing.T) {
	proxy := func(target, more string) string {
		return strings.Replace(base["apps/orders/proxy.yaml"], "orders-15", target, 1) + more
	}
	for name, c := range map[string]struct {
		story    func(h human, cutover string) (by string)
		reverted bool
	}{
		"nothing happened": {func(human, string) string { return "" }, false},
		"git revert": {func(h human, cutover string) string {
			h.git("revert", "--no-edit", cutover)
			return strings.TrimSpace(h.git("rev-parse", "HEAD"))
		}, true},
		"reverted in a pull request": {func(h human, cutover string) string {
			h.git("checkout", "-q", "-b", "back")
			h.git("revert", "--no-edit", cutover)
			by := strings.TrimSpace(h.git("rev-parse", "HEAD"))
			h.git("checkout", "-q", "main")
			h.commit("Meanwhile")
			h.git("merge", "-q", "--no-ff", "-m", "Merge", "back")
			return by
		}, true},
		"the revert was reverted": {func(h human, cutover string) string {
			h.git("revert", "--no-edit", cutover)
			h.git("revert", "--no-edit", "HEAD")
			return ""
		}, false},
		"by hand": {func(h human, _ string) string {
			h.write("apps/orders/proxy.yaml", proxy("orders-15", ""))
			return h.commit("Back to the old one")
		}, true},
		"another value": {func(h human, _ string) string {
			h.write("apps/orders/proxy.yaml", proxy("orders-16", ""))
			return h.commit("Elsewhere")
		}, true},
		"an unrelated edit of the same file": {func(h human, _ string) string {
			h.write("apps/orders/proxy.yaml", "# hello\n"+proxy("orders-17", "  other: 1\n"))
			h.commit("A remark")
			return ""
		}, false},
		"the file is gone": {func(h human, _ string) string {
			h.git("rm", "-q", "apps/orders/proxy.yaml")
			return h.commit("No proxy")
		}, true},
		"the file is broken": {func(h human, _ string) string {
			h.write("apps/orders/proxy.yaml", "a: [")
			return h.commit("Oops")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g, ctx := NewWithT(t), t.Context()
			s := newStage(t)
			r := s.open()
			cutover, err := r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
			g.Expect(err).NotTo(HaveOccurred())
			h := s.human()
			by := c.story(h, cutover.Commit.SHA)
			h.push()
			_, err = r.Fetch(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			ended, err := r.RevertedBy(ctx, cutover.Commit)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(ended != nil).To(Equal(c.reverted))
			if ended != nil {
				g.Expect(ended.SHA).To(Equal(by), ended.Subject)
			}
			again, err := r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again.AlreadyThere).To(BeTrue(), "it is never committed a second time")
		})
	}
}

func TestAddedAndRemovedInstancesThatWereTakenBackAreSeen(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r, h := s.open(), s.human()
	added, err := r.Commit(ctx, request("CommitGreen", AddInstance(green())))
	g.Expect(err).NotTo(HaveOccurred())
	h.pull()
	h.write("apps/orders/instances/17/kustomization.yaml", "# edited\n")
	h.write("apps/orders/kustomization.yaml", "resources: [instances/17, proxy.yaml, upgrade.yaml]\n")
	h.commit("Tidy up")
	h.push()
	expect := func(commit Commit, by string) {
		t.Helper()
		_, err := r.Fetch(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		ended, err := r.RevertedBy(ctx, commit)
		g.Expect(err).NotTo(HaveOccurred())
		if by == "" {
			g.Expect(ended).To(BeNil())
			return
		}
		g.Expect(ended).NotTo(BeNil())
		g.Expect(ended.SHA).To(Equal(by))
	}
	expect(added.Commit, "")
	h.write("apps/orders/kustomization.yaml", "resources: [proxy.yaml, upgrade.yaml]\n")
	by := h.commit("Not this one")
	h.push()
	expect(added.Commit, by)

	removed, err := r.Commit(ctx, request("CommitFinalize", RemoveInstance("17")))
	g.Expect(err).NotTo(HaveOccurred())
	expect(removed.Commit, "")
	h.pull()
	h.git("revert", "--no-edit", removed.Commit.SHA)
	h.push()
	expect(removed.Commit, strings.TrimSpace(h.git("rev-parse", "HEAD")))

	h.git("reset", "-q", "--hard", added.Commit.SHA)
	h.git("push", "-q", "--force", "origin", "HEAD:main")
	_, err = r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = r.RevertedBy(ctx, removed.Commit)
	g.Expect(errors.Is(err, ErrUnknownRevision)).To(BeTrue(), "%v", err)
}

func TestAHistoryThatWasRewrittenWhileWeWriteIsWrittenOn(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r, h := s.open(), s.human()
	root := strings.TrimSpace(h.git("rev-parse", "HEAD"))
	for i := range 3 {
		h.commit(fmt.Sprint(i))
	}
	h.push()
	_, err := r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	h.git("reset", "-q", "--hard", root)
	other := h.commit("Rewritten")
	h.git("push", "-q", "--force", "origin", "HEAD:main")
	result, err := r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Commit.Parents).To(Equal([]string{other}))
}
