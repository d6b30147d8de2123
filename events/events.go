// Package events lists the handlers of events compiled into the node agent.
// Each is a folder that carries the event's name, with a file for each step.
package events

import (
	aclchanged "cluster-agent/events/acl-changed"
	leaderchanged "cluster-agent/events/leader-changed"
	vpnchanged "cluster-agent/events/vpn-changed"
	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

// Node returns the handlers of the node agent. apply brings the VPN to what
// Redis says, once for all events that come meanwhile.
func Node(machine *node.Machine, apply *node.Flight) []worker.Action {
	return []worker.Action{
		aclchanged.Handler(machine),
		leaderchanged.Handler(machine, apply),
		vpnchanged.Handler(apply),
	}
}
