package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keepalive is what every link of the cluster has, in seconds.
const keepalive = 25

// Expect is a settled cluster, and what each of its nodes has to look like.
type Expect struct {
	Network  netip.Prefix
	Leader   int
	Members  []int          // as Redis has to know them
	On       []int          // those that are on, and have to answer
	Keys     map[string]int // the members by their public keys
	Endpoint string         // the leader's, as workers have it
}

// Expect is what the cluster should be now.
func (c *Cluster) Expect() Expect {
	return Expect{
		Network: c.Network, Leader: c.Leader, Members: c.Members, On: c.On(), Keys: c.keys(),
		Endpoint: c.Endpoint(c.Leader),
	}
}

// keys reads the members' public keys. One that cannot be read shows as a peer that
// nobody knows.
func (c *Cluster) keys() map[string]int {
	keys := map[string]int{}
	for _, id := range c.Members {
		if key, err := c.Lab.Node(id).ReadFile("/etc/nethserver/wg0.pub"); err == nil {
			keys[strings.TrimSpace(key)] = id
		}
	}
	return keys
}

func (e Expect) address(node int) string {
	return (&Cluster{Network: e.Network}).VPNAddress(node).String()
}

// Check compares what the nodes say with what is expected. Each difference is a sentence;
// none means that all is well.
func (e Expect) Check(views []View) []string {
	var found []string
	for _, v := range views {
		all := slices.Concat(v.Errors, e.checkRedis(v), e.checkFiles(v), e.checkVPN(v))
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
	f.want("the leader, by its Redis,", v.Leader, strconv.Itoa(e.Leader))
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
	f.want("the list of its replicas", strings.Join(e.replicas(v), " "), strings.Join(e.addresses(e.Leader, e.On), " "))
	return f
}

// replicas are those that a master lists, sorted, without the members that are off: it may
// list such a one until it has missed it for a minute (repl-timeout).
func (e Expect) replicas(v View) []string {
	return slices.DeleteFunc(slices.Sorted(slices.Values(v.Role.Replicas)), func(address string) bool {
		return slices.Contains(e.addresses(e.Leader, e.Members), address) &&
			!slices.Contains(e.addresses(e.Leader, e.On), address)
	})
}

// addresses are the VPN addresses of nodes but one, sorted.
func (e Expect) addresses(but int, nodes []int) []string {
	all := make([]string, 0, len(nodes))
	for _, m := range nodes {
		if m != but {
			all = append(all, e.address(m))
		}
	}
	slices.Sort(all)
	return all
}

func (e Expect) checkFiles(v View) []string {
	var f findings
	f.want("cluster-leader in hosts", v.Hosts["cluster-leader"], e.address(e.Leader))
	f.want("cluster-localnode in hosts", v.Hosts["cluster-localnode"], e.address(v.Node))
	for _, agent := range []string{"cluster", "node"} {
		f.want("NODE_ID in the state of agent "+agent, v.IDs[agent], strconv.Itoa(v.Node))
	}
	return f
}

// others are all members but one, in order.
func (e Expect) others(node int) []int {
	return slices.DeleteFunc(slices.Clone(e.Members), func(m int) bool { return m == node })
}

// checkVPN checks wg0 and, the same way, wg0.conf.
func (e Expect) checkVPN(v View) []string {
	var f findings
	f.want("the node with the key of wg0", strconv.Itoa(e.Keys[v.Device.Key]), strconv.Itoa(v.Node))
	return slices.Concat(f, e.checkPeers("wg0", v, v.Device), e.checkPeers("wg0.conf", v, v.Conf))
}

func (e Expect) checkPeers(where string, v View, d Device) []string {
	var f findings
	f.want("the port of "+where, strconv.Itoa(d.Port), strconv.Itoa(WireGuardPort))
	got := make([]int, 0, len(d.Peers))
	for _, p := range d.Peers {
		node := e.Keys[p.Key]
		got = append(got, node)
		name := fmt.Sprintf("peer %d of %s", node, where)
		f.want("AllowedIPs of "+name, strings.Join(p.AllowedIPs, " "), strings.Join(e.allowed(v.Node, node), " "))
		f.want("keepalive of "+name, strconv.Itoa(p.Keepalive), strconv.Itoa(keepalive))
		if v.Node != e.Leader && node == e.Leader {
			f.want("endpoint of "+name, p.Endpoint, e.Endpoint)
		}
	}
	want := []int{e.Leader}
	if v.Node == e.Leader || v.Stands && len(got) > 1 {
		want = e.others(v.Node)
	}
	slices.Sort(got)
	f.want("the list of peers of "+where, fmt.Sprint(got), fmt.Sprint(want))
	return f
}

// allowed are the addresses that belong to peer in the VPN of node: those of all for the
// hub, none for another worker.
func (e Expect) allowed(node, peer int) []string {
	reached := []int{peer}
	switch {
	case node == e.Leader:
	case peer == e.Leader:
		reached = e.others(node)
	default:
		return nil
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
	e := c.Expect()
	err := Until(ctx, pollInterval/2, func(ctx context.Context) error { return c.redisSettled(ctx, e) })
	if err == nil {
		err = Until(ctx, pollInterval, func(ctx context.Context) error { return sentences(e.Check(c.Views(ctx))) })
	}
	if err == nil {
		return nil
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	return errors.Join(context.Cause(ctx), sentences(e.Check(c.Views(late))))
}

// lookTime is how long one look at every node may take.
const lookTime = 5 * time.Second

// redisSettled asks only Redis, by connections that stay open: looking at everything takes
// processes, too much to do all the time beside what is being measured.
func (c *Cluster) redisSettled(ctx context.Context, e Expect) error {
	for _, id := range e.On {
		v := c.Lab.Node(id).redisView(ctx)
		if err := sentences(slices.Concat(v.Errors, e.checkRedis(v))); err != nil {
			return err
		}
	}
	return nil
}

// sentences makes an error of findings, nil if there are none.
func sentences(found []string) error {
	if len(found) == 0 {
		return nil
	}
	return errors.New(strings.Join(found, "\n"))
}
