// Package updateroutes is the action update-routes: run on the leader, it says
// which addresses are reached through which node.
//
//	input   {"add"?:[{"ip_address","node_id"}],"remove"?:[{"ip_address","node_id"}]}
//	output  none
//
// The addresses, IPv4 or IPv6, are merged into the destinations of the nodes,
// which stay sorted; what is added and removed in one call is there afterwards.
// All nodes are written or none; vpn-changed is announced. Error:
// 5 node_not_found.
package updateroutes

import (
	_ "embed" // the schema

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

type input struct {
	Add    []route `json:"add"`
	Remove []route `json:"remove"`
}

// route says that an address is reached through a node.
type route struct {
	Address string `json:"ip_address"`
	NodeID  int    `json:"node_id"`
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:       "update-routes",
		Repeatable: true,
		Input:      worker.Schema{Name: "update-routes/validate-input.json", Source: inputSchema},
		Steps:      []worker.Step{{Name: "50merge", Run: s.merge}},
	}
}

type steps struct{ machine *node.Machine }
