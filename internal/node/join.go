package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
	"cluster-agent/worker/redisq"
)

// Leader is what a joining node has to know of the leader.
type Leader struct {
	Address   netip.Addr
	PublicKey wgtypes.Key
	Endpoint  string
}

// joinTime bounds the wait of a join for the leader's answer.
const joinTime = 20 * time.Second

// copyTime bounds the first copy of all data, which may be much, over a line
// that may be slow.
const copyTime = 30 * time.Minute

// Redis runs work on the records in the local Redis, as its user cluster.
func (m *Machine) Redis(work func(*cluster.Store) error) error {
	return m.with(func(s *session) error { return work(s.Store) })
}

// StartVPN writes wg0.conf for this node and (re)starts wg0, now and at boot.
// leader is nil on the first node.
func (m *Machine) StartVPN(ctx context.Context, address netip.Addr, network netip.Prefix, leader *Leader) error {
	unlock, err := m.Files.Lock(ctx, lockName)
	if err != nil {
		return fmt.Errorf("wait for another change of the VPN to end: %w", err)
	}
	return errors.Join(m.startVPN(ctx, address, network, leader), unlock())
}

func (m *Machine) startVPN(ctx context.Context, address netip.Addr, network netip.Prefix, leader *Leader) error {
	conf, err := readConf(m.Files.WireGuardConf())
	if err != nil {
		return err
	}
	// What this machine was before, and what spoke against it, counts no more.
	if err = m.setStanding(Standing{Phase: Joining, Since: time.Now().UTC().Round(0)}); err != nil {
		return err
	}
	key, err := m.Files.Keys()
	if err != nil {
		return err
	}
	conf.SetPrivateKey(key)
	conf.SetListenPort(host.WireGuardPort)
	conf.SetAddress(address, network)
	if leader != nil {
		endpoint, err := m.resolve(ctx, leader.Endpoint)
		if err != nil {
			return err
		}
		former, err := m.formerPeers(conf, leader.PublicKey)
		if err != nil {
			return err
		}
		conf.SetPeers([]vpn.ConfPeer{{
			Node: nodeOf(network, leader.Address),
			Key:  leader.PublicKey, Endpoint: endpoint, Keepalive: vpn.Keepalive,
			AllowedIPs: []netip.Prefix{netip.PrefixFrom(leader.Address, leader.Address.BitLen())},
		}}, former)
	}
	if _, err := vpn.SaveConf(m.Files.WireGuardConf(), conf); err != nil {
		return err
	}
	if err := m.Manager.WGEnable(ctx); err != nil {
		return err
	}
	return m.Manager.WGRestart(ctx)
}

// formerPeers are the keys of peers that the cluster, or one that this machine
// was to join before, has put into the file.
func (m *Machine) formerPeers(conf vpn.Conf, leader wgtypes.Key) (vpn.Keys, error) {
	remembered, err := m.peers().read()
	keys := vpn.NewKeys(append(remembered, leader)...)
	for _, peer := range conf.Peers() {
		if peer.Node > 0 {
			keys.Add(peer.Key)
		}
	}
	return keys, err
}

// nodeOf is the id of the node with an address, see [cluster.NodeAddress]; 0 if
// the network is not one that gives addresses to nodes.
func nodeOf(network netip.Prefix, address netip.Addr) int {
	if !network.Addr().Is4() || !address.Is4() {
		return 0
	}
	base, node := network.Masked().Addr().As4(), address.As4()
	return int(binary.BigEndian.Uint32(node[:]) - binary.BigEndian.Uint32(base[:]))
}

func readConf(path string) (vpn.Conf, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return vpn.Conf{}, fmt.Errorf("read %s: %w", path, err)
	}
	return vpn.ParseConf(content), nil
}

// resolve turns an endpoint into an address and a port.
func (m *Machine) resolve(ctx context.Context, text string) (netip.AddrPort, error) {
	endpoint, err := vpn.ParseEndpoint(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("endpoint of the leader %q: %w", text, err)
	}
	if endpoint.Addr.IsValid() {
		return netip.AddrPortFrom(endpoint.Addr, endpoint.Port), nil
	}
	addresses, err := m.Resolver.LookupNetIP(ctx, "ip", endpoint.Host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("resolve endpoint of the leader: %w", err)
	}
	for _, address := range addresses {
		if address.Unmap().Is4() {
			return netip.AddrPortFrom(address.Unmap(), endpoint.Port), nil
		}
	}
	return netip.AddrPortFrom(addresses[0], endpoint.Port), nil
}

