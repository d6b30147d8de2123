// Package adoptusers is the action adopt-users of the node agent: the leader asks a
// worker that may lead soon which of the cluster's Redis users it lacks, and to take
// them over.
//
//	input   {"dry_run"?:BOOL}   true: change nothing
//	output  {"missing":[USER]}  those that are not there at the end
package adoptusers

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
	DryRun bool `json:"dry_run"`
}

type output struct {
	Missing []string `json:"missing"`
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:   "adopt-users",
		Input:  worker.Schema{Name: "adopt-users/validate-input.json", Source: inputSchema},
		Output: worker.Schema{Name: "adopt-users/validate-output.json", Source: outputSchema},
		Steps:  []worker.Step{{Name: "50adopt", Run: s.adopt}},
	}
}

type steps struct{ machine *node.Machine }
