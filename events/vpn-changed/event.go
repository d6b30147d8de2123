// Package vpnchanged handles cluster/event/vpn-changed: nodes, their addresses,
// endpoints or destinations have changed. The payload is not looked at, since
// Redis says what is true now.
//
// Exit code 2 if anybody but the cluster says so.
package vpnchanged

import (
	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

// Handler returns the handler; apply brings the VPN to what Redis says.
func Handler(apply *node.Flight) worker.Action {
	s := steps{apply}
	return worker.Action{
		Name:  "vpn-changed",
		Steps: []worker.Step{{Name: "10apply_routes", Run: s.applyRoutes}},
	}
}

type steps struct{ apply *node.Flight }
