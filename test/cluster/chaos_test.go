package cluster_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	cluster "github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/cluster/supervisor"
	"github.com/gitover/gitover/test/pg"
)

func TestKubernetesAndFluxRecoverFromFaults(t *testing.T) {
	if os.Getenv("GITOVER_E2E") != "1" {
		t.Skip("needs GITOVER_E2E=1 and the stage: `make cluster`")
	}
	pg.Long(t)
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
		s.must(chaos.KillComponent(s.Context(), stage, supervisor.APIServer))
		if answers() == nil {
			t.Error("it answered at once")
		}
		s.eventually("it answers again", answers)
	})
	s.Run("a stopped API server stays down until healed", func(t *testing.T) {
		s := s.on(t)
		start, err := chaos.StopComponent(s.Context(), stage, supervisor.APIServer)
		s.must(err)
		for range 3 { // a killed one would be there again: each look takes up to two seconds
			if answers() == nil {
				t.Error("a stopped API server answered")
			}
		}
		s.must(start(s.Context()))
		s.eventually("it answers again", answers)
	})
	s.Run("a deleted pod is gone at once, and another takes its place", func(t *testing.T) {
		s := s.on(t)
		pod := func() (string, error) {
			return stage.Kube(s.Context(), "get", "pod", "-n", "stage-git", "-l", "app=git", "-o", "jsonpath={.items[*].metadata.name}")
		}
		before, err := pod()
		s.must(err)
		s.must(chaos.DeletePod(s.Context(), stage, "stage-git", before))
		if now, err := pod(); err != nil || strings.Contains(now, before) {
			t.Errorf("%s is still there: %s (%v)", before, now, err)
		}
		// not the Deployment's word: its status may be older than the deletion
		s.eventually("another pod is ready", func() error {
			now, err := pod()
			if err == nil && now == "" {
				err = errors.New("there is none")
			}
			if err == nil {
				_, err = stage.Kube(s.Context(), "wait", "-n", "stage-git", "pod/"+now, "--for=condition=Ready", "--timeout=5s")
			}
			return err
		})
	})
	s.Run("a pod that is cut off from the API server reaches everybody else", func(t *testing.T) {
		s := s.on(t)
		pod, err := stage.Kube(s.Context(), "get", "pod", "-n", "stage-git", "-l", "app=git", "-o", "jsonpath={.items[0].metadata.name}")
		s.must(err)
		reach := func(host string) error {
			_, err := stage.Kube(s.Context(), "exec", "-n", "stage-git", pod, "--", "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/"+host)
			return err
		}
		const api, dns = "kubernetes.default.svc.cluster.local/443", "kube-dns.kube-system.svc.cluster.local/53"
		s.must(reach(api))
		heal, err := chaos.CutFromAPIServer(s.Context(), stage, "stage-git", pod)
		s.must(err)
		if reach(api) == nil {
			t.Error("it reached the API server")
		}
		s.must(reach(dns))
		s.must(heal(s.Context()))
		s.eventually("it reaches the API server again", func() error { return reach(api) })
	})
	s.Run("a paused API server answers when resumed", func(t *testing.T) {
		s := s.on(t)
		resume, err := chaos.PauseComponent(s.Context(), stage, supervisor.APIServer)
		s.must(err)
		if answers() == nil {
			t.Error("a paused API server answered")
		}
		s.must(resume(s.Context()))
		s.eventually("it answers again", answers)
	})
	s.Run("stopped Flux controllers come back when healed", func(t *testing.T) {
		s := s.on(t)
		heal, err := chaos.StopFlux(s.Context(), stage)
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
		heal, err := chaos.SlowFlux(s.Context(), stage, 5)
		s.must(err)
		s.must(heal(s.Context()))
		s.must(heal(s.Context()))
	})
}
