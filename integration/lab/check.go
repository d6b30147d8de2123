package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// keepalive is what every link of the cluster has, in seconds.
const keepalive = 25

// Expect is a settled cluster, and what each of its nodes has to look like.
type Expect struct {
	Network  netip.Prefix
	Leader   int
	Members  []int
	Endpoint string // the leader's, as workers have it
}

// Expect is what the cluster should be now.
func (c *Cluster) Expect() Expect {
	return Expect{
		Network: c.Network, Leader: c.Leader, Members: c.Members,
		Endpoint: c.Lab.Node(c.Leader).Endpoint(),
	}
}

func (e Expect) address(node int) string {
	return (&Cluster{Network: e.Network}).VPNAddress(node).String()
}

// Check compares what the nodes say with what is expected. Each difference is a sentence;
// none means that all is well.
func (e Expect) Check(views []View) []string {
	keys := map[string]int{}
	for _, v := range views {
		keys[v.Device.Key] = v.Node
	}
	var found []string
	for _, v := range views {
		all := slices.Concat(v.Errors, e.checkRedis(v), e.checkFiles(v), e.checkVPN(v, keys))
		for _, f := range all {
			found = append(found, fmt.Sprintf("node %d: %s", v.Node, f))
		}
	}
	return found
}

// findings collects sentences.
type findings []string

// want notes a difference between two values of one thing.
func (f *findings) want(what, got, want string) {
	if got != want {
		*f = append(*f, fmt.Sprintf("%s is %q, not %q", what, got, want))
	}
}

func (e Expect) checkRedis(v View) []string {
	var f findings
	f.want("the leader, by its Redis,", v.Leader, fmt.Sprint(e.Leader))
	if v.Node != e.Leader {
		if v.Role.Master {
			return append(f, "its Redis is a master, not a replica")
		}
		// By name or by address; that the name is the address is checked in hosts.
		if v.Role.Host != "cluster-leader" {
			f.want("the master of its Redis", v.Role.Host, e.address(e.Leader))
		}
		f.want("the state of its replica", v.Role.State, "connected")
		f.want("the link to its master", v.Link, "up")
		return f
	}
	if !v.Role.Master {
		return append(f, "its Redis is a replica of "+v.Role.Host+", not a master")
	}
	want := make([]string, 0, len(e.Members))
	for _, m := range e.others(e.Leader) {
		want = append(want, e.address(m))
	}
	got := slices.Sorted(slices.Values(v.Role.Replicas))
	f.want("the list of its replicas", strings.Join(got, " "), strings.Join(slices.Sorted(slices.Values(want)), " "))
	return f
}

func (e Expect) checkFiles(v View) []string {
	var f findings
	f.want("cluster-leader in hosts", v.Hosts["cluster-leader"], e.address(e.Leader))
	f.want("cluster-localnode in hosts", v.Hosts["cluster-localnode"], e.address(v.Node))
	for _, agent := range []string{"cluster", "node"} {
		f.want("NODE_ID in the state of agent "+agent, v.IDs[agent], fmt.Sprint(v.Node))
	}
	return f
}

// others are all members but one, in order.
func (e Expect) others(node int) []int {
	return slices.DeleteFunc(slices.Clone(e.Members), func(m int) bool { return m == node })
}

// checkVPN checks wg0 and, the same way, wg0.conf.
func (e Expect) checkVPN(v View, keys map[string]int) []string {
	f := e.checkPeers("wg0", v, v.Device, keys)
	return append(f, e.checkPeers("wg0.conf", v, v.Conf, keys)...)
}

func (e Expect) checkPeers(where string, v View, d Device, keys map[string]int) []string {
	var f findings
	f.want("the port of "+where, fmt.Sprint(d.Port), fmt.Sprint(WireGuardPort))
	var got []int
	for _, p := range d.Peers {
		node := keys[p.Key]
		got = append(got, node)
		name := fmt.Sprintf("peer %d of %s", node, where)
		f.want("AllowedIPs of "+name, strings.Join(p.AllowedIPs, " "), strings.Join(e.allowed(v.Node, node), " "))
		f.want("keepalive of "+name, fmt.Sprint(p.Keepalive), fmt.Sprint(keepalive))
		if v.Node != e.Leader {
			f.want("endpoint of "+name, p.Endpoint, e.Endpoint)
		}
	}
	want := []int{e.Leader}
	if v.Node == e.Leader {
		want = e.others(v.Node)
	}
	slices.Sort(got)
	f.want("the list of peers of "+where, fmt.Sprint(got), fmt.Sprint(want))
	return f
}

// allowed are the addresses that belong to peer in the VPN of node.
func (e Expect) allowed(node, peer int) []string {
	reached := []int{peer}
	if node != e.Leader {
		reached = e.others(node)
	}
	ips := make([]string, 0, len(reached))
	for _, m := range reached {
		ips = append(ips, e.address(m)+"/32")
	}
	return sorted(ips)
}

// Findings looks at all members once, and says what is not as expected.
func (c *Cluster) Findings(ctx context.Context) []string {
	return c.Expect().Check(c.Views(ctx))
}

// Settled waits until every member is as expected. When time runs out, the error says
// what is not.
func (c *Cluster) Settled(ctx context.Context) error {
	return Until(ctx, 2*pollInterval, func(ctx context.Context) error {
		if found := c.Findings(ctx); len(found) > 0 {
			return errors.New(strings.Join(found, "\n"))
		}
		return nil
	})
}
