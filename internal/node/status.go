package node

import (
	"context"
	"sync"
	"time"

	"cluster-agent/internal/host"
	"cluster-agent/vpn"
)

// Times that bound a look at this node. What has not answered by then is one of
// the problems found.
const (
	localTime  = 2 * time.Second // the local Redis' records, what else it knows, and wg0, each
	leaderTime = 2 * time.Second // the leader's Redis
)

// Status looks at this node: its VPN, its Redis, and on a worker the leader's.
// It changes nothing, waits for no lock, and returns within a few seconds
// whatever does not answer.
func (m *Machine) Status(ctx context.Context) vpn.Status {
	return vpn.StatusOf(m.facts(ctx))
}

// facts asks what can be asked side by side, and then what depends on that.
func (m *Machine) facts(ctx context.Context) vpn.Facts {
	facts := vpn.Facts{State: vpn.State{Time: time.Now()}, Failed: map[vpn.Question]error{}}
	s, err := m.open()
	if err != nil {
		facts.Failed[vpn.AskMachine] = err
		return facts
	}
	facts.Cluster.Self = s.self
	m.readFiles(&facts)

	var asking sync.WaitGroup
	var state vpn.State
	var stateErr error
	asking.Go(func() { state, stateErr = m.stateWithin(ctx, localTime) })
	m.askRedis(ctx, s, &facts)
	asking.Wait()
	if stateErr != nil {
		facts.Failed[vpn.AskInterface] = stateErr
	} else {
		facts.State = state
	}

	if facts.Failed[vpn.AskRecords] != nil || !facts.Cluster.Network.IsValid() {
		return facts
	}
	asking.Go(func() { facts.Found, facts.LookUps = vpn.Resolve(ctx, m.Resolver, facts.Cluster, facts.State) })
	view, leaderErr := m.lookAtLeader(ctx, facts.Cluster)
	asking.Wait()
	if leaderErr != nil {
		facts.Failed[vpn.AskLeader] = leaderErr
	}
	facts.Leader = view
	return facts
}

// stateWithin is VPNState with a bound.
func (m *Machine) stateWithin(ctx context.Context, limit time.Duration) (vpn.State, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.VPNState(ctx)
}

// readFiles reads what the files say of the VPN.
func (m *Machine) readFiles(facts *vpn.Facts) {
	conf, err := readConf(m.Files.WireGuardConf())
	if err != nil {
		facts.Failed[vpn.AskFile] = err
	}
	facts.File = conf.Peers()
	if facts.LeaderName, _, err = m.Files.Host(host.LeaderName); err != nil {
		facts.Failed[vpn.AskHosts] = err
	}
}
