package gitops

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhetherAnEditWouldChangeAnythingIsKnownBeforehand(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	r := s.open()
	for name, c := range map[string]struct {
		edit Edit
		want bool
	}{
		"another target":     {SetTarget("orders", "orders-17"), true},
		"the same target":    {SetTarget("orders", "orders-15"), false},
		"a new instance":     {AddInstance(green()), true},
		"one that isn't":     {RemovePath("legacy"), false},
		"manifests that are": {RemovePath("base"), true},
	} {
		got, err := r.WouldChange(ctx, "", "apps/orders", c.edit)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(got).To(Equal(c.want), name)
	}
	_, err := r.WouldChange(ctx, "", "apps/orders", RemovePath("../other"))
	g.Expect(errors.Is(err, ErrBadPath)).To(BeTrue(), "%v", err)
}
