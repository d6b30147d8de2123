package vpn

import (
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Facts are what was found out about this node at one moment. What could not be
// asked is in Failed, and its fields have their zero values.
type Facts struct {
	Cluster  Cluster        // what the local Redis says; Network zero: no cluster, or not known
	Warnings []Warning      // records that could not be read as they stand
	Names    map[int]string // what people call the nodes, by id
	State    State          // of wg0; Time is set in any case
	File     []ConfPeer     // the peers in wg0.conf
	Found    Resolved       // addresses of endpoints
	LookUps  []Warning      // endpoints that have none

	Replication Replication
	// Agents are ids of agents that are connected to the local Redis: on the
	// leader those that take tasks, on a worker those that listen for events.
	Agents     []string
	LeaderName netip.Addr  // what the hosts file says for the leader's name; the zero Addr: nothing
	Leader     *LeaderView // on a worker; nil: it was not asked

	Failed map[Question]error
}

// Question is what was asked.
type Question string

// The questions.
const (
	AskMachine     Question = "machine"     // this node's id and credentials
	AskRecords     Question = "records"     // the cluster's records in the local Redis
	AskNames       Question = "names"       // what people call the nodes
	AskReplication Question = "replication" // its replication
	AskAgents      Question = "agents"      // its connections
	AskInterface   Question = "interface"   // wg0
	AskFile        Question = "file"        // wg0.conf
	AskHosts       Question = "hosts"       // the hosts file
	AskLeader      Question = "leader"      // the leader's Redis
)

// Replication is what the local Redis says of it.
type Replication struct {
	Master   bool
	Offset   int64         // of a master: bytes written to the replication stream
	Replicas []ReplicaLink // of a master: those connected

	Source  netip.Addr    // of a replica: its master's address
	LinkUp  bool          // of a replica: it is connected and in sync
	Copying bool          // of a replica: it is getting a first copy of all data
	Down    time.Duration // of a replica without a link: for how long; 0: not known
	Silence time.Duration // of a replica: since it last heard of its master
}

// ReplicaLink is a connected replica, as its master sees it.
type ReplicaLink struct {
	Address netip.Addr
	Online  bool          // it gets the stream; else it is still being copied to
	Offset  int64         // what it has acknowledged; 0: nothing yet
	Silence time.Duration // since it last acknowledged
}

// LeaderView is what the leader's Redis answers to this node.
type LeaderView struct {
	Master   bool
	Recorded bool // it has this node's record
	Admits   bool // it lets this node's agent in
}

// memory is what wg0.conf remembers of earlier runs.
func (f Facts) memory() Memory {
	mem := Memory{Keys: NewKeys(), Endpoints: make(map[wgtypes.Key]netip.AddrPort)}
	for _, p := range f.File {
		if p.Node != 0 {
			mem.Keys.Add(p.Key)
		}
		if p.Endpoint.IsValid() {
			mem.Endpoints[p.Key] = p.Endpoint
		}
	}
	return mem
}

// known is the cluster as far as it is known: without records, the peers that
// wg0.conf says are nodes.
func (f Facts) known() []Node {
	if f.Failed[AskRecords] == nil {
		return f.Cluster.Nodes
	}
	var nodes []Node
	for _, p := range f.File {
		if p.Node != 0 {
			nodes = append(nodes, Node{ID: p.Node, PublicKey: p.Key})
		}
	}
	return nodes
}
