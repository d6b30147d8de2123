// Package joinnode is the action join-node: run on the node itself, it makes it a
// worker of a cluster. Its input is the output of add-node; it has no output.
//
// What the node's Redis held is replaced by the cluster's data, the record of
// this very task included: the final status is published all the same. All
// that can fail for want of the leader is done before. Errors:
// 2 cluster_network_already_set (the node leads a cluster), and 10 FIELD_format
// for a field that cannot be read.
package joinnode

import (
	_ "embed" // the schema
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

// order is the input, read.
type order struct {
	node    int
	address netip.Addr
	network netip.Prefix
	leader  node.Leader
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:          "join-node",
		EndsOnReplica: true,
		Input:         worker.Schema{Name: "join-node/validate-input.json", Source: inputSchema},
		Steps: []worker.Step{
			{Name: "10validate", Run: s.validate},
			{Name: "20vpn", Run: s.vpn},
			{Name: "30firewall", Run: s.firewall},
			{Name: "40leader", Run: s.leader},
			{Name: "50identity", Run: s.identity},
			{Name: "60replicate", Run: s.replicate},
			{Name: "70agent", Run: s.agent},
			{Name: "80routes", Run: s.routes},
		},
	}
}

type steps struct{ machine *node.Machine }

// read decodes the input. Each step reads it anew: they share nothing else.
func read(c *worker.Call) (order, error) {
	var in struct {
		NodeID          int    `json:"node_id"`
		IPAddress       string `json:"ip_address"`
		Network         string `json:"network"`
		LeaderPublicKey string `json:"leader_public_key"`
		LeaderIPAddress string `json:"leader_ip_address"`
		LeaderEndpoint  string `json:"leader_endpoint"`
	}
	if err := c.Decode(&in); err != nil {
		return order{}, err
	}
	o := order{node: in.NodeID, leader: node.Leader{Endpoint: in.LeaderEndpoint}}
	var err error
	if o.network, err = netip.ParsePrefix(in.Network); err != nil {
		return o, invalid(c, "network", in.Network, err)
	}
	if o.address, err = netip.ParseAddr(in.IPAddress); err != nil || !o.network.Contains(o.address) {
		return o, invalid(c, "ip_address", in.IPAddress, fmt.Errorf("no address in %s", o.network))
	}
	if o.leader.Address, err = netip.ParseAddr(in.LeaderIPAddress); err != nil || !o.network.Contains(o.leader.Address) {
		return o, invalid(c, "leader_ip_address", in.LeaderIPAddress, fmt.Errorf("no address in %s", o.network))
	}
	if o.leader.PublicKey, err = wgtypes.ParseKey(in.LeaderPublicKey); err != nil {
		return o, invalid(c, "leader_public_key", in.LeaderPublicKey, err)
	}
	return o, nil
}

func invalid(c *worker.Call, field, value string, why error) error {
	return c.Invalid(worker.ExitInvalid, field, value, field+"_format", why)
}
