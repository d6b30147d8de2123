package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/vpn"
)

// Settle brings this machine to what the local Redis says, as the handlers of
// all events would: users, the leader's name, VPN. It serves after anything
// that may have made the node miss events. The failure of one part does not
// keep the others from being done.
func (m *Machine) Settle(ctx context.Context) (vpn.Report, error) {
	var report vpn.Report
	err := m.lockedAhead(ctx, func(s *session) error {
		aclErr := m.adoptACLs(ctx, s)
		_, _, err := s.snapshot(ctx)
		if errors.Is(err, cluster.ErrNoNetwork) {
			m.vigil.followed = true
			return aclErr
		}
		if err != nil {
			return errors.Join(aclErr, err)
		}
		overAt, overErr := m.endHandOver(ctx, s)
		if !overAt.IsZero() { // this node is neither a leader nor a worker now
			report.Again = overAt
			return errors.Join(aclErr, overErr)
		}
		followErr := m.followRecords(ctx, s)
		homeAt, homeErr := m.seekHome(ctx, s)
		wayAt, wayErr := m.giveWay(ctx, s)
		roleErr := errors.Join(m.keepRole(ctx, s), m.keepLeadership(ctx, s))
		saveAt, saveErr := m.seeToSave(ctx, s)
		hostsErr := m.nameNodes(ctx, s)
		var vpnErr error
		report, vpnErr = m.applyRoutes(ctx, s)
		for _, at := range []time.Time{s.disagreement(ctx, time.Now()), homeAt, wayAt, saveAt} {
			report.Again = sooner(report.Again, at)
		}
		return errors.Join(aclErr, overErr, followErr, homeErr, wayErr, roleErr, saveErr, hostsErr, vpnErr, m.answer(ctx, s), m.forward6(ctx, s))
	})
	return report, err
}

// missedInterval is how often a node looks whether it has missed a switch, or is
// only ahead of one.
const missedInterval = 5 * time.Second

// disagreement is when to look again, since whom the local Redis follows, or that
// it is a master, does not go with the records; zero if it does.
func (s *session) disagreement(ctx context.Context, now time.Time) time.Time {
	records, _, err := s.snapshot(ctx)
	role, roleErr := s.readRole(ctx)
	if err != nil || roleErr != nil {
		return time.Time{}
	}
	followed, known := nodeAt(records, role.Source)
	switch {
	case role.Master && records.Leader != s.self:
		return now.Add(roleInterval)
	case role.LinkUp && known && followed != records.Leader, !role.Master && records.Leader == s.self:
		return now.Add(missedInterval)
	}
	return time.Time{}
}

// answerTime bounds the look whether the local Redis can be reached by others.
const answerTime = 2 * time.Second

// answer makes the local Redis listen on this node's VPN address. A Redis that
// was started while wg0 was away does not, and nobody else tells it to.
func (m *Machine) answer(ctx context.Context, s *session) error {
	records, _, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	self, found := records.Node(s.self)
	if !found || !self.Address.IsValid() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	at := netip.AddrPortFrom(self.Address, cluster.RedisPort)
	refused, err := host.Refuses(ctx, at)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil // without wg0 there is nothing to listen on
	}
	if err != nil || !refused {
		return err
	}
	if err = s.ListenAnew(ctx, self.Address); err != nil {
		return err
	}
	if refused, err = host.Refuses(ctx, at); refused {
		return fmt.Errorf("the local Redis does not listen on %s although it is told to: see its log", at)
	}
	m.Log.Infof("the local Redis did not listen on %s: now it does", at)
	return err
}

// forward6 makes this node pass IPv6 packets on, if that is its part: as the hub of
// a cluster with IPv6 destinations, or in front of one of them. Those to IPv4 are
// passed on by every node, see package setup.
func (m *Machine) forward6(ctx context.Context, s *session) error {
	records, _, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	interfaces, err := forwarding6(records, host.InterfaceTo)
	if err != nil || len(interfaces) == 0 {
		return err
	}
	changed, err := m.Files.Forward6(interfaces...)
	for _, line := range changed {
		m.Log.Infof("for the cluster's IPv6 destinations: %s", line)
	}
	return err
}

