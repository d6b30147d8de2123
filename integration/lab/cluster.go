package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// Cluster is what an administrator makes of a lab's nodes, by the real commands: the
// lab's node numbers and the cluster's node ids are the same.
type Cluster struct {
	Lab     *Lab
	Network netip.Prefix // of the VPN
	Leader  int          // the node that leads, as far as the administrator knows
	Members []int        // the nodes that joined, in order, on or off
	// Outside is the address at which a node is reached outside the VPN: Address4, or
	// Address6 for a cluster whose endpoints are IPv6 addresses.
	Outside func(node int) netip.Addr
}

// DefaultNetwork is the VPN's network unless one is chosen.
func DefaultNetwork() netip.Prefix { return netip.MustParsePrefix("10.5.4.0/24") }

// NewCluster is a cluster that does not exist yet: next is Up, or its parts.
func NewCluster(l *Lab) *Cluster {
	return &Cluster{Lab: l, Network: DefaultNetwork(), Outside: Address4}
}

// Endpoint is where the WireGuard of a node is reached, as HOST:PORT or [IPv6]:PORT.
func (c *Cluster) Endpoint(node int) string {
	return netip.AddrPortFrom(c.Outside(node), WireGuardPort).String()
}

// VPNAddress is the address of a node in the VPN: the network's address + its id.
func (c *Cluster) VPNAddress(node int) netip.Addr {
	a := c.Network.Addr().As4()
	a[2] += byte(node / 256) //nolint:gosec // at most 200 nodes
	a[3] += byte(node % 256) //nolint:gosec // as above
	return netip.AddrFrom4(a)
}

// Setup prepares every node as an installer does: Redis with Debian's settings, then
// `agent setup-node`, then the agents and cluster-admin. It returns when they answer.
func (l *Lab) Setup(ctx context.Context) error {
	return forEach(l.Nodes, func(n *Node) error { return n.Setup(ctx) })
}

// Setup prepares one node.
func (n *Node) Setup(ctx context.Context) error {
	if err := n.services[Redis].Start(ctx); err != nil {
		return err
	}
	if _, err := n.Run(ctx, "agent", "setup-node"); err != nil {
		return err
	}
	if err := n.startAgents(ctx); err != nil {
		return err
	}
	return Until(ctx, pollInterval, func(ctx context.Context) error {
		return errors.Join(n.Alive(ctx, "cluster"), n.Alive(ctx, "node/1"))
	})
}

// Call runs an action in a node with `api-cli run`; data is what becomes its JSON.
func (n *Node) Call(ctx context.Context, action string, data any) (Result, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return Result{}, fmt.Errorf("data of %s: %w", action, err)
	}
	return n.Exec(ctx, "api-cli", "run", action, "--data", string(text))
}

// call is Call for actions that have to succeed; it returns their output.
func (n *Node) call(ctx context.Context, action string, data any) (json.RawMessage, error) {
	result, err := n.Call(ctx, action, data)
	if err != nil {
		return nil, err
	}
	if err := result.check(n.ID, []string{action}); err != nil {
		return nil, err
	}
	return json.RawMessage(result.Stdout), nil
}

// Up sets all nodes of the lab up, makes them one cluster led by node 1, and waits until
// it has settled.
func (c *Cluster) Up(ctx context.Context) error {
	if err := c.Lab.Setup(ctx); err != nil {
		return err
	}
	if err := c.Create(ctx); err != nil {
		return err
	}
	workers := make([]int, 0, len(c.Lab.Nodes))
	for _, n := range c.Lab.Nodes[1:] {
		workers = append(workers, n.ID)
	}
	if err := c.Join(ctx, workers...); err != nil {
		return err
	}
	return c.Settled(ctx)
}

// Create makes node 1 a cluster of its own.
func (c *Cluster) Create(ctx context.Context) error {
	input := map[string]any{"network": c.Network.String(), "endpoint": c.Endpoint(1)}
	if _, err := c.Lab.Node(1).call(ctx, "create-cluster", input); err != nil {
		return err
	}
	c.Leader, c.Members = 1, []int{1}
	return nil
}

// Join adds nodes to the cluster: add-node on the leader, one after the other so that
// their ids are the given ones, then join-node on all of them at once.
func (c *Cluster) Join(ctx context.Context, nodes ...int) error {
	answers := map[int]json.RawMessage{}
	for _, id := range nodes {
		answer, err := c.add(ctx, c.Lab.Node(id))
		if err != nil {
			return err
		}
		answers[id] = answer
		c.Members = append(c.Members, id)
	}
	slices.Sort(c.Members)
	return forEach(nodes, func(id int) error {
		_, err := c.Lab.Node(id).call(ctx, "join-node", answers[id])
		return err
	})
}

// add registers one node with the leader and returns what join-node wants to hear.
func (c *Cluster) add(ctx context.Context, n *Node) (json.RawMessage, error) {
	request, err := n.Run(ctx, "agent", "join-request")
	if err != nil {
		return nil, err
	}
	answer, err := c.Lab.Node(c.Leader).call(ctx, "add-node", json.RawMessage(request))
	if err != nil {
		return nil, err
	}
	var given struct {
		NodeID int `json:"node_id"`
	}
	if err := json.Unmarshal(answer, &given); err != nil {
		return nil, fmt.Errorf("answer of add-node: %w", err)
	}
	if given.NodeID != n.ID {
		return nil, fmt.Errorf("node %d got the id %d", n.ID, given.NodeID)
	}
	return answer, nil
}

// SetEndpoint prepares a worker to lead: it tells the leader where the worker's
// WireGuard can be reached.
func (c *Cluster) SetEndpoint(ctx context.Context, node int, endpoint string) error {
	_, err := c.Lab.Node(c.Leader).RedisCLI(ctx, "HSET", "node/"+strconv.Itoa(node)+"/vpn", "endpoint", endpoint)
	return err
}

// PromoteInput is the input of promote-node for a node at its address, or at a name.
func PromoteInput(node int, host string) map[string]any {
	return map[string]any{"node_id": node, "endpoint_address": host, "endpoint_port": WireGuardPort}
}

// Promote makes a worker the leader, by the leader that there is. It returns with the
// command: nodes may still be on their way (see Settled).
func (c *Cluster) Promote(ctx context.Context, node int) error {
	if _, err := c.Lab.Node(c.Leader).call(ctx, "promote-node", PromoteInput(node, c.Outside(node).String())); err != nil {
		return err
	}
	c.Leader = node
	return nil
}

// SwitchLeader runs, on one node, the command for a cluster whose leader is dead. Once
// it ran everywhere, say so with MoveTo.
func (c *Cluster) SwitchLeader(ctx context.Context, on, leader int) error {
	_, err := c.Lab.Node(on).Run(ctx, "switch-leader",
		"--node", strconv.Itoa(leader), "--endpoint", c.Endpoint(leader))
	return err
}

// MoveTo notes who leads now, after SwitchLeader ran everywhere.
func (c *Cluster) MoveTo(leader int) { c.Leader = leader }

// On are the members whose power is on, in order.
func (c *Cluster) On() []int {
	return slices.DeleteFunc(slices.Clone(c.Members), func(id int) bool { return !c.Lab.Node(id).IsOn() })
}
