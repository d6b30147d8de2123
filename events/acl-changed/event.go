// Package aclchanged handles cluster/event/acl-changed: the cluster's ACL users
// have changed, which Redis does not replicate.
//
// Exit code 2 if anybody but the cluster says so.
package aclchanged

import (
	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

// Handler returns the handler.
func Handler(machine *node.Machine) worker.Action {
	s := steps{machine}
	return worker.Action{
		Name:  "acl-changed",
		Steps: []worker.Step{{Name: "10adopt_users", Run: s.adoptUsers}},
	}
}

type steps struct{ machine *node.Machine }
