package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/fluxcd/pkg/runtime/conditions"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Surroundings are the objects around an upgrade, beside those of Objects.
type Surroundings struct {
	Objects
	StatefulSets []appsv1.StatefulSet
	Deployments  []appsv1.Deployment
	Jobs         []batchv1.Job
	Claims       []corev1.PersistentVolumeClaim
	// Pods of the instances and Jobs, and those that the PgProxy selects.
	Pods, Poolers []corev1.Pod
}

// Node is an object of the tree.
type Node struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Ready, as far as the object tells it.
	Ready bool `json:"ready"`
	// Status in words.
	Status   string `json:"status,omitempty"`
	Children []Node `json:"children,omitempty"`
}

// TreeOf the objects around an upgrade.
func TreeOf(s Surroundings) Node {
	u := s.Upgrade
	ready := conditions.Get(u, v1alpha1.ReadyCondition)
	root := conditioned("PgUpgrade", u.Namespace+"/"+u.Name, ready)
	if s.Source != nil {
		n := conditioned("GitRepository", s.Source.Namespace+"/"+s.Source.Name, conditions.Get(s.Source, v1alpha1.ReadyCondition))
		if a := s.Source.Status.Artifact; a != nil {
			n.Status = "at " + a.Revision
		}
		root.Children = append(root.Children, suspended(n, s.Source.Spec.Suspend))
	}
	if k := s.Kustomization; k != nil {
		n := conditioned("Kustomization", k.Namespace+"/"+k.Name, conditions.Get(k, v1alpha1.ReadyCondition))
		if n.Ready {
			n.Status = "applied " + k.Status.LastAppliedRevision
		}
		root.Children = append(root.Children, suspended(n, k.Spec.Suspend))
	}
	if u.Status.Run != "" {
		root.Children = append(root.Children, s.run())
	}
	for _, instance := range s.instances() {
		root.Children = append(root.Children, s.instance(instance))
	}
	if s.Proxy != nil {
		root.Children = append(root.Children, s.proxy())
	}
	return root
}

func conditioned(kind, name string, ready *metav1.Condition) Node {
	n := Node{Kind: kind, Name: name, Status: "not looked at yet"}
	if ready != nil {
		n.Ready, n.Status = ready.Status == metav1.ConditionTrue, ready.Reason+": "+ready.Message
	}
	return n
}

func suspended(n Node, yes bool) Node {
	if yes {
		n.Ready, n.Status = false, "suspended, "+n.Status
	}
	return n
}

// run with its Jobs.
func (s Surroundings) run() Node {
	st := s.Upgrade.Status
	n := Node{Kind: "Run", Name: st.Run, Ready: true, Status: "ended"}
	if st.Workflow != "" {
		n.Status = fmt.Sprintf("%s, attempt %d: %s", st.Workflow, st.Attempt, st.Step)
		n.Ready = !conditions.IsStalled(s.Upgrade)
	}
	for _, job := range s.Jobs {
		child := Node{Kind: "Job", Name: job.Name, Status: fmt.Sprintf("%d active", job.Status.Active), Ready: true}
		for _, c := range job.Status.Conditions {
			if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
				child.Status, child.Ready = strings.TrimSpace(string(c.Type)+" "+c.Message), c.Type == batchv1.JobComplete
			}
		}
		child.Children = pods(s.Pods, func(p *corev1.Pod) bool { return p.Labels[batchv1.JobNameLabel] == job.Name })
		n.Children = append(n.Children, child)
	}
	return n
}

