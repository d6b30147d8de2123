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
	err := m.locked(ctx, func(s *session) error {
		var err error
		report, err = m.applyRoutes(ctx, s)
		return err
	})
	return report, err
}

func (m *Machine) applyRoutes(ctx context.Context, s *session) (vpn.Report, error) {
	report, err := m.reconcile(ctx, s.records)
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
		return m.adoptACLs(ctx, s)
	})
}

func (m *Machine) adoptACLs(ctx context.Context, s *session) error {
	role, err := s.Role(ctx)
	if err != nil || role.Master {
		return err
	}
	_, err = s.AdoptACLs(ctx)
	return err
}

// Settle brings this machine to what the local Redis says, as the handlers of
// all events would: users, the leader's name, VPN. It serves after anything
// that may have made the node miss events. The failure of one part does not
// keep the others from being done.
func (m *Machine) Settle(ctx context.Context) (vpn.Report, error) {
	var report vpn.Report
	err := m.locked(ctx, func(s *session) error {
		aclErr := m.adoptACLs(ctx, s)
		followErr := m.followRecords(ctx, s)
		hostsErr := m.nameLeader(ctx, s)
		var vpnErr error
		report, vpnErr = m.applyRoutes(ctx, s)
		return errors.Join(aclErr, followErr, hostsErr, vpnErr)
	})
	return report, err
}

// records reads the cluster as this machine has to see it. While its Redis is a
// replica without a link, the records are old, and whom Redis was told to
// follow is the later word on who leads.
func (s *session) records(ctx context.Context) (vpn.Cluster, []vpn.Warning, error) {
	records, warnings, err := s.Snapshot(ctx, s.self)
	if err != nil {
		return records, warnings, err
	}
	role, err := s.Role(ctx)
	if err != nil || role.Master || role.LinkUp {
		return records, warnings, err
	}
	if followed, found := nodeAt(records, role.Source); found {
		records.Leader = followed
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

// nameLeader makes cluster-leader the address of the leader in the hosts file.
func (m *Machine) nameLeader(ctx context.Context, s *session) error {
	records, _, err := s.records(ctx)
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

// followRecords makes the local Redis follow the leader that the records name,
// if it follows another node, whose replica the leader is: this node has missed
// the event of a switch.
func (m *Machine) followRecords(ctx context.Context, s *session) error {
	records, _, err := s.Snapshot(ctx, s.self)
	if errors.Is(err, cluster.ErrNoNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	role, err := s.Role(ctx)
	if err != nil || records.Leader == s.self {
		return err
	}
	if role.Master {
		return m.finishLead(ctx, s, records)
	}
	if !role.LinkUp {
		return nil
	}
	if followed, known := nodeAt(records, role.Source); !known || followed == records.Leader {
		return nil
	}
	m.Log.Infof("this node missed that node %d leads now", records.Leader)
	sw, err := m.beginSwitch(ctx, s, Switch{Leader: records.Leader, Planned: true, Wait: missedTime})
	if err != nil {
		return err
	}
	return sw.run(ctx)
}

// finishLead makes this node the leader in all respects if its Redis has been
// made master and nothing else has happened: the agent was not there when the
// mastership came. It is so if the leader in the records is a replica.
func (m *Machine) finishLead(ctx context.Context, s *session, records vpn.Cluster) error {
	sw, err := m.beginSwitch(ctx, s, Switch{Leader: s.self, Planned: true, Wait: missedTime})
	if errors.Is(err, ErrNoEndpoint) {
		return nil // nobody had prepared this node to lead
	}
	if err != nil {
		return err
	}
	recorded, found := records.Node(records.Leader)
	if !found || !recorded.Address.IsValid() {
		return nil
	}
	if leads, err := sw.leads(ctx, recorded.Address); err != nil || leads {
		return nil //nolint:nilerr // nobody knows who is right: nothing is changed
	}
	m.Log.Infof("this node's Redis is the master, and that of node %d a replica: this node leads", recorded.ID)
	return sw.run(ctx)
}

// missedTime bounds the wait for a leader that leads already.
const missedTime = 10 * time.Second
