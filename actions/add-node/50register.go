package addnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// register gives the node an id, an address and a user, and tells the cluster.
// It is saved to disk before anyone is told: an id given out just before a
// crash must not be given out again.
func (s steps) register(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	key, err := wgtypes.ParseKey(in.PublicKey)
	if err != nil {
		return c.Invalid(worker.ExitInvalid, "public_key", in.PublicKey, "public_key_format", err)
	}
	if err = s.leads(ctx); err != nil {
		return err
	}
	unlock, err := s.machine.Files.Lock(ctx, cluster.NodesLock)
	if err != nil {
		return fmt.Errorf("wait for another add-node to end: %w", err)
	}
	err = s.machine.Redis(func(store *cluster.Store) error { return s.add(ctx, c, store, in, key) })
	if err = errors.Join(err, unlock()); err != nil {
		return err
	}
	return errors.Join(
		c.Announce("cluster/event/acl-changed", struct{}{}),
		c.Announce("cluster/event/vpn-changed", struct{}{}),
	)
}

func (s steps) add(ctx context.Context, c *worker.Call, store *cluster.Store, in input, key wgtypes.Key) error {
	records, leader, err := s.present(ctx, store)
	if err != nil {
		return err
	}
	fresh, err := s.place(ctx, c, store, records, key)
	if err != nil {
		return err
	}
	fresh.PublicKey, fresh.Endpoint = key, in.Endpoint
	if err := store.AddNode(ctx, cluster.NewNode{Node: fresh, Flags: in.Flags, PasswordHash: in.PasswordHash}); err != nil {
		return err
	}
	if err := errors.Join(store.ShareACLs(ctx), store.Persist(ctx)); err != nil {
		return err
	}
	return c.Reply(output{
		NodeID: fresh.ID, IPAddress: fresh.Address.String(), Network: records.Network.String(),
		LeaderPublicKey: leader.PublicKey.String(), LeaderIPAddress: leader.Address.String(),
		LeaderEndpoint: leader.Endpoint, LeaderCoreVersion: s.version,
	})
}

// present reads what the cluster has now.
func (s steps) present(ctx context.Context, store *cluster.Store) (records vpn.Cluster, leader vpn.Node, err error) {
	records, _, err = store.Snapshot(ctx, 0)
	if err != nil {
		return records, leader, err
	}
	leader, found := records.Node(records.Leader)
	if !found {
		return records, leader, fmt.Errorf("the leader, node %d, has no VPN record", records.Leader)
	}
	return records, leader, nil
}

// place is the id and address for a key: the next ones, or again those that were given
// to it before.
func (s steps) place(ctx context.Context, c *worker.Call, store *cluster.Store, records vpn.Cluster, key wgtypes.Key) (vpn.Node, error) {
	same := slices.IndexFunc(records.Nodes, func(other vpn.Node) bool { return other.PublicKey == key })
	if same < 0 {
		return s.nextNode(ctx, c, store, records)
	}
	other := records.Nodes[same]
	sign, err := s.signOfLife(ctx, store, records, other)
	if err != nil {
		return vpn.Node{}, err
	}
	if sign != "" || !other.Address.IsValid() {
		return vpn.Node{}, c.Invalid(4, "public_key", other.ID, "public_key_matches_existing_node",
			fmt.Errorf("node %d has the same key, and %s: remove that node, or make new keys on this one", other.ID, cmp.Or(sign, "no address")))
	}
	return vpn.Node{ID: other.ID, Address: other.Address, Destinations: other.Destinations}, nil
}

// nextNode takes the next id, once it is certain that it has an address and is
// nobody's: the sequence may have been lost or set back.
func (s steps) nextNode(ctx context.Context, c *worker.Call, store *cluster.Store, records vpn.Cluster) (vpn.Node, error) {
	last, err := store.LastID(ctx)
	if err != nil {
		return vpn.Node{}, err
	}
	for _, other := range records.Nodes {
		if other.ID > last {
			return vpn.Node{}, fmt.Errorf("cluster/node_sequence is %d, but there is a node %d: set it to the highest id that was ever given out", last, other.ID)
		}
	}
	address, err := cluster.NodeAddress(records.Network, last+1)
	if errors.Is(err, cluster.ErrNetworkFull) {
		return vpn.Node{}, c.Invalid(5, "network", records.Network.String(), "network_full", err)
	}
	if err != nil {
		return vpn.Node{}, err
	}
	id, err := store.NextID(ctx)
	if err != nil {
		return vpn.Node{}, err
	}
	if id != last+1 {
		return vpn.Node{}, fmt.Errorf("node id %d was expected, Redis gave %d: another program gives out ids, try again", last+1, id)
	}
	return vpn.Node{ID: id, Address: address}, nil
}
