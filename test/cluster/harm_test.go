package cluster_test

import (
	"os"
	"testing"

	cluster "github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/cluster/harm"
	"github.com/gitover/gitover/test/cluster/supervisor"
)

func TestKubernetesAndFluxAreHarmedAndRecover(t *testing.T) {
	if os.Getenv("GITOVER_E2E") != "1" {
		t.Skip("needs GITOVER_E2E=1 and the stage: `make cluster`")
	}
	stage, err := cluster.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	s := smoke{T: t, stage: stage}
	answers := func() error {
		_, err := stage.Kube(s.Context(), "get", "--raw", "/readyz", "--request-timeout=2s")
		return err
	}
	s.Run("a killed API server is started again", func(t *testing.T) {
		s := s.on(t)
		s.must(harm.KillComponent(s.Context(), stage, supervisor.APIServer))
		if answers() == nil {
			t.Error("it answered at once")
		}
		s.eventually("it answers again", answers)
	})
	s.Run("a paused API server answers when resumed", func(t *testing.T) {
		s := s.on(t)
		resume, err := harm.PauseComponent(s.Context(), stage, supervisor.APIServer)
		s.must(err)
		if answers() == nil {
			t.Error("a paused API server answered")
		}
		s.must(resume(s.Context()))
		s.eventually("it answers again", answers)
	})
	s.Run("stopped Flux controllers come back when healed", func(t *testing.T) {
		s := s.on(t)
		heal, err := harm.StopFlux(s.Context(), stage)
		s.must(err)
		left, err := stage.Kube(s.Context(), "get", "pods", "-n", "flux-system", "-o", "name")
		s.must(err)
		if left != "" {
			t.Errorf("still there: %s", left)
		}
		s.must(heal(s.Context()))
	})
	s.Run("slowed Flux controllers get their speed back", func(t *testing.T) {
		s := s.on(t)
		heal, err := harm.SlowFlux(s.Context(), stage, 5)
		s.must(err)
		s.must(heal(s.Context()))
		s.must(heal(s.Context()))
	})
}
