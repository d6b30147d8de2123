package promotenode

import (
	"context"
	"fmt"

	"cluster-agent/internal/cluster"
	"cluster-agent/vpn"
)

// node wants the cluster to have the node.
func (s steps) node(ctx context.Context, in input) (finding, error) {
	node, err := s.candidate(ctx, in)
	return finding{detail: fmt.Sprintf("node %d has the address %s", node.ID, node.Address)}, err
}

// candidate is the record of the node that is to lead.
func (s steps) candidate(ctx context.Context, in input) (vpn.Node, error) {
	var node vpn.Node
	err := s.machine.Redis(func(store *cluster.Store) error {
		nodes, _, err := store.Nodes(ctx)
		if err != nil {
			return err
		}
		for _, node = range nodes {
			if node.ID == in.NodeID && node.Address.IsValid() {
				return nil
			}
		}
		node = vpn.Node{ID: in.NodeID}
		return in.refuse(exitNoReplica, "node_replica_not_found",
			fmt.Errorf("the cluster has no node %d with an address: get-cluster-status lists those it has", in.NodeID))
	})
	return node, err
}
