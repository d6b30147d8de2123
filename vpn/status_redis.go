package vpn

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// leader asks, on a worker, whether the leader leads and knows this node, and
// whether this machine means it by the leader's name.
func (j *judge) leader() {
	leader, found := j.Cluster.Node(j.Cluster.Leader)
	if !found || !leader.Address.IsValid() {
		return // named with the records
	}
	j.leaderName(leader.Address)
	// Without a link there is no answer, and that has been named.
	if j.leads() || j.dead[leader.ID] || j.Failed[AskLeader] != nil && j.Failed[AskInterface] != nil {
		return
	}
	switch err := j.Failed[AskLeader]; {
	case err == nil && j.Leader == nil: // the leader is not known
	case err != nil:
		j.add(ProblemLeader, leader.ID, "its Redis does not answer through the VPN: "+lastReason(err.Error()),
			"check that the node is on, and redis-server on it"+lostLeader)
	case !j.Leader.Master:
		j.add(ProblemLeader, leader.ID, "its Redis is a replica, although the records say that it leads",
			"if the leader is not being changed just now, run switch-leader here with the node that leads")
	case !j.Leader.Admits:
		j.add(ProblemAgent, j.Cluster.Self, fmt.Sprintf("the leader's Redis refuses the user node/%d, by which this node follows it", j.Cluster.Self),
			"join again: agent join-request here, remove-node and add-node on the leader, join-node here")
	}
}

// leaderName checks the name by which agents here find the leader's Redis. On
// the leader, loopback does as well.
func (j *judge) leaderName(address netip.Addr) {
	named := j.LeaderName
	if j.Failed[AskHosts] != nil || named == address || j.leads() && named.IsLoopback() {
		return
	}
	have := "is not in the hosts file"
	if named.IsValid() {
		have = fmt.Sprintf("is %v in the hosts file", named)
	}
	j.add(ProblemLeader, j.Cluster.Self,
		fmt.Sprintf("the name cluster-leader %s, not %v, so that agents here miss the leader's Redis", have, address),
		"check the node agent, which corrects it: systemctl status agent@node")
}

// Limits beyond which a replica is behind. A replica acknowledges every second,
// and hears of its master at least every ten.
const (
	lateAnswer  = 3 * time.Second
	lateMaster  = 30 * time.Second
	mostPending = 1 << 20
)

// replication looks at who follows whom.
func (j *judge) replication() {
	if j.Failed[AskRecords] != nil {
		return // named before
	}
	if err := j.Failed[AskReplication]; err != nil {
		j.add(ProblemUnknown, j.Cluster.Self, fmt.Sprintf("Redis here does not tell its replication: %v", err), checkRedis)
		return
	}
	switch {
	case !j.leads():
		j.following()
	case !j.Replication.Master:
		j.add(ProblemReplication, j.Cluster.Self,
			fmt.Sprintf("Redis here is a replica of %v, although this node leads", j.Replication.Source),
			"if another node leads now, run switch-leader here with that node")
	default:
		for _, n := range j.nodes {
			if n.ID != j.Cluster.Self && !j.dead[n.ID] && n.Address.IsValid() {
				j.follower(n)
			}
		}
	}
}

const checkRedis = "check it with systemctl status redis-server, and its log in /var/log/redis"

// follower looks at another node's replica.
func (j *judge) follower(n Node) {
	at := slices.IndexFunc(j.Replication.Replicas, func(r ReplicaLink) bool { return r.Address == n.Address })
	if at < 0 {
		j.add(ProblemReplication, n.ID, "its Redis does not follow this one", "check that the node is on, and what vpn-status says there")
		return
	}
	r := j.Replication.Replicas[at]
	pending := j.Replication.Offset - r.Offset
	switch {
	case !r.Online:
		j.add(ProblemReplication, n.ID, "its Redis is still getting a first copy of all data", "wait until it has")
	case r.Silence > lateAnswer:
		j.add(ProblemReplication, n.ID, "its Redis has acknowledged nothing for "+span(r.Silence),
			"check that the node is on, and redis-server on it")
	case r.Offset > 0 && pending > mostPending:
		j.add(ProblemReplication, n.ID, fmt.Sprintf("its Redis is %d MiB behind", pending>>20),
			"wait; if that grows, check the line between the nodes")
	}
}

// following looks at this node's own replica.
func (j *judge) following() {
	r := j.Replication
	leader, _ := j.Cluster.Node(j.Cluster.Leader)
	follow := fmt.Sprintf("run switch-leader --node %d here", leader.ID)
	// Without the leader there is nothing to follow, and that has been named.
	silent := j.dead[leader.ID] || j.Failed[AskLeader] != nil || j.Leader != nil && !j.Leader.Admits
	switch {
	case r.Master:
		j.add(ProblemReplication, j.Cluster.Self, fmt.Sprintf("Redis here is a master, although node %d leads", leader.ID),
			follow+"; what was written here alone is lost then")
	case r.Source != leader.Address:
		j.add(ProblemReplication, j.Cluster.Self, fmt.Sprintf("Redis here follows %v, not the leader at %v", r.Source, leader.Address), follow)
	case silent:
	case r.Copying:
		j.add(ProblemReplication, j.Cluster.Self, "Redis here is still getting a first copy of all data", "wait until it has")
	case !r.LinkUp:
		j.add(ProblemReplication, j.Cluster.Self, "Redis here has had no link to the leader's"+forSpan(r.Down)+": its data are old", checkRedis)
	case r.Silence > lateMaster:
		j.add(ProblemReplication, j.Cluster.Self, "Redis here has heard nothing of the leader's for "+span(r.Silence), checkRedis)
	}
}

func forSpan(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " for " + span(d)
}

// agents looks for the agents: on the leader those of all nodes, on a worker its
// own, which listen there for events.
func (j *judge) agents() {
	if j.Failed[AskRecords] != nil {
		return
	}
	if err := j.Failed[AskAgents]; err != nil {
		if j.Failed[AskReplication] == nil { // else it is named with that
			j.add(ProblemUnknown, j.Cluster.Self, fmt.Sprintf("Redis here does not tell who is connected: %v", err), checkRedis)
		}
		return
	}
	if !slices.Contains(j.Agents, "cluster") {
		j.add(ProblemAgent, j.Cluster.Self, "agent cluster is not connected to Redis here", "check it with systemctl status agent@cluster")
	}
	for _, n := range j.nodes {
		self := n.ID == j.Cluster.Self
		if !self && (!j.leads() || j.dead[n.ID]) || slices.Contains(j.Agents, fmt.Sprintf("node/%d", n.ID)) {
			continue
		}
		where := " there"
		if self {
			where = ""
		}
		j.add(ProblemAgent, n.ID, fmt.Sprintf("agent node/%d is not connected to Redis here", n.ID),
			fmt.Sprintf("check it%s with systemctl status agent@node", where))
	}
}
