package gitops

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestWhateverPeopleDoToProposalsNoneIsMadeTwiceAndNoneIsLost: people merge, squash, rebase, cherry-pick, edit, refuse, revert and
// revert that, at random, while others push. Gitover looks after each act. What it must see is known from what was done.
// GITOVER_SEEDS says how many histories, GITOVER_SEED where they begin.
func TestWhateverPeopleDoToProposalsNoneIsMadeTwiceAndNoneIsLost(t *testing.T) {
	first, seeds := number(t, "GITOVER_SEED", 1), number(t, "GITOVER_SEEDS", 6)
	for seed := first; seed < first+seeds; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			h := &proposals{team: aTeam(t), random: rand.New(rand.NewPCG(uint64(seed), 0)), remembers: seed%2 == 1}
			for h.stageNumber = 1; h.stageNumber <= 3; h.stageNumber++ {
				if !h.live() {
					break
				}
			}
			h.balance()
			if t.Failed() {
				t.Log(strings.Join(h.told, "\n"))
			}
		})
	}
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// proposals is what a team does with three proposals in a row, each of which takes back what the one before it did, so that the
// content of the third was there before.
type proposals struct {
	*team
	random      *rand.Rand
	told        []string
	remembers   bool // the status says where the proposal began
	stageNumber int
	// what Gitover remembers of a proposal
	base, known string
	// what was done: the content came, is there now, and the branch is there; with commits of people on it.
	came, there, open, others bool
	// kept are commits of people, which must be on main in the end; made are the proposals that were pushed as new ones.
	kept []string
	made int
}

func (h *proposals) step() string   { return fmt.Sprintf("Step%d", h.stageNumber) }
func (h *proposals) wanted() string { return []string{"orders-15", "orders-17"}[h.stageNumber%2] }
func (h *proposals) edit() Edit     { return SetTarget("orders", h.wanted()) }

// live through one proposal, and say whether the next may follow.
func (h *proposals) live() bool {
	if h.open && h.others { // merged, with others' commits on it: people have to remove it
		h.git("push", "-q", "origin", "--delete", ourBranch)
	}
	h.came, h.there, h.others = false, false, false
	if h.remembers {
		h.fetch()
		h.since = strings.TrimSpace(h.git("rev-parse", "HEAD"))
	}
	h.pushProposal()
	for range 3 + h.random.IntN(5) {
		h.act()
		h.judge()
		if h.stage.t.Failed() {
			return false
		}
	}
	if !h.came && h.open {
		h.merge()
		h.judge()
	}
	return h.there
}

func (h *proposals) pushProposal() {
	result := h.propose(h.step(), h.edit(), h.known)
	h.base, h.known, h.open = result.Commit.Parents[0], result.Commit.SHA, true
	h.tell("proposed %s on %.8s", h.step(), h.base)
	h.made++
}

func (h *proposals) tell(format string, arguments ...any) {
	h.told = append(h.told, fmt.Sprintf(format, arguments...))
}

func (h *proposals) keep() {
	h.kept = append(h.kept, strings.TrimSpace(h.git("rev-parse", "HEAD")))
	h.push()
}

// act is one of the things that people do, if it is possible now.
func (h *proposals) act() {
	h.fetch()
	switch n := h.random.IntN(10); {
	case n < 2:
		h.tell("others push to main")
		h.write(fmt.Sprintf("other-%d", h.random.Int()), "x\n")
		h.commit("Something else")
		h.keep()
	case n == 2 && !h.others: // else people would have to resolve a conflict
		h.tell("others edit the same file on main")
		h.editProxy(func(text string) string { return text + "# line\n" })
		h.commit("A comment")
		h.keep()
	case n == 3 && h.open && !h.came:
		h.tell("people commit on top of the proposal")
		h.git("checkout", "-q", "-B", "review", "origin/"+ourBranch)
		h.write(fmt.Sprintf("apps/orders/review-%d.md", h.random.Int()), "reviewed\n")
		h.commit("Reviewed")
		h.git("push", "-q", "origin", "HEAD:"+ourBranch)
		h.git("checkout", "-q", "main")
		h.others = true
	case n == 4 && h.open && !h.came:
		h.tell("refused: the branch is deleted")
		h.git("push", "-q", "origin", "--delete", ourBranch)
		h.open, h.others = false, false
	case n < 8 && h.open && !h.came:
		h.merge()
	case h.came:
		h.tell("taken back, or taken back again")
		from, to := h.wanted(), map[string]string{"orders-15": "orders-17", "orders-17": "orders-15"}[h.wanted()]
		if !h.there {
			from, to = to, from
		}
		h.editProxy(func(text string) string { return strings.Replace(text, from, to, 1) })
		h.commit("Revert it")
		h.keep()
		h.there = !h.there
	}
}

