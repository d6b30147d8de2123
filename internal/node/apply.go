package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/vpn"
)

// ApplyRoutes brings wg0, its routes and wg0.conf to what the local Redis says.
// Before a cluster has been created there is nothing to bring.
func (m *Machine) ApplyRoutes(ctx context.Context) (vpn.Report, error) {
	var report vpn.Report
	err := m.lockedAhead(ctx, func(s *session) error {
		var err error
		report, err = m.applyRoutes(ctx, s)
		return err
	})
	return report, err
}

// applyRoutes brings the VPN to what the records say, as far as this node still
// belongs to the cluster.
func (m *Machine) applyRoutes(ctx context.Context, s *session) (vpn.Report, error) {
	var report vpn.Report
	var err error
	standing, judgeErr := m.judge(ctx, s)
	if judgeErr != nil {
		judgeErr = fmt.Errorf("find out whether this node is a member: %w", judgeErr)
	}
	if standing.applies() {
		report, err = m.bring(ctx, s)
	}
	report.Again = sooner(report.Again, standing.again(time.Now()))
	return report, errors.Join(judgeErr, err)
}

// bring brings the VPN to what the records say.
func (m *Machine) bring(ctx context.Context, s *session) (vpn.Report, error) {
	report, err := m.reconcileAhead(ctx, s)
	if errors.Is(err, cluster.ErrNoNetwork) {
		return report, nil
	}
	if err != nil {
		return report, fmt.Errorf("apply VPN routes: %w", err)
	}
	return report, nil
}

// reconcileAhead is reconcile by the look at the interface that is under way, if there
// is one.
func (m *Machine) reconcileAhead(ctx context.Context, s *session) (vpn.Report, error) {
	if s.ahead == nil {
		return m.reconcile(ctx, s.records)
	}
	return m.reconciler(s.ahead, s.records).Apply(ctx)
}

// sooner is the first of two times; the zero Time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// AdoptACLs gives the local Redis the cluster's users, if it is a replica: the
// leader's Redis is where they come from.
func (m *Machine) AdoptACLs(ctx context.Context) error {
	return m.with(func(s *session) error {
		return m.adoptACLs(ctx, s)
	})
}

func (m *Machine) adoptACLs(ctx context.Context, s *session) error {
	role, err := s.readRole(ctx)
	if err != nil || role.Master || s.read.handsOver {
		return err
	}
	_, err = s.AdoptACLs(ctx)
	return err
}

// records reads the cluster as this machine has to see it. Whom a replica was told
// to follow is the later word on who leads: in the midst of a switch, it may follow
// a node that does not lead yet, and whose records name another. If it is the
// earlier word, since the node has missed a switch, see [Machine.followRecords].
// Only the node that is to lead decides whether it accepts: until then its leader stays one.
func (s *session) records(ctx context.Context) (vpn.Cluster, []vpn.Warning, error) {
	records, warnings, err := s.snapshot(ctx)
	if err != nil {
		return records, warnings, err
	}
	role, err := s.readRole(ctx)
	if err != nil {
		return records, warnings, err
	}
	if followed, found := nodeAt(records, role.Source); found && !role.Master && !s.read.handsOver {
		records.Leader = followed
	}
	records.StandsBy = standsBy(records)
	if records.Leader != s.self && s.machine.silence().Seeking {
		records.Candidates = prepared(records)
	}
	return records, warnings, nil
}

// nodeAt finds the node with a Redis at host:port.
func nodeAt(records vpn.Cluster, address string) (int, bool) {
	source, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, false
	}
	for _, node := range records.Nodes {
		if node.Address == source.Addr() {
			return node.ID, true
		}
	}
	return 0, false
}

// nameNodes makes cluster-leader the address of the leader in the hosts file, and
// cluster-localnode that of this node: another program may have written the file anew.
func (m *Machine) nameNodes(ctx context.Context, s *session) error {
	records, _, err := s.records(ctx)
	if err != nil {
		return err
	}
	leader, found := records.Node(records.Leader)
	if !found || !leader.Address.IsValid() {
		return fmt.Errorf("the leader, node %d, has no VPN address in Redis", records.Leader)
	}
	_, err = m.Files.SetHost(ctx, host.LeaderName, leader.Address)
	if self, found := records.Node(s.self); err == nil && found && self.Address.IsValid() {
		_, err = m.Files.SetHost(ctx, host.LocalNodeName, self.Address)
	}
	return err
}
