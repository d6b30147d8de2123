// Package standby is the action stand-by of the node agent: the leader asks a worker
// that may lead soon to know all nodes as WireGuard peers for a while, so that each of
// them can try whether it reaches this one. No packet takes another way.
//
//	input   {"seconds":N}
//	output  none
//
// It shows a progress of 50 as soon as the others may try, and goes on until it is
// cancelled, or the time is over. Then all is as before.
package standby

import (
	_ "embed" // the schema

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

type input struct {
	Seconds int `json:"seconds"`
}

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:  "stand-by",
		Input: worker.Schema{Name: "stand-by/validate-input.json", Source: inputSchema},
		Steps: []worker.Step{{Name: "50stand_by", Run: s.standBy}},
	}
}

type steps struct{ machine *node.Machine }
