// Package addnode is the action add-node: run on the leader, it makes a node known to
// the cluster.
//
//	input   {"node_pwh":SHA256HEX,"public_key":KEY,"endpoint":"" or "host:port","core_version"?:STR,"flags"?:[STR]}
//	output  {"node_id","ip_address","network","leader_public_key","leader_ip_address","leader_endpoint","leader_core_version"}
//
// The output is the input of join-node on the node. A node that never came up, since
// its join failed, may ask again with the same key: it gets the same id and address.
//
// Errors:
// 4 public_key_matches_existing_node (value: that node's id),
// 3 core_version_mismatch, 5 network_full, 10 public_key_format, 10 endpoint_format.
// 33, in words, if another node leads the cluster in a later epoch.
package addnode

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
	PasswordHash string   `json:"node_pwh"`
	PublicKey    string   `json:"public_key"`
	Endpoint     string   `json:"endpoint"`
	CoreVersion  string   `json:"core_version"`
	Flags        []string `json:"flags"`
}

type output struct {
	NodeID            int    `json:"node_id"`
	IPAddress         string `json:"ip_address"`
	Network           string `json:"network"`
	LeaderPublicKey   string `json:"leader_public_key"`
	LeaderIPAddress   string `json:"leader_ip_address"`
	LeaderEndpoint    string `json:"leader_endpoint"`
	LeaderCoreVersion string `json:"leader_core_version"`
}

// Action returns the action for a machine; version is the leader's.
func Action(machine *node.Machine, version string) worker.Action {
	s := steps{machine: machine, version: version}
	return worker.Action{
		Name:   "add-node",
		Input:  worker.Schema{Name: "add-node/validate-input.json", Source: inputSchema},
		Output: worker.Schema{Name: "add-node/validate-output.json", Source: outputSchema},
		Steps: []worker.Step{
			{Name: "10version", Run: s.coreVersion},
			{Name: "20endpoint", Run: s.endpoint},
			{Name: "50register", Run: s.register},
		},
	}
}

type steps struct {
	machine *node.Machine
	version string
}
