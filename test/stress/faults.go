package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/cluster/supervisor"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/stress/plan"
)

// part of the stage that all fleets share, and that one fault at a time may disturb.
type part string

const (
	ownPart    part = ""
	controller part = "controller"
	gitServer  part = "git"
	flux       part = "flux"
	apiServer  part = "api server"
)

// injector is how a fault of the plan is struck. What is over at once has nothing to heal.
type injector struct {
	part   part
	inject func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error)
}

var injectors = map[plan.Fault]injector{
	plan.KillController:           {controller, kill(gitover, "")},
	plan.PauseController:          {controller, pause(gitover, "")},
	plan.CutControllerFromAPI:     {controller, cutFromAPI(gitover)},
	plan.CutControllerFromActive:  {ownPart, cutBetween(gitover, active)},
	plan.CutControllerFromStandby: {ownPart, cutBetween(gitover, standby)},
	plan.CutControllerFromPooler:  {ownPart, cutBetween(gitover, pooler)},
	plan.KillPooler:               {ownPart, kill(pooler, "pgbouncer")},
	plan.DeletePooler:             {ownPart, remove(pooler)},
	plan.PausePooler:              {ownPart, pause(pooler, "pgbouncer")},
	plan.KillAgent:                {ownPart, kill(pooler, "gitover-agent")},
	plan.PauseAgent:               {ownPart, pause(pooler, "gitover-agent")},
	plan.CutPooler:                {ownPart, cutOff(pooler)},
	plan.KillActive:               {ownPart, kill(active, "postgres")},
	plan.DeleteActive:             {ownPart, remove(active)},
	plan.PauseActive:              {ownPart, pause(active, "postgres")},
	plan.CutActive:                {ownPart, cutOff(active)},
	plan.SlowActive:               {ownPart, slow(active)},
	plan.KillStandby:              {ownPart, kill(standby, "postgres")},
	plan.DeleteStandby:            {ownPart, remove(standby)},
	plan.PauseStandby:             {ownPart, pause(standby, "postgres")},
	plan.CutStandby:               {ownPart, cutOff(standby)},
	plan.CutPair:                  {ownPart, cutBetween(active, standby)},
	plan.GitAnswers500:            {gitServer, faultGit("status 500")},
	plan.GitIsSlow:                {gitServer, faultGit("delay 2s")},
	plan.GitDropsAnswers:          {gitServer, faultGit("drop-answer")},
	plan.GitIsDown: {gitServer, func(ctx context.Context, t *tenant, _ plan.Action) (chaos.Heal, error) {
		return chaos.StopGit(ctx, t.run.stage)
	}},
	plan.PushRace: {ownPart, pushRace},
	plan.SlowFlux: {flux, func(ctx context.Context, t *tenant, _ plan.Action) (chaos.Heal, error) {
		return chaos.SlowFlux(ctx, t.run.stage, 10)
	}},
	plan.StopFlux: {flux, func(ctx context.Context, t *tenant, _ plan.Action) (chaos.Heal, error) {
		return chaos.StopFlux(ctx, t.run.stage)
	}},
	plan.KillAPIServer: {apiServer, func(ctx context.Context, t *tenant, _ plan.Action) (chaos.Heal, error) {
		return nil, chaos.KillComponent(ctx, t.run.stage, supervisor.APIServer)
	}},
	plan.PauseAPIServer: {apiServer, func(ctx context.Context, t *tenant, _ plan.Action) (chaos.Heal, error) {
		return chaos.PauseComponent(ctx, t.run.stage, supervisor.APIServer)
	}},
}

// faultsAmong those of the plan: all, own or none.
func faultsAmong(which string) []plan.Fault {
	return slices.DeleteFunc(plan.Faults(), func(f plan.Fault) bool {
		return which == "none" || which == "own" && injectors[f].part != ownPart
	})
}

// victim names a pod.
type victim func(ctx context.Context, t *tenant, a plan.Action) (namespace, pod string, err error)

func gitover(ctx context.Context, t *tenant, _ plan.Action) (string, string, error) {
	return t.onePod(ctx, testenv.SystemNamespace, map[string]string{"app.kubernetes.io/component": "controller"}, 0)
}

func pooler(ctx context.Context, t *tenant, a plan.Action) (string, string, error) {
	return t.onePod(ctx, t.app.Namespace, testenv.PoolerLabels, a.Number)
}

func active(_ context.Context, t *tenant, a plan.Action) (string, string, error) {
	return t.app.Namespace, instance(a.Before.Serving()) + "-0", nil
}

