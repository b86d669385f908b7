package gitops

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const ourBranch = "gitover/orders"

var ours = map[string]string{"Gitover-Upgrade": "default/orders/1"}

// team is a repository of which Gitover proposes a step's commit, and a person who decides.
type team struct {
	*stage
	r *Repository
	human
	since string // as the status of an upgrade has it; empty: the whole history is read
}

func aTeam(t *testing.T) *team {
	t.Helper()
	s := newStage(t)
	return &team{stage: s, r: s.open(), human: s.human()}
}

func (w *team) propose(step string, edit Edit, known string) Result {
	w.stage.t.Helper()
	result, err := w.r.Propose(w.stage.t.Context(), ProposeRequest{CommitRequest: request(step, edit), Branch: ourBranch, Mine: ours, Known: known})
	if err != nil {
		w.stage.t.Fatal(err)
	}
	return result
}

// looks at what became of a proposal, after a fetch.
func (w *team) looks(step string, edit Edit, base, known string) (Landing, Proposal) {
	w.stage.t.Helper()
	ctx := w.stage.t.Context()
	if _, err := w.r.Fetch(ctx); err != nil {
		w.stage.t.Fatal(err)
	}
	content := Content{Directory: "apps/orders", Edit: edit, Base: base, Since: w.since}
	landing, err := w.r.Landed(ctx, content)
	if err != nil {
		w.stage.t.Fatal(err)
	}
	proposal, err := w.r.Proposed(ctx, ourBranch, content, request(step, edit).Unique, known)
	if err != nil {
		w.stage.t.Fatal(err)
	}
	return landing, proposal
}

func (h human) fetch() {
	h.t.Helper()
	h.git("fetch", "-q", "--prune", "origin")
	h.git("checkout", "-q", "-B", "main", "origin/main")
}

// The ways in which people bring a branch to main.
var merges = map[string]func(h human){
	"merged":       func(h human) { h.git("merge", "-q", "--no-ff", "-m", "Merge pull request #1", "origin/"+ourBranch) },
	"fast-forward": func(h human) { h.git("merge", "-q", "--ff-only", "origin/"+ourBranch) },
	"squashed":     func(h human) { squash(h, "Cut over (#1)") },
	"rebased": func(h human) {
		h.write("other", "x\n")
		h.commit("Something else")
		h.git("cherry-pick", "origin/"+ourBranch)
	},
	"cherry-picked": func(h human) { h.git("cherry-pick", "-x", "origin/"+ourBranch) },
	"edited beside": func(h human) {
		h.git("merge", "-q", "--squash", "origin/"+ourBranch)
		h.write("apps/orders/notes.md", "why\n")
		h.commit("Cut over, and say why (#1)")
	},
	"written by hand": func(h human) {
		proxy := strings.Replace(string(content(h.t, h.directory+"/apps/orders/proxy.yaml")), "orders-15", "orders-17", 1)
		h.write("apps/orders/proxy.yaml", proxy)
		h.commit("Let 17 serve")
	},
}

func squash(h human, message string) {
	h.git("merge", "-q", "--squash", "origin/"+ourBranch)
	h.commit(message)
}

func TestAProposalLandsHoweverPeopleMergeItAndItsRevertIsSeen(t *testing.T) {
	cutover := SetTarget("orders", "orders-17")
	for name, merge := range merges {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := aTeam(t)
			main := w.log()
			result := w.propose("CommitCutover", cutover, "")
			g.Expect(w.log()).To(Equal(main), "nothing is pushed to the branch that is followed")
			base := result.Commit.Parents[0]
			landing, proposal := w.looks("CommitCutover", cutover, base, result.Commit.SHA)
			g.Expect(landing.Commit).To(BeNil())
			g.Expect(proposal.Commit.SHA).To(Equal(result.Commit.SHA))
			g.Expect(proposal.Base).To(Equal(base))
			g.Expect(proposal.Stale).To(BeFalse())

			w.fetch()
			merge(w.human)
			w.push()
			w.git("push", "-q", "origin", "--delete", ourBranch)
			landing, proposal = w.looks("CommitCutover", cutover, base, result.Commit.SHA)
			g.Expect(landing.Commit).NotTo(BeNil())
			g.Expect(landing.RevertedBy).To(BeNil())
			g.Expect(proposal.Exists).To(BeFalse())
			g.Expect(w.git("show", "--format=", "-m", "--first-parent", "--name-only", landing.Commit.SHA)).To(ContainSubstring("apps/orders/proxy.yaml"))

			w.write("apps/orders/proxy.yaml", base15)
			revert := w.commit("Revert the cutover")
			w.write("README.md", "later\n")
			w.commit("Something later")
			w.push()
			again, _ := w.looks("CommitCutover", cutover, base, result.Commit.SHA)
			g.Expect(again.Commit.SHA).To(Equal(landing.Commit.SHA))
			g.Expect(again.RevertedBy).NotTo(BeNil())
			g.Expect(again.RevertedBy.SHA).To(Equal(revert))

			w.git("revert", "--no-edit", revert)
			w.push()
			again, _ = w.looks("CommitCutover", cutover, base, result.Commit.SHA)
			g.Expect(again.Commit).NotTo(BeNil())
			g.Expect(again.RevertedBy).To(BeNil(), "the revert was reverted")
		})
	}
}

