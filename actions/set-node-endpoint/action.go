// Package setnodeendpoint is the action set-node-endpoint: run on the leader, it
// says where the others reach a node, which prepares that node to lead one day.
//
//	input   {"node_id":N,"endpoint":"host:port"}
//	output  none
//
// The host is a name, an IPv4 address, or an IPv6 address in brackets; an empty
// endpoint takes the preparation back. It announces vpn-changed. Errors:
// 5 node_not_found, 4 endpoint_not_resolvable, 10 endpoint_format.
package setnodeendpoint

import (
	_ "embed" // the schema

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

type input struct {
	NodeID   int    `json:"node_id"`
	Endpoint string `json:"endpoint"`
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:       "set-node-endpoint",
		Repeatable: true,
		Input:      worker.Schema{Name: "set-node-endpoint/validate-input.json", Source: inputSchema},
		Steps: []worker.Step{
			{Name: "10endpoint", Run: s.endpoint},
			{Name: "50record", Run: s.record},
		},
	}
}

type steps struct{ machine *node.Machine }