// instances that have objects, or that the status names, oldest version first.
func (s Surroundings) instances() []string {
	names := []string{s.Upgrade.Status.From, s.Upgrade.Status.To}
	if s.Proxy != nil {
		names = append(names, s.Proxy.Status.Active)
	}
	add := func(labels map[string]string) { names = append(names, labels[v1alpha1.InstanceLabel]) }
	for i := range s.StatefulSets {
		add(s.StatefulSets[i].Labels)
	}
	for i := range s.Deployments {
		add(s.Deployments[i].Labels)
	}
	for i := range s.Claims {
		add(s.Claims[i].Labels)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
}

func (s Surroundings) instance(name string) Node {
	role := ""
	if p := s.Proxy; p != nil {
		role = map[bool]string{true: "serves", false: "takes no traffic"}[p.Status.Active == name]
	}
	n := Node{Kind: "Instance", Name: name, Status: role}
	of := func(labels map[string]string) bool { return labels[v1alpha1.InstanceLabel] == name }
	workload := func(kind string, meta metav1.ObjectMeta, want *int32, ready int32) {
		if !of(meta.Labels) {
			return
		}
		wanted := ptr.Deref(want, 1)
		child := Node{Kind: kind, Name: meta.Name, Ready: ready >= wanted, Status: fmt.Sprintf("%d/%d ready", ready, wanted)}
		child.Children = pods(s.Pods, func(p *corev1.Pod) bool {
			return of(p.Labels) && p.Labels[batchv1.JobNameLabel] == "" && ownedBy(p, kind, meta.Name)
		})
		n.Children = append(n.Children, child)
	}
	for i := range s.StatefulSets {
		workload("StatefulSet", s.StatefulSets[i].ObjectMeta, s.StatefulSets[i].Spec.Replicas, s.StatefulSets[i].Status.ReadyReplicas)
	}
	for i := range s.Deployments {
		workload("Deployment", s.Deployments[i].ObjectMeta, s.Deployments[i].Spec.Replicas, s.Deployments[i].Status.ReadyReplicas)
	}
	n.Ready = !slices.ContainsFunc(n.Children, func(c Node) bool { return !c.Ready })
	for i := range s.Claims {
		if c := &s.Claims[i]; of(c.Labels) {
			n.Children = append(n.Children, Node{Kind: "PersistentVolumeClaim", Name: c.Name, Ready: c.Status.Phase == corev1.ClaimBound, Status: string(c.Status.Phase)})
		}
	}
	if len(n.Children) == 0 {
		n.Status = strings.TrimPrefix(n.Status+", no object of it has the label "+v1alpha1.InstanceLabel, ", ")
	}
	return n
}

// ownedBy a workload; a Deployment's pods belong to a ReplicaSet that has its name before a hash.
func ownedBy(p *corev1.Pod, kind, name string) bool {
	owner := metav1.GetControllerOf(p)
	switch {
	case owner == nil:
		return false
	case kind == "Deployment":
		at := strings.LastIndexByte(owner.Name, '-')
		return owner.Kind == "ReplicaSet" && at > 0 && owner.Name[:at] == name
	}
	return owner.Kind == kind && owner.Name == name
}

func (s Surroundings) proxy() Node {
	p := s.Proxy
	n := conditioned("PgProxy", p.Name, conditions.Get(p, v1alpha1.ReadyCondition))
	if c := p.Status.Poolers; c != nil {
		n.Status = fmt.Sprintf("%d/%d poolers ready, %s", c.Ready, c.Total, n.Status)
	}
	n.Children = pods(s.Poolers, func(*corev1.Pod) bool { return true })
	return n
}

func pods(all []corev1.Pod, which func(*corev1.Pod) bool) []Node {
	var nodes []Node
	for i := range all {
		if pod := &all[i]; which(pod) {
			nodes = append(nodes, podNode(pod))
		}
	}
	return nodes
}

func podNode(pod *corev1.Pod) Node {
	n := Node{Kind: "Pod", Name: pod.Name, Ready: pod.Status.Phase == corev1.PodSucceeded, Status: string(cmp.Or(pod.Status.Phase, corev1.PodPending))}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			n.Ready = true
		}
	}
	restarts := int32(0)
	for _, c := range append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...) {
		restarts += c.RestartCount
		if w := c.State.Waiting; w != nil && w.Reason != "" {
			n.Status += ", " + c.Name + ": " + w.Reason
		}
	}
	if restarts > 0 {
		n.Status += fmt.Sprintf(", %d restarts", restarts)
	}
	if pod.DeletionTimestamp != nil {
		n.Status += ", going"
	}
	return n
}

// Tree draws a node and what belongs to it.
func Tree(root Node, o Options) []string {
	p := penOf(o)
	var drawn []struct{ left, right string }
	var walk func(n Node, first, rest string)
	walk = func(n Node, first, rest string) {
		mark, i := p.done, good
		if !n.Ready {
			mark, i = p.bad, warn
		}
		left := first + p.in(i, mark) + " " + p.in(dim, n.Kind) + " " + p.clean(n.Name)
		drawn = append(drawn, struct{ left, right string }{left, p.clean(n.Status)})
		for at, child := range n.Children {
			branch, below := p.branch, p.through
			if at == len(n.Children)-1 {
				branch, below = p.last, p.none
			}
			walk(child, rest+branch, rest+below)
		}
	}
	walk(root, "", "")
	widest := 0
	for _, d := range drawn {
		widest = max(widest, ansi.StringWidth(d.left))
	}
	if p.Width > 0 {
		widest = min(widest, p.Width*2/3)
	}
	lines := make([]string, len(drawn))
	for i, d := range drawn {
		lines[i] = strings.TrimRight(p.cut(p.pad(d.left, widest)+"  "+d.right, p.Width), " ")
	}
	return lines
}
