package chaos

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	cluster "github.com/gitover/gitover/test/cluster"
)

// A cut is a table of nft rules of its own in the node's network namespace.
// Packets of established connections are dropped like all others: peers see
// silence, not a reset, as when a cable is pulled.

// CutPod cuts a pod off from every other pod, every Service, the API server and
// this machine, both ways. The kubelet on its node still reaches it, as it would
// in a real partition, so probes go on. A new pod of the same name has another
// address and isn't cut.
func CutPod(ctx context.Context, s *cluster.Stage, namespace, pod string) (Heal, error) {
	address, err := podAddress(ctx, s, namespace, pod)
	if err != nil {
		return nil, err
	}
	return cut(ctx, s,
		[]string{"ip saddr " + address + " drop", "ip daddr " + address + " drop"},
		apiServerRules(address))
}

// CutBetween cuts two pods off from each other, and from no one else. Traffic
// through a Service is between pods, too.
func CutBetween(ctx context.Context, s *cluster.Stage, namespaceA, podA, namespaceB, podB string) (Heal, error) {
	a, err := podAddress(ctx, s, namespaceA, podA)
	if err != nil {
		return nil, err
	}
	b, err := podAddress(ctx, s, namespaceB, podB)
	if err != nil {
		return nil, err
	}
	return cut(ctx, s, []string{
		"ip saddr " + a + " ip daddr " + b + " drop",
		"ip saddr " + b + " ip daddr " + a + " drop",
	}, nil)
}

// CutFromAPIServer cuts a pod off from the API server only.
func CutFromAPIServer(ctx context.Context, s *cluster.Stage, namespace, pod string) (Heal, error) {
	address, err := podAddress(ctx, s, namespace, pod)
	if err != nil {
		return nil, err
	}
	return cut(ctx, s, nil, apiServerRules(address))
}

// apiServerRules are for the node's own traffic: its API server's with the pod.
func apiServerRules(address string) []string {
	return []string{
		"ip saddr " + address + " tcp dport 6443 drop", "ip daddr " + address + " tcp sport 6443 drop",
		"ip daddr " + address + " tcp dport { 443, 8443, 9443 } drop", // webhooks
	}
}

// cut adds rules for forwarded packets and for those of the node itself.
func cut(ctx context.Context, s *cluster.Stage, forwarded, local []string) (Heal, error) {
	table := "chaos_" + strings.ToLower(rand.Text()[:12])
	var rules strings.Builder
	for _, hook := range []string{"forward", "input", "output"} {
		lines := local
		if hook == "forward" {
			lines = forwarded
		}
		fmt.Fprintf(&rules, "chain %s { type filter hook %s priority -250; policy accept;\n%s\n}\n", hook, hook, strings.Join(lines, "\n"))
	}
	ruleset := "table ip " + table + " {\n" + rules.String() + "}\n"
	if _, err := s.Exec(ctx, "sh", "-ec", `printf %s "$1" | nft -f -`, "sh", ruleset); err != nil {
		return nil, fmt.Errorf("cutting the network: %w", err)
	}
	return func(ctx context.Context) error {
		_, err := s.Exec(ctx, "nft", "delete", "table", "ip", table)
		if err != nil && strings.Contains(err.Error(), "No such file") {
			return nil
		}
		return err
	}, nil
}

func podAddress(ctx context.Context, s *cluster.Stage, namespace, pod string) (string, error) {
	address, err := s.Kube(ctx, "get", "pod", "-n", namespace, pod, "-o", "jsonpath={.status.podIP}")
	if err != nil {
		return "", err
	}
	if address == "" {
		return "", fmt.Errorf("pod %s/%s has no address yet", namespace, pod)
	}
	return address, nil
}