// NameNodes writes who leads and who this node is to the hosts file.
func (m *Machine) NameNodes(ctx context.Context, leader, self netip.Addr) error {
	_, leaderErr := m.Files.SetHost(ctx, host.LeaderName, leader)
	_, selfErr := m.Files.SetHost(ctx, host.LocalNodeName, self)
	return errors.Join(leaderErr, selfErr)
}

// Identify makes this machine node id: in the agents' state and environment files.
func (m *Machine) Identify(ctx context.Context, id int) error {
	_, idErr := m.Files.SetNodeID(ctx, id)
	_, agentErr := m.Files.SetNodeAgentID(ctx, id)
	leader := net.JoinHostPort(host.LeaderName, strconv.Itoa(cluster.RedisPort))
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(cluster.RedisPort))
	_, addressErr := m.Files.SetAgentAddresses(ctx, leader, local)
	return errors.Join(idErr, agentErr, addressErr)
}

// MeetLeader waits until the leader's Redis answers over the VPN and knows this
// machine's agent as that of a node. Nothing has been replaced yet: a failure here can be told.
func (m *Machine) MeetLeader(ctx context.Context, leader netip.Addr, node int) error {
	credentials, err := m.Files.Credentials(host.NodeAgent)
	if err != nil {
		return err
	}
	client := redisq.Connect(redisq.Server{
		Address: net.JoinHostPort(leader.String(), strconv.Itoa(cluster.RedisPort)),
		User:    cluster.UserName(node), Password: credentials.Password,
	}, 1)
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	for {
		err = client.Ping(ctx).Err()
		if err == nil || !wait.For(ctx, prepareInterval) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("reach the Redis of the leader at %s over the VPN as user %s: %w", leader, cluster.UserName(node), err)
	}
	return errors.Join(err, client.Close())
}

// Replicate makes the local Redis a replica of the leader's, for good. What it
// held is replaced. If that does not come about, a Redis that belonged to no
// cluster is a master again: a task can be given here only to a master.
func (m *Machine) Replicate(ctx context.Context, leader, self netip.Addr) error {
	credentials, err := m.Files.Credentials(host.NodeAgent)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, copyTime)
	defer cancel()
	return m.Redis(func(store *cluster.Store) error {
		before, err := store.Role(ctx)
		if err != nil {
			return err
		}
		if err = replicate(ctx, store, credentials, leader, self); err != nil {
			return errors.Join(err, giveUp(ctx, store, before))
		}
		_, err = store.AdoptACLs(ctx)
		return errors.Join(err, store.Remember(ctx))
	})
}

// replicate begins the replication and waits until it is in sync.
func replicate(ctx context.Context, store *cluster.Store, credentials host.Credentials, leader, self netip.Addr) error {
	if err := follow(ctx, store, credentials, leader, self); err != nil {
		return err
	}
	if err := store.WaitRole(ctx, func(role cluster.Role) bool { return !role.Master && role.LinkUp }); err != nil {
		return fmt.Errorf("wait for the data of the leader: %w", err)
	}
	return nil
}

// giveUpTime bounds the way back of a join that has failed.
const giveUpTime = 10 * time.Second

// giveUp makes a Redis that was a master of no cluster, and has not got the data
// of one, a master again.
func giveUp(ctx context.Context, store *cluster.Store, before cluster.Role) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpTime)
	defer cancel()
	if _, err := store.Network(ctx); !before.Master || !errors.Is(err, cluster.ErrNoNetwork) {
		return nil
	}
	if err := store.Lead(ctx); err != nil {
		return fmt.Errorf("after that: %w", err)
	}
	return store.Remember(ctx)
}

// follow begins the replication. Each part needs those before it, and the last
// makes a restart of Redis, or an impatient administrator, change nothing.
func follow(ctx context.Context, store *cluster.Store, credentials host.Credentials, leader, self netip.Addr) error {
	for _, part := range []func() error{
		func() error { return store.Listen(ctx, self) },
		func() error { return store.Login(ctx, credentials.User, credentials.Password) },
		func() error { return store.Follow(ctx, leader) },
		func() error { return store.Remember(ctx) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// RestartNodeAgent makes the node agent start anew, with another identity.
func (m *Machine) RestartNodeAgent(ctx context.Context) error {
	return m.Manager.RequestRestart(ctx, host.NodeAgentUnit)
}
