package node

import (
	"context"
	"errors"
	"fmt"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/vpn"
)

// ApplyRoutes brings wg0, its routes and wg0.conf to what the local Redis says.
// Before a cluster has been created there is nothing to bring.
func (m *Machine) ApplyRoutes(ctx context.Context) (vpn.Report, error) {
	var report vpn.Report
	err := m.locked(ctx, func(s *session) error {
		var err error
		report, err = m.applyRoutes(ctx, s)
		return err
	})
	return report, err
}

func (m *Machine) applyRoutes(ctx context.Context, s *session) (vpn.Report, error) {
	report, err := m.reconcile(ctx, func(ctx context.Context) (vpn.Cluster, []vpn.Warning, error) {
		return s.Snapshot(ctx, s.self)
	})
	if errors.Is(err, cluster.ErrNoNetwork) {
		return report, nil
	}
	if err != nil {
		return report, fmt.Errorf("apply VPN routes: %w", err)
	}
	return report, nil
}

// AdoptACLs gives the local Redis the cluster's users, if it is a replica: the
// leader's Redis is where they come from.
func (m *Machine) AdoptACLs(ctx context.Context) error {
	return m.with(func(s *session) error {
		_, err := m.adoptACLs(ctx, s)
		return err
	})
}

func (m *Machine) adoptACLs(ctx context.Context, s *session) (changed bool, err error) {
	role, err := s.Role(ctx)
	if err != nil || role.Master {
		return false, err
	}
	return s.AdoptACLs(ctx)
}

// Settle brings this machine to what the local Redis says, as the handlers of
// all events would: users, the leader's name, VPN. It serves after anything
// that may have made the node miss events. The failure of one part does not
// keep the others from being done.
func (m *Machine) Settle(ctx context.Context) (vpn.Report, error) {
	var report vpn.Report
	err := m.locked(ctx, func(s *session) error {
		_, aclErr := m.adoptACLs(ctx, s)
		hostsErr := m.nameLeader(ctx, s)
		var vpnErr error
		report, vpnErr = m.applyRoutes(ctx, s)
		return errors.Join(aclErr, hostsErr, vpnErr)
	})
	return report, err
}

// nameLeader makes cluster-leader the address of the leader in the hosts file.
func (m *Machine) nameLeader(ctx context.Context, s *session) error {
	records, _, err := s.Snapshot(ctx, s.self)
	if errors.Is(err, cluster.ErrNoNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	leader, found := records.Node(records.Leader)
	if !found || !leader.Address.IsValid() {
		return fmt.Errorf("the leader, node %d, has no VPN address in Redis", records.Leader)
	}
	_, err = m.Files.SetHost(ctx, host.LeaderName, leader.Address)
	return err
}
