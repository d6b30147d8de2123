// Package leaderchanged handles cluster/event/leader-changed, by which the
// leader tells all nodes, itself included, who is to lead:
//
//	{"node_id":3,"endpoint":"node3.example.com:55820","epoch":7}
//
// In the end the new leader's log says whether all nodes follow, and names those that
// do not.
//
// epoch counts the changes of the leader; another implementation leaves it out. Exit
// code 2 if anybody but the cluster says so, if the payload cannot be read, or if this
// node knows of a later change.
package leaderchanged

import (
	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

// Handler returns the handler; apply brings the VPN to what Redis says.
func Handler(machine *node.Machine, apply *node.Flight) worker.Action {
	s := steps{machine: machine, apply: apply}
	return worker.Action{
		Name: "leader-changed",
		Steps: []worker.Step{
			{Name: "10switch_leader", Run: s.switchLeader},
			{Name: "20apply_routes", Run: s.applyRoutes},
			{Name: "30verify", Run: s.verify},
		},
	}
}

type steps struct {
	machine *node.Machine
	apply   *node.Flight
}
