// Package getclusterstatus is the action get-cluster-status: what the cluster
// is, as this node's Redis and its VPN interface say.
//
//	input   none
//	output  {"initialized","leader","leader_url","ui_name","nodes":[…]}
//
// initialized is whether there is a cluster, leader whether this node leads it,
// leader_url the address of the leader's user interface, or empty, and ui_name
// the name people gave to the cluster. Each node is
//
//	{"id","local","online","ui_name","vpn":{"ip_address","public_key","endpoint",
//	 "listen_port"?,"last_seen","rcvd","sent","keepalive"}}
//
// ordered by id. local marks this node; online is true for it, and for a peer
// whose last handshake is no older than 135 s. endpoint is where the peer's last
// packet came from, or what is configured; listen_port, of this node only, is a
// UDP port; last_seen is the last handshake in Unix seconds, 0 for never; rcvd
// and sent are bytes; keepalive is in seconds, 0 for off. On a worker, only the
// leader is a peer. Peers that are no cluster node are left out.
package getclusterstatus

import (
	_ "embed" // the schema

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-output.json
var outputSchema []byte

type output struct {
	Initialized bool         `json:"initialized"`
	Leader      bool         `json:"leader"`
	LeaderURL   string       `json:"leader_url"`
	UIName      string       `json:"ui_name"`
	Nodes       []nodeStatus `json:"nodes"`
}

type nodeStatus struct {
	ID     int       `json:"id"`
	Local  bool      `json:"local"`
	Online bool      `json:"online"`
	UIName string    `json:"ui_name"`
	VPN    vpnStatus `json:"vpn"`
}

type vpnStatus struct {
	Address    string `json:"ip_address"`
	PublicKey  string `json:"public_key"`
	Endpoint   string `json:"endpoint"`
	ListenPort int    `json:"listen_port,omitempty"`
	LastSeen   int64  `json:"last_seen"`
	Received   int64  `json:"rcvd"`
	Sent       int64  `json:"sent"`
	Keepalive  int64  `json:"keepalive"`
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:       "get-cluster-status",
		Repeatable: true,
		Output:     worker.Schema{Name: "get-cluster-status/validate-output.json", Source: outputSchema},
		Steps:      []worker.Step{{Name: "50status", Run: s.status}},
	}
}

type steps struct{ machine *node.Machine }
