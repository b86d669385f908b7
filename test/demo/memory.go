package main

import (
	"context"
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// memoryPeak in MiB of resident memory.
type memoryPeak struct{ controller, agent float64 }

// summary is the part of the kubelet's statistics that is needed here.
type summary struct {
	Pods []struct {
		PodRef     struct{ Name, Namespace string } `json:"podRef"`
		Containers []struct {
			Name   string
			Memory struct {
				RSSBytes uint64 `json:"rssBytes"`
			}
		}
	}
}

func (w *watcher) lookAtMemory(ctx context.Context) {
	var nodes corev1.NodeList
	if err := w.story.env.Client.List(ctx, &nodes); err != nil {
		return
	}
	for _, node := range nodes.Items {
		raw, err := w.story.env.Pods.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/" + node.Name + "/proxy/stats/summary").DoRaw(ctx)
		var statistics summary
		if err != nil || json.Unmarshal(raw, &statistics) != nil {
			continue
		}
		w.noteMemory(statistics)
	}
}

func (w *watcher) noteMemory(statistics summary) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pod := range statistics.Pods {
		for _, container := range pod.Containers {
			mib := float64(container.Memory.RSSBytes) / (1 << 20)
			switch {
			case strings.HasPrefix(pod.PodRef.Name, "gitover-controller"):
				w.peak.controller = max(w.peak.controller, mib)
			case container.Name == "gitover-agent":
				w.peak.agent = max(w.peak.agent, mib)
			}
		}
	}
}

func (w *watcher) memory() memoryPeak {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peak
}