var base15 = base["apps/orders/proxy.yaml"]

func TestAProposalThatWasMergedAndRevertedBetweenTwoLooksIsARevert(t *testing.T) {
	g := NewWithT(t)
	w := aTeam(t)
	cutover := SetTarget("orders", "orders-17")
	result := w.propose("CommitCutover", cutover, "")
	w.fetch()
	squash(w.human, "Cut over (#1)")
	squashed := strings.TrimSpace(w.git("rev-parse", "HEAD"))
	w.git("revert", "--no-edit", "HEAD")
	revert := strings.TrimSpace(w.git("rev-parse", "HEAD"))
	w.push()
	w.git("push", "-q", "origin", "--delete", ourBranch)
	landing, _ := w.looks("CommitCutover", cutover, result.Commit.Parents[0], result.Commit.SHA)
	g.Expect(landing.Commit).NotTo(BeNil())
	g.Expect(landing.Commit.SHA).To(Equal(squashed))
	g.Expect(landing.RevertedBy.SHA).To(Equal(revert))

	// the same content proposed again begins after that
	second := w.propose("CommitCutover", cutover, "")
	landing, proposal := w.looks("CommitCutover", cutover, second.Commit.Parents[0], second.Commit.SHA)
	g.Expect(landing.Commit).To(BeNil())
	g.Expect(proposal.Commit.SHA).To(Equal(second.Commit.SHA))
}

func TestAStaleProposalIsPutOnTheTipAgainButNeverOverOthersCommits(t *testing.T) {
	g := NewWithT(t)
	w := aTeam(t)
	add := AddInstance(green())
	first := w.propose("CommitGreen", add, "")
	w.fetch()
	w.write("README.md", "elsewhere\n")
	w.commit("Something elsewhere")
	w.push()
	_, proposal := w.looks("CommitGreen", add, first.Commit.Parents[0], first.Commit.SHA)
	g.Expect(proposal.Stale).To(BeFalse(), "nothing that it changes has changed")

	w.write("apps/orders/kustomization.yaml", base["apps/orders/kustomization.yaml"]+"# beside\n")
	w.commit("Edit what it edits")
	w.push()
	_, proposal = w.looks("CommitGreen", add, first.Commit.Parents[0], first.Commit.SHA)
	g.Expect(proposal.Stale).To(BeTrue())
	second := w.propose("CommitGreen", add, first.Commit.SHA)
	g.Expect(second.Commit.Parents[0]).To(Equal(strings.TrimSpace(w.git("rev-parse", "HEAD"))))
	_, proposal = w.looks("CommitGreen", add, second.Commit.Parents[0], second.Commit.SHA)
	g.Expect(proposal.Stale).To(BeFalse())
	g.Expect(run(t, w.root+"/fleet.git", "git", "log", "--format=%s", "main.."+ourBranch)).To(Equal("orders: CommitGreen\n"), "replaced, not added")

	w.fetch()
	w.git("checkout", "-q", "-B", "review", "origin/"+ourBranch)
	w.write("apps/orders/notes.md", "reviewed\n")
	w.commit("Say why")
	w.git("push", "-q", "origin", "HEAD:"+ourBranch)
	_, proposal = w.looks("CommitGreen", add, second.Commit.Parents[0], second.Commit.SHA)
	g.Expect(proposal.Others).To(Equal(1))
	g.Expect(proposal.Commit.SHA).To(Equal(second.Commit.SHA))
	_, err := w.r.Propose(t.Context(), ProposeRequest{CommitRequest: request("CommitGreen", add), Branch: ourBranch, Mine: ours, Known: second.Commit.SHA})
	g.Expect(err).To(MatchError(ErrBranchTaken))
	gone, err := w.r.Withdraw(t.Context(), ourBranch, ours, second.Commit.SHA)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone).To(BeFalse())
	g.Expect(run(t, w.root+"/fleet.git", "git", "log", "-1", "--format=%s", ourBranch)).To(Equal("Say why\n"))
}

