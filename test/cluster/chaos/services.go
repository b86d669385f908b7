package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	cluster "github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/cluster/supervisor"
)

// KillComponent ends one of Kubernetes' own programs (supervisor.APIServer, …)
// with SIGKILL; it is started again after half a second.
func KillComponent(ctx context.Context, s *cluster.Stage, component string) error {
	return s.Component(ctx, component, supervisor.ActionKill)
}

// StopComponent ends one and keeps it down until healed.
func StopComponent(ctx context.Context, s *cluster.Stage, component string) (Heal, error) {
	return toggle(ctx, s, component, supervisor.ActionStop, supervisor.ActionStart)
}

// PauseComponent stops one with SIGSTOP: its connections stay open, nothing answers.
func PauseComponent(ctx context.Context, s *cluster.Stage, component string) (Heal, error) {
	return toggle(ctx, s, component, supervisor.ActionPause, supervisor.ActionResume)
}

func toggle(ctx context.Context, s *cluster.Stage, component, begin, end string) (Heal, error) {
	if err := s.Component(ctx, component, begin); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return s.Component(ctx, component, end) }, nil
}

// StopGit ends the Git server until healed: connections are refused. Its
// repositories stay as they are. It is healed when it can be reached again: its Service
// learns of the new pod later than its Deployment.
func StopGit(ctx context.Context, s *cluster.Stage) (Heal, error) {
	heal, err := StopDeployment(ctx, s, "stage-git", "git")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := heal(ctx); err != nil {
			return err
		}
		return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			dialer := net.Dialer{Timeout: time.Second} // the first packets may still go to the old pod
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(s.Git.Address, "80"))
			if err != nil {
				return false, nil
			}
			return true, conn.Close()
		})
	}, nil
}

// FaultGit makes the Git server misbehave over HTTP until healed: "status 500"
// (any code), "delay 3s" (any duration), or "drop-answer" (a push is taken, and
// the connection cut before the answer).
func FaultGit(_ context.Context, s *cluster.Stage, fault string) (Heal, error) {
	if err := s.Git.SetFault(fault); err != nil {
		return nil, fmt.Errorf("setting the Git server's fault: %w", err)
	}
	return func(context.Context) error { return s.Git.SetFault("") }, nil
}

// StopFlux ends Flux's controllers until healed.
func StopFlux(ctx context.Context, s *cluster.Stage) (Heal, error) {
	var heals []Heal
	all := func(ctx context.Context) error {
		var failed error
		for _, heal := range heals {
			failed = errors.Join(failed, heal(ctx))
		}
		return failed
	}
	for _, name := range []string{"source-controller", "kustomize-controller", "notification-controller"} {
		heal, err := StopDeployment(ctx, s, "flux-system", name)
		if err != nil {
			return nil, errors.Join(err, all(ctx))
		}
		heals = append(heals, heal)
	}
	return all, nil
}

// SlowFlux gives each of source-controller and kustomize-controller no more than
// the given percentage of a processor until healed.
func SlowFlux(ctx context.Context, s *cluster.Stage, percent int) (Heal, error) {
	var heals []Heal
	all := func(ctx context.Context) error {
		var failed error
		for _, heal := range heals {
			failed = errors.Join(failed, heal(ctx))
		}
		return failed
	}
	for _, name := range []string{"source-controller", "kustomize-controller"} {
		pod, err := s.Kube(ctx, "get", "pod", "-n", "flux-system", "-l", "app="+name, "-o", "jsonpath={.items[0].metadata.name}")
		if err != nil {
			return nil, errors.Join(err, all(ctx))
		}
		heal, err := SlowPod(ctx, s, "flux-system", pod, percent)
		if err != nil {
			return nil, errors.Join(err, all(ctx))
		}
		heals = append(heals, heal)
	}
	return all, nil
}

// StopDeployment scales a deployment of one replica to none, and when healed back
// to one that is available.
func StopDeployment(ctx context.Context, s *cluster.Stage, namespace, name string) (Heal, error) {
	if err := scale(ctx, s, namespace, name, "0"); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return scale(ctx, s, namespace, name, "1") }, nil
}

func scale(ctx context.Context, s *cluster.Stage, namespace, name, replicas string) error {
	if _, err := s.Kube(ctx, "scale", "-n", namespace, "deployment/"+name, "--replicas="+replicas); err != nil {
		return err
	}
	if replicas == "0" {
		_, err := s.Kube(ctx, "wait", "-n", namespace, "pod", "-l", "app="+name, "--for=delete", "--timeout=60s")
		return err
	}
	_, err := s.Kube(ctx, "rollout", "status", "-n", namespace, "deployment/"+name, "--timeout=60s")
	return err
}