func standby(_ context.Context, t *tenant, a plan.Action) (string, string, error) {
	return t.app.Namespace, instance(a.Before.Standby()) + "-0", nil
}

func instance(version string) string { return testenv.Name + "-" + version }

// livePods that match, by name.
func (t *tenant) livePods(ctx context.Context, namespace string, labels map[string]string) ([]corev1.Pod, error) {
	var pods corev1.PodList
	if err := t.app.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(labels)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), nil
}

func (t *tenant) onePod(ctx context.Context, namespace string, labels map[string]string, number int) (string, string, error) {
	pods, err := t.livePods(ctx, namespace, labels)
	if err == nil && len(pods) == 0 {
		err = fmt.Errorf("no pod with %v in %s", labels, namespace)
	}
	if err != nil {
		return "", "", err
	}
	return namespace, pods[number%len(pods)].Name, nil
}

type injection = func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error)

// kill a container by SIGKILL. One that was killed before would be kept waiting by the
// kubelet, longer each time: its pod is deleted instead.
func kill(who victim, container string) injection {
	return func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error) {
		namespace, name, err := who(ctx, t, a)
		if err != nil {
			return nil, err
		}
		var pod corev1.Pod
		if err := t.app.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &pod); err != nil {
			return nil, err
		}
		for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if (container == "" || s.Name == container) && s.RestartCount > 0 {
				return nil, t.deletePod(ctx, &pod)
			}
		}
		return nil, chaos.KillContainer(ctx, t.run.stage, namespace, name, container)
	}
}

func remove(who victim) injection {
	return func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error) {
		namespace, name, err := who(ctx, t, a)
		if err != nil {
			return nil, err
		}
		pod := &corev1.Pod{}
		if err := t.app.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
			return nil, err
		}
		return nil, t.deletePod(ctx, pod)
	}
}

// deletePod with a second's notice. Not by force: a StatefulSet would start a second server
// on the volume of the first, which is no fault that Gitover has to stand.
func (t *tenant) deletePod(ctx context.Context, pod *corev1.Pod) error {
	return t.app.Client.Delete(ctx, pod, client.GracePeriodSeconds(1))
}

func pause(who victim, container string) injection {
	return func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error) {
		namespace, pod, err := who(ctx, t, a)
		if err != nil {
			return nil, err
		}
		return chaos.PauseContainer(ctx, t.run.stage, namespace, pod, container)
	}
}

func slow(who victim) injection {
	return func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error) {
		namespace, pod, err := who(ctx, t, a)
		if err != nil {
			return nil, err
		}
		return chaos.SlowPod(ctx, t.run.stage, namespace, pod, 10)
	}
}

func cutOff(who victim) injection {
	return func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error) {
		namespace, pod, err := who(ctx, t, a)
		if err != nil {
			return nil, err
		}
		return chaos.CutPod(ctx, t.run.stage, namespace, pod)
	}
}

func cutFromAPI(who victim) injection {
	return func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error) {
		namespace, pod, err := who(ctx, t, a)
		if err != nil {
			return nil, err
		}
		return chaos.CutFromAPIServer(ctx, t.run.stage, namespace, pod)
	}
}

func cutBetween(one, other victim) injection {
	return func(ctx context.Context, t *tenant, a plan.Action) (chaos.Heal, error) {
		namespace, pod, err := one(ctx, t, a)
		otherNamespace, otherPod, otherErr := other(ctx, t, a)
		if err := errors.Join(err, otherErr); err != nil {
			return nil, err
		}
		return chaos.CutBetween(ctx, t.run.stage, namespace, pod, otherNamespace, otherPod)
	}
}

func faultGit(fault string) injection {
	return func(ctx context.Context, t *tenant, _ plan.Action) (chaos.Heal, error) {
		return chaos.FaultGit(ctx, t.run.stage, fault)
	}
}

// pushRace: another team commits to its own directory all the time.
func pushRace(ctx context.Context, t *tenant, _ plan.Action) (chaos.Heal, error) {
	racing, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; racing.Err() == nil; n++ {
			edit := fleet.Write(fmt.Sprintf("others/%s/note", t.app.Namespace), fmt.Sprintf("%d %d\n", n, rand.Uint64()))
			// whoever loses a race tries again; a push that was begun is not broken off
			_, _ = t.concurrentWriter.Commit(context.WithoutCancel(racing), "Something else", edit)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-racing.Done():
			}
		}
	}()
	return func(context.Context) error { stop(); <-ended; return nil }, nil
}