func TestOnlyGitoversOwnBranchesAreReplacedOrRemoved(t *testing.T) {
	g := NewWithT(t)
	w := aTeam(t)
	cutover := SetTarget("orders", "orders-17")
	propose := func(branch string) error {
		_, err := w.r.Propose(t.Context(), ProposeRequest{CommitRequest: request("CommitCutover", cutover), Branch: branch, Mine: ours})
		return err
	}
	// another environment's branch, which is behind main
	w.git("push", "-q", "origin", "HEAD:production")
	g.Expect(propose("production")).To(MatchError(ErrBranchTaken))
	g.Expect(propose("main")).To(MatchError(ErrBadReference))
	g.Expect(propose("a..b")).To(MatchError(ErrBadReference))
	for branch, gone := range map[string]bool{"production": false, "nowhere": true} {
		is, err := w.r.Withdraw(t.Context(), branch, ours, "")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(is).To(Equal(gone), branch)
	}
	_, err := w.r.Withdraw(t.Context(), "main", ours, "")
	g.Expect(err).To(MatchError(ErrBadReference))

	result := w.propose("CommitCutover", cutover, "")
	_, err = w.r.Propose(t.Context(), ProposeRequest{CommitRequest: request("CommitCutover", cutover), Branch: ourBranch, Mine: map[string]string{"Gitover-Upgrade": "another"}})
	g.Expect(err).To(MatchError(ErrBranchTaken), "another upgrade's")
	gone, err := w.r.Withdraw(t.Context(), ourBranch, ours, result.Commit.SHA)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone).To(BeTrue())
	g.Expect(run(t, w.root+"/fleet.git", "git", "for-each-ref", "--format=%(refname:short)")).To(Equal("main\nproduction\n"))
}

func TestAServerThatLetsNoBranchBeReplacedIsNamed(t *testing.T) {
	g := NewWithT(t)
	w := aTeam(t)
	cutover := SetTarget("orders", "orders-17")
	first := w.propose("CommitCutover", cutover, "")
	w.fetch()
	w.write("README.md", "elsewhere\n")
	w.commit("Something elsewhere")
	w.push()
	run(t, w.root+"/fleet.git", "git", "config", "receive.denyNonFastForwards", "true")
	_, err := w.r.Propose(t.Context(), ProposeRequest{CommitRequest: request("CommitCutover", cutover), Branch: ourBranch, Mine: ours, Known: first.Commit.SHA})
	g.Expect(err).To(MatchError(ErrPushForbidden))
	g.Expect(err).To(MatchError(ContainSubstring(`replace and remove branches like "` + ourBranch + `"`)))
}

func TestTheServerGetsTheOptionsOfAPush(t *testing.T) {
	g := NewWithT(t)
	w := aTeam(t)
	run(t, w.root+"/fleet.git", "git", "config", "receive.advertisePushOptions", "true")
	w.hook("pre-receive", `echo "$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1" > options`)
	_, err := w.r.Propose(t.Context(), ProposeRequest{CommitRequest: request("CommitCutover", SetTarget("orders", "orders-17")), Branch: ourBranch, Mine: ours,
		Options: map[string]string{"merge_request.target": "main", "merge_request.create": ""}})
	g.Expect(err).NotTo(HaveOccurred())
	told, err := os.ReadFile(w.root + "/fleet.git/options")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(told)).To(Equal("2 merge_request.create= merge_request.target=main\n"))
}
