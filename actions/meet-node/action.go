// Package meetnode is the action meet-node of the node agent: the leader asks a worker
// whether it gets a WireGuard handshake with a node that may lead soon, which stands by.
// No packet takes another way, and then the node is forgotten.
//
//	input   {"node_id":N,"endpoint":"host:port","seconds":N}
//	output  {"endpoint":"address:port","milliseconds":N}
//
// Errors: 4 node_not_met, with why in words.
package meetnode

import (
	_ "embed" // the schemas

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

//go:embed validate-output.json
var outputSchema []byte

type input struct {
	NodeID   int    `json:"node_id"`
	Endpoint string `json:"endpoint"`
	Seconds  int    `json:"seconds"`
}

type output struct {
	Endpoint     string `json:"endpoint"`
	Milliseconds int64  `json:"milliseconds"`
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:   "meet-node",
		Input:  worker.Schema{Name: "meet-node/validate-input.json", Source: inputSchema},
		Output: worker.Schema{Name: "meet-node/validate-output.json", Source: outputSchema},
		Steps:  []worker.Step{{Name: "50meet", Run: s.meet}},
	}
}

type steps struct{ machine *node.Machine }
