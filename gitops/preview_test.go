package gitops

import (
	"testing"

	. "github.com/onsi/gomega"
)

// TestAPreviewShowsByteForByteWhatIsCommitted of each commit of an upgrade, on a real Git server.
func TestAPreviewShowsByteForByteWhatIsCommitted(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	preview, err := NewPreview(files(nil), "apps/orders")
	g.Expect(err).NotTo(HaveOccurred())
	for step, edit := range map[string]Edit{"CommitGreen": AddInstance(green()), "CommitCutover": SetTarget("orders", "orders-17"), "Version": SetVersion("orders", "17")} {
		shown, err := preview.Apply(ctx, edit)
		g.Expect(err).NotTo(HaveOccurred())
		made, err := r.Commit(ctx, request(step, edit))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(shown).To(Equal(made.Diff))
		g.Expect(shown).NotTo(BeEmpty())
	}
	built, err := preview.Build("instances/17")
	g.Expect(err).NotTo(HaveOccurred())
	committed, err := r.Build(ctx, BuildRequest{Directory: "apps/orders", Path: "instances/17"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(built).To(Equal(committed))
	again, err := preview.Apply(ctx, SetVersion("orders", "17"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(BeEmpty(), "what is there already is no change")
	_, err = NewPreview(map[string][]byte{"../x": nil}, "apps/orders")
	g.Expect(err).To(MatchError(ErrBadPath))
}
