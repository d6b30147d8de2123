// Package removenode is the action remove-node: run on the leader, it takes a
// node out of the cluster.
//
//	input   {"node_id":N}
//	output  none
//
// It deletes the node's ACL user and all its keys, and announces acl-changed and
// vpn-changed; the other nodes then close their links to it. Asked again after
// an interruption it goes on. Errors: 5 node_not_found, 3 node_is_leader.
package removenode

import (
	_ "embed" // the schema

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

type input struct {
	NodeID int `json:"node_id"`
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:  "remove-node",
		Input: worker.Schema{Name: "remove-node/validate-input.json", Source: inputSchema},
		Steps: []worker.Step{
			{Name: "10leader", Run: s.leader},
			{Name: "50remove", Run: s.remove},
		},
	}
}

type steps struct{ machine *node.Machine }
