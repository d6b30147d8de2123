package vpn

import (
	"net/netip"
	"time"
)

// Status is how the VPN and the replication of this node are at one moment, for
// a person and for programs. Its JSON has this shape, which only grows:
//
//	{"time","ok","node","leader","network",
//	 "interface":{"exists","up","public_key","listen_port"},
//	 "peers":[{"id","name","ip_address","public_key","leader","state","endpoint",
//	           "configured_endpoint","last_handshake","received","sent"}],
//	 "differences":[TEXT],
//	 "problems":[{"kind","node","why","do"}],
//	 "notes":[TEXT]}
//
// time is RFC 3339, in UTC. ok is whether there is no problem, and then there is
// no difference either. node is this node's id and leader that of the leader, 0
// if unknown; network is a CIDR, or empty if there is no cluster or Redis could
// not be asked.
//
// peers are all nodes by id, this one among them, and then, with id 0, peers of
// wg0 that are no nodes. endpoint is where the peer's last packet came from, or
// what was set; configured_endpoint is the record's; each is host:port or empty.
// ip_address is, of a peer that is no node, its first allowed IP, a prefix.
// last_handshake is in Unix seconds, 0 for never; received and sent are bytes.
// state is one of
//
//	local    this node
//	up       the last handshake is less than 135 s ago
//	stale    it is older
//	never    there was none
//	missing  the node should be a peer of wg0, and is not
//	hub      a worker that this worker reaches through the leader
//	former   a peer of wg0 that was a node and is none any more
//	foreign  a peer of wg0 that was never a node; it is no problem
//	unknown  wg0 could not be read
//
// differences are the changes that apply-vpn-routes would make now, as it prints
// them. problems say what is wrong, why, and what to do; node is whose problem
// it is, 0 for nobody's in particular; kinds are the constants of [ProblemKind].
// notes name addresses that are on purpose not in the tunnel.
//
// Lists are never null.
type Status struct {
	Time        time.Time       `json:"time"`
	OK          bool            `json:"ok"`
	Self        int             `json:"node"`
	Leader      int             `json:"leader"`
	Network     string          `json:"network"`
	Interface   InterfaceStatus `json:"interface"`
	Peers       []PeerStatus    `json:"peers"`
	Differences []string        `json:"differences"`
	Problems    []Problem       `json:"problems"`
	Notes       []string        `json:"notes"`
}

// InterfaceStatus is wg0 itself.
type InterfaceStatus struct {
	Exists     bool   `json:"exists"`
	Up         bool   `json:"up"`
	PublicKey  string `json:"public_key"` // empty: it does not exist
	ListenPort int    `json:"listen_port"`
}

// PeerStatus is one node, or one peer that is none.
type PeerStatus struct {
	ID            int       `json:"id"`
	Name          string    `json:"name"`
	Address       string    `json:"ip_address"`
	PublicKey     string    `json:"public_key"`
	Leader        bool      `json:"leader"`
	State         PeerState `json:"state"`
	Endpoint      string    `json:"endpoint"`
	Configured    string    `json:"configured_endpoint"`
	LastHandshake int64     `json:"last_handshake"`
	Received      int64     `json:"received"`
	Sent          int64     `json:"sent"`
}

// PeerState is a word for how a node is reached.
type PeerState string

// The states, see [Status].
const (
	PeerLocal   PeerState = "local"
	PeerUp      PeerState = "up"
	PeerStale   PeerState = "stale"
	PeerNever   PeerState = "never"
	PeerMissing PeerState = "missing"
	PeerHub     PeerState = "hub"
	PeerFormer  PeerState = "former"
	PeerForeign PeerState = "foreign"
	PeerUnknown PeerState = "unknown"
)

// Problem is one thing that is not well.
type Problem struct {
	Kind ProblemKind `json:"kind"`
	Node int         `json:"node"` // 0: nobody's in particular
	Why  string      `json:"why"`
	Do   string      `json:"do"`
}

// ProblemKind tells problems apart.
type ProblemKind string

// The kinds of problems.
const (
	ProblemNotRoot     ProblemKind = "not-root"     // the caller may not look
	ProblemUnprepared  ProblemKind = "not-prepared" // setup-node was not run
	ProblemNoCluster   ProblemKind = "no-cluster"   // neither created nor joined
	ProblemRemoved     ProblemKind = "removed"      // this node is in the cluster no more
	ProblemUnknown     ProblemKind = "unknown"      // something could not be asked
	ProblemInterface   ProblemKind = "interface"    // wg0 is absent or down
	ProblemNoNetwork   ProblemKind = "no-network"   // the host has no address
	ProblemRecord      ProblemKind = "record"       // a record that cannot be used as it stands
	ProblemEndpoint    ProblemKind = "endpoint"     // an endpoint that gives no address
	ProblemHandshake   ProblemKind = "handshake"    // a link without handshakes
	ProblemRoute       ProblemKind = "route"        // routes are missing
	ProblemDifference  ProblemKind = "difference"   // wg0 differs from Redis otherwise
	ProblemLeader      ProblemKind = "leader"       // nobody leads as the records say, or the name is wrong
	ProblemReplication ProblemKind = "replication"  // a Redis does not follow, or is behind
	ProblemAgent       ProblemKind = "agent"        // an agent is not connected
)

// StatusOf judges what was found. It is pure.
func StatusOf(f Facts) Status {
	j := newJudge(f)
	j.judge()
	s := Status{
		Time: f.State.Time.UTC(), OK: len(j.problems) == 0,
		Self: f.Cluster.Self, Leader: f.Cluster.Leader, Network: prefixText(f.Cluster.Network),
		Interface: interfaceStatus(f.State),
		Peers:     j.peerStatuses(), Differences: notNil(j.plan.Lines()),
		Problems: notNil(j.problems), Notes: []string{},
	}
	for _, note := range j.notes {
		s.Notes = append(s.Notes, note.String())
	}
	return s
}

func interfaceStatus(s State) InterfaceStatus {
	status := InterfaceStatus{Exists: s.Exists, Up: s.Exists && s.Up, ListenPort: s.ListenPort}
	if s.Exists {
		status.PublicKey = s.PublicKey.String()
	}
	return status
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// notNil makes an empty list of none, for JSON.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