// forwarding6 returns the interfaces by which IPv6 packets arrive that this node has
// to pass on, wg0 first; none if there are no such packets.
func forwarding6(records vpn.Cluster, interfaceTo func(netip.Addr) (string, error)) ([]string, error) {
	hub := false
	behind := map[string]bool{}
	for _, node := range records.Nodes {
		for _, destination := range node.Destinations {
			if !destination.Is6() {
				continue
			}
			hub = hub || records.Leader == records.Self
			if node.ID != records.Self {
				continue
			}
			name, err := interfaceTo(destination)
			if err != nil {
				return nil, err
			}
			behind[name] = true
		}
	}
	delete(behind, "") // this node's own address
	delete(behind, host.WireGuardInterface)
	if !hub && len(behind) == 0 {
		return nil, nil
	}
	return append([]string{host.WireGuardInterface}, slices.Sorted(maps.Keys(behind))...), nil
}

// followRecords brings the role of the local Redis to what the records say, if this
// node has missed the event of a switch, or did not see its end.
func (m *Machine) followRecords(ctx context.Context, s *session) error {
	records, _, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	role, err := s.readRole(ctx)
	m.vigil.masterSince = since(m.vigil.masterSince, role.Master && records.Leader != s.self, time.Now())
	switch {
	case err != nil || role.Master && records.Leader == s.self:
		return err
	case role.Master:
		return m.finishLead(ctx, s, records)
	case records.Leader == s.self:
		return m.takeLead(ctx, s, role)
	}
	return m.followMissed(ctx, s, records, role)
}

// since is when something began to hold that was seen to hold since a time; the zero Time:
// it does not.
func since(before time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case before.IsZero():
		return now
	}
	return before
}

// followMissed makes the local Redis follow the leader that the records name, if it
// follows another node, which is a replica itself: this node has missed the event of a
// switch. Or it is ahead of one, and the leader in the records is dead: then nothing
// changes.
func (m *Machine) followMissed(ctx context.Context, s *session, records vpn.Cluster, role cluster.Role) error {
	followed, known := nodeAt(records, role.Source)
	if !role.LinkUp || !known || followed == records.Leader {
		return nil
	}
	defer s.forget()
	sw, err := m.beginSwitch(ctx, s, Switch{
		Leader: records.Leader, Planned: true, Wait: missedTime, Say: m.Log.Debugf, missed: true,
	})
	if err != nil {
		return fmt.Errorf("follow node %d, which leads by the records: %w", records.Leader, err)
	}
	if sw.answersAsLeader(ctx, followed) {
		return nil // it has not handed over yet, or has yet to write that it leads
	}
	if leads, unknown := sw.leads(ctx, sw.target.Address); unknown == nil && !leads {
		return nil // the records are old
	}
	switch err = sw.run(ctx); {
	case errors.Is(err, errDoesNotLead):
		return nil
	case err == nil:
		m.Log.Infof("this node had missed that node %d leads: it follows it now", records.Leader)
	}
	return err
}

// finishLead makes this node the leader in all respects if its Redis has been
// made master and nothing else has happened: the agent was not there when the
// mastership came. It is so if the leader in the records is a replica. An old leader of
// another implementation, or one that is told by hand, is in that state for a moment, too,
// before it follows the new one: so it has to last.
//
// Whose replica it is counts, too: if it follows a third node, that one leads, and this
// node finds home to it, see [Machine.seekHome].
func (m *Machine) finishLead(ctx context.Context, s *session, records vpn.Cluster) error {
	last, err := s.Leadership(ctx)
	if err != nil {
		return err
	}
	since := time.Since(m.vigil.masterSince)
	if since < finishTime || last.Node == s.self && since < handTime {
		return nil
	}
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
	followers, err := s.Followers(ctx)
	if err != nil || !slices.Contains(followers, recorded.Address) {
		return err
	}
	if leads, err := sw.leads(ctx, recorded.Address); err != nil || leads {
		return nil // nobody knows who is right: nothing is changed
	}
	defer s.forget()
	m.Log.Infof("this node's Redis is the master, and that of node %d a replica: this node leads", recorded.ID)
	return sw.run(ctx)
}

const (
	// finishTime is longer than a switch lasts that another process on this machine carries out.
	finishTime = 3 * time.Second
	// handTime is what a leader that is told by hand, or by another implementation, has from one
	// command to the next, on a machine that is busy or slow.
	handTime = 30 * time.Second
)

// missedTime bounds the wait for a leader that leads already. Nothing else can
// change this machine's leader meanwhile.
const missedTime = 3 * time.Second