func (h *proposals) editProxy(edit func(string) string) {
	const name = "apps/orders/proxy.yaml"
	h.write(name, edit(string(content(h.human.t, h.directory+"/"+name))))
}

// merge the branch in one of the ways that forges offer, if there is no conflict.
func (h *proposals) merge() {
	h.fetch()
	branch := "origin/" + ourBranch
	ways := [][]string{{"merge", "-q", "--no-ff", "-m", "Merge pull request", branch}, {"merge", "-q", "--squash", branch}, {"merge", "-q", branch, "-m", "Merge"}}
	if !h.others {
		ways = append(ways, []string{"cherry-pick", "-x", branch}, []string{"cherry-pick", branch})
	}
	way := ways[h.random.IntN(len(ways))]
	h.tell("merged by git %s", strings.Join(way, " "))
	h.git(way...)
	if slices.Contains(way, "--squash") {
		if h.random.IntN(2) == 0 {
			h.write("apps/orders/beside.md", fmt.Sprint(h.random.Int()))
		}
		h.commit("Squashed (#1)")
	}
	h.push()
	h.came, h.there = true, true
	if h.random.IntN(2) == 0 {
		h.git("push", "-q", "origin", "--delete", ourBranch)
		h.open = false
	}
}

// judge compares what Gitover sees with what was done, and does what Gitover does then.
func (h *proposals) judge() {
	t := h.stage.t
	landing, proposal := h.looks(h.step(), h.edit(), h.base, h.known)
	h.tell("  seen: %v, %v", landing, proposal)
	switch {
	case h.came && landing.Commit == nil:
		t.Errorf("%s is lost", h.step())
	case h.came && h.there != (landing.RevertedBy == nil):
		t.Errorf("%s: there %t, but seen as reverted by %v", h.step(), h.there, landing.RevertedBy)
	case h.came:
		return
	case landing.Commit != nil:
		t.Errorf("%s has not landed, but %s is taken for it", h.step(), landing.Commit.SHA)
	case h.open && proposal.Commit == nil:
		t.Errorf("the proposal of %s isn't seen", h.step())
	case h.open && h.others != (proposal.Others > 0):
		t.Errorf("others: %t, seen: %d", h.others, proposal.Others)
	case !h.open && proposal.Commit != nil:
		t.Errorf("a branch that is gone is seen: %v", proposal)
	case !h.open: // people ask for it again
		h.pushProposal()
	case proposal.Stale:
		h.pushProposal()
		if _, again := h.looks(h.step(), h.edit(), h.base, h.known); again.Stale {
			t.Errorf("still stale: %v", again)
		}
	}
}

// balance at the end: nothing of people's is lost, and no proposal is on main more than once.
func (h *proposals) balance() {
	bare := h.root + "/fleet.git"
	for _, sha := range h.kept {
		run(h.stage.t, bare, "git", "merge-base", "--is-ancestor", sha, "main")
	}
	steps := map[string]int{}
	for step := range strings.FieldsSeq(run(h.stage.t, bare, "git", "log", "--format=%(trailers:key=Gitover-Step,valueonly)", "main")) {
		steps[step]++
	}
	for step, n := range steps {
		if n > 1 {
			h.stage.t.Errorf("%s is on main %d times", step, n)
		}
	}
}
