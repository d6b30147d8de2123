// Package actions lists the actions compiled into the cluster agent, and those of the
// node agent. Each is a folder that carries the action's name, with a file for each
// step.
package actions

import (
	addnode "cluster-agent/actions/add-node"
	adoptusers "cluster-agent/actions/adopt-users"
	createcluster "cluster-agent/actions/create-cluster"
	getclusterstatus "cluster-agent/actions/get-cluster-status"
	joinnode "cluster-agent/actions/join-node"
	meetnode "cluster-agent/actions/meet-node"
	promotenode "cluster-agent/actions/promote-node"
	removenode "cluster-agent/actions/remove-node"
	setnodeendpoint "cluster-agent/actions/set-node-endpoint"
	standby "cluster-agent/actions/stand-by"
	updateroutes "cluster-agent/actions/update-routes"
	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

// Cluster returns the actions of the cluster agent. version is that of this
// software, which nodes of one cluster compare.
func Cluster(machine *node.Machine, version string) []worker.Action {
	return []worker.Action{
		createcluster.Action(machine),
		addnode.Action(machine, version),
		joinnode.Action(machine),
		removenode.Action(machine),
		setnodeendpoint.Action(machine),
		updateroutes.Action(machine),
		promotenode.Action(machine),
		getclusterstatus.Action(machine),
	}
}

// Node returns the actions of the node agent, which the leader asks for before it
// hands over.
func Node(machine *node.Machine) []worker.Action {
	return []worker.Action{
		adoptusers.Action(machine),
		standby.Action(machine),
		meetnode.Action(machine),
	}
}
