// Package createcluster is the action create-cluster: it makes this node the
// first of a new cluster, and its leader.
//
//	input   {"network":"10.5.4.0/24","endpoint":"node1.example.com:55820"}
//	output  {"ip_address":"10.5.4.1"}
//
// Errors: 2 cluster_network_already_set, 3 not_a_valid_ipv4_network,
// 2 not_a_private_network, 2 network_in_use, 10 endpoint_format.
package createcluster

import (
	_ "embed" // the schemas

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

//go:embed validate-output.json
var outputSchema []byte

// input is what the action takes.
type input struct {
	Network  string `json:"network"`
	Endpoint string `json:"endpoint"`
}

// firstNode is the id of the node that a cluster begins with.
const firstNode = 1

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:       "create-cluster",
		Repeatable: true,
		Input:      worker.Schema{Name: "create-cluster/validate-input.json", Source: inputSchema},
		Output:     worker.Schema{Name: "create-cluster/validate-output.json", Source: outputSchema},
		Steps: []worker.Step{
			{Name: "10network", Run: s.network},
			{Name: "20endpoint", Run: s.endpoint},
			{Name: "50vpn", Run: s.vpn},
			{Name: "60firewall", Run: s.firewall},
			{Name: "70records", Run: s.records},
		},
	}
}

type steps struct{ machine *node.Machine }
