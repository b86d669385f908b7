package cluster

import "context"

// Heal undoes what a test that was killed may have left: cut networks, paused
// containers, stopped components and deployments, the Git server's faults and
// protection. Filled volumes go with their claims.
func (s *Stage) Heal(ctx context.Context) error {
	if s.pid == 0 {
		return ErrNotRunning
	}
	if err := s.Git.load(s.layout); err != nil {
		return err
	}
	if err := s.Git.SetFault(""); err != nil {
		return err
	}
	if err := s.Git.Protect(); err != nil {
		return err
	}
	_, err := s.Exec(ctx, "sh", "-ec", `
		nft list tables | sed -n 's/^table ip \(chaos_.*\)/\1/p' | while read -r table; do nft delete table ip "$table"; done
		ctr --namespace k8s.io tasks list | awk '$3 == "PAUSED" {print $1}' | while read -r id; do ctr --namespace k8s.io tasks resume "$id"; done`)
	if err != nil {
		return err
	}
	if err := s.startComponents(ctx); err != nil {
		return err
	}
	return s.furnish(ctx) // deployments get their replicas back
}
