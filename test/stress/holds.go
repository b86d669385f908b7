package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/test/e2e/testenv"
)

// agentLine is what an agent writes when it lets its pooler's clients go, for whatever reason
// and whoever is alive: the controller's own measure dies with it.
type agentLine struct {
	HeldMilliseconds *float64 `json:"heldMilliseconds"`
}

// longestHold that agents wrote down since a time. Pods that are gone took their logs along.
func (t *tenant) longestHold(ctx context.Context, since time.Time) (milliseconds float64, err error) {
	pods, err := t.livePods(ctx, t.app.Namespace, testenv.PoolerLabels)
	if err != nil {
		return 0, err
	}
	for _, pod := range pods {
		for _, previous := range []bool{false, true} {
			text, err := t.agentLog(ctx, pod, previous, since)
			if err != nil {
				return 0, err
			}
			milliseconds = max(milliseconds, longestIn(text))
		}
	}
	return milliseconds, nil
}

// agentLog of the container that runs, or of the one before it, if there was one.
func (t *tenant) agentLog(ctx context.Context, pod corev1.Pod, previous bool, since time.Time) (string, error) {
	const agent = "gitover-agent"
	for _, s := range pod.Status.InitContainerStatuses {
		if s.Name == agent && previous && s.RestartCount == 0 {
			return "", nil
		}
	}
	from := metav1.NewTime(since)
	log, err := t.app.Pods.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: agent, Previous: previous, SinceTime: &from}).DoRaw(ctx)
	if err != nil && previous {
		return "", nil // the kubelet has removed what is left of that container
	}
	return string(log), err
}

func longestIn(log string) (milliseconds float64) {
	for line := range strings.Lines(log) {
		var l agentLine
		if json.Unmarshal([]byte(line), &l) == nil && l.HeldMilliseconds != nil {
			milliseconds = max(milliseconds, *l.HeldMilliseconds)
		}
	}
	return milliseconds
}
