package gitops

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var (
	mine   = Owner{UID: "11111111-aaaa", Name: "shop/orders"}
	others = Owner{UID: "22222222-bbbb", Name: "shop/orders"}
)

// owned is a commit of one of two PgUpgrades that apply apps/orders.
func owned(by Owner, run, step string, edit Edit) CommitRequest {
	trailers := []Trailer{{"Gitover-Upgrade", by.UID}, {"Gitover-Run", run}, {"Gitover-Step", step}}
	unique := map[string]string{}
	for _, t := range trailers {
		unique[t.Key] = t.Value
	}
	return CommitRequest{Directory: "apps/orders", Message: step, Author: gitover, Edit: edit, Trailers: trailers, Unique: unique, Owner: by}
}

func greenOf(owner Owner) InstanceRequest {
	request := green()
	request.Owner = owner
	return request
}

func TestTheInstanceFileSaysWhoOwnsTheDirectoryAndStaysTheSameInstance(t *testing.T) {
	g := NewWithT(t)
	text, err := RenderInstance(greenOf(mine))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(ContainSubstring("\n# gitover.dev/owner: 11111111-aaaa shop/orders\napiVersion:"))
	plain, err := RenderInstance(green())
	g.Expect(err).NotTo(HaveOccurred())
	same, err := sameInstance(text, plain)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(same).To(BeTrue(), "a file of an older release is no drift")
	_, err = RenderInstance(greenOf(Owner{UID: "1\nresources: []"}))
	g.Expect(errors.Is(err, ErrBadFile)).To(BeTrue(), "%v", err)
}

// Two clusters apply one directory: the first one's finalize would have its Flux, and the
// other's, prune what serves there.
func TestASecondUpgradeCommitsNothingIntoADirectoryThatAnotherOwns(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	_, err := r.Commit(ctx, owned(mine, "r", "CommitGreen", AddInstance(greenOf(mine))))
	g.Expect(err).NotTo(HaveOccurred(), "instances/15 has no owner: whoever comes first owns the directory")
	tip := s.log()
	for step, edit := range map[string]Edit{
		"CommitGreen": AddInstance(greenOf(others)), "CommitCutover": SetTarget("orders", "orders-17"),
		"CommitFinalize": RemoveInstance("15"), "CommitRemoveGreen": RemoveInstance("17"),
	} {
		_, err := r.Commit(ctx, owned(others, "s", step, edit))
		g.Expect(errors.Is(err, ErrOwned)).To(BeTrue(), "%s: %v", step, err)
		for _, says := range []string{"apps/orders/instances/17/kustomization.yaml", mine.UID, mine.Name, "a directory of its own", "its cluster was rebuilt", others.Line()} {
			g.Expect(err.Error()).To(ContainSubstring(says), step)
		}
	}
	g.Expect(s.log()).To(Equal(tip), "nothing was pushed")
	for step, edit := range map[string]Edit{"CommitCutover": SetTarget("orders", "orders-17"), "CommitFinalize": RemoveInstance("15")} {
		_, err := r.Commit(ctx, owned(mine, "r", step, edit))
		g.Expect(err).NotTo(HaveOccurred(), step)
	}
}

// A cluster was rebuilt from Git, so that its PgUpgrade has another UID.
func TestAHumanPassesADirectoryOnByChangingTheOwnersLine(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	_, err := r.Commit(ctx, owned(mine, "r", "CommitGreen", AddInstance(greenOf(mine))))
	g.Expect(err).NotTo(HaveOccurred())
	h := s.human()
	file := "apps/orders/instances/17/kustomization.yaml"
	h.write(file, strings.ReplaceAll(s.show(file), mine.Line(), others.Line()))
	h.commit("The cluster was rebuilt")
	h.push()
	_, err = r.Commit(ctx, owned(others, "s", "CommitFinalize", RemoveInstance("15")))
	g.Expect(err).NotTo(HaveOccurred(), "the file says so")
	_, err = r.Commit(ctx, owned(mine, "r", "CommitRemoveGreen", RemoveInstance("17")))
	g.Expect(errors.Is(err, ErrOwned)).To(BeTrue(), "the former owner: %v", err)
}

// Whoever takes out the line gives the directory up. The former owner sees at its next commit that it isn't its own any more.
func TestADirectoryWhoseFilesNameNoOwnerBelongsToWhoeverCommitsFirst(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	_, err := r.Commit(ctx, owned(mine, "r", "CommitGreen", AddInstance(greenOf(mine))))
	g.Expect(err).NotTo(HaveOccurred())
	h := s.human()
	file := "apps/orders/instances/17/kustomization.yaml"
	h.write(file, strings.ReplaceAll(s.show(file), mine.Line()+"\n", ""))
	h.commit("It is nobody's")
	h.push()
	_, err = r.Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	ownership, err := r.CheckOwner(ctx, "", "apps/orders", others)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ownership.Stated).To(BeFalse())
	_, err = r.Commit(ctx, owned(others, "s", "CommitGreen", AddInstance(greenOf(others))))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = r.Commit(ctx, owned(mine, "r", "CommitFinalize", RemoveInstance("15")))
	g.Expect(errors.Is(err, ErrOwned)).To(BeTrue(), "%v", err)
}

func TestAnOpenRunWhoseInstanceAHumanRemovedKeepsNothing(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	commit, err := r.Commit(ctx, owned(mine, "r", "CommitGreen", AddInstance(green())))
	g.Expect(err).NotTo(HaveOccurred())
	h := s.human()
	h.git("revert", "--no-edit", commit.Commit.SHA)
	h.push()
	_, err = r.Commit(ctx, owned(others, "s", "CommitGreen", AddInstance(greenOf(others))))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.show("apps/orders/instances/17/kustomization.yaml")).To(ContainSubstring(others.Line()))
}

// Somebody wrote green's file first. It isn't ours before it says so.
func TestAnInstanceThatIsThereAlreadyIsOursOnceOurCommitSaysSo(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	_, err := r.Commit(ctx, CommitRequest{Directory: "apps/orders", Message: "by hand", Author: gitover, Edit: AddInstance(green())})
	g.Expect(err).NotTo(HaveOccurred())
	changes, err := r.WouldChange(ctx, "", "apps/orders", AddInstance(greenOf(mine)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(changes).To(BeTrue())
	_, err = r.Commit(ctx, owned(mine, "r", "CommitGreen", AddInstance(greenOf(mine))))
	g.Expect(err).NotTo(HaveOccurred())
	ownership, err := r.CheckOwner(ctx, "", "apps/orders", mine)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ownership.Stated).To(BeTrue())
}
