// Package promotenode is the action promote-node: run on the leader, it makes a
// worker the leader.
//
//	input   {"node_id":N,"endpoint_address":HOST,"endpoint_port":PORT,"endpoint_validation"?:BOOL}
//	output  none
//
// Errors: 3 node_is_already_leader, 4 endpoint_address_not_reachable,
// 5 node_replica_not_found. The switch itself is announced together with the
// result, since this node's Redis is read-only right after it.
package promotenode

import (
	"crypto/tls"
	_ "embed" // the schema
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cluster-agent/internal/node"
	"cluster-agent/worker"
)

//go:embed validate-input.json
var inputSchema []byte

type input struct {
	NodeID     int    `json:"node_id"`
	Address    string `json:"endpoint_address"`
	Port       int    `json:"endpoint_port"`
	Validation *bool  `json:"endpoint_validation"`
}

// host is the address alone: people write IPv6 addresses with brackets, too.
func (in input) host() string {
	if inner, found := strings.CutPrefix(in.Address, "["); found {
		return strings.TrimSuffix(inner, "]")
	}
	return in.Address
}

// endpoint is the WireGuard endpoint that is asked for, host:port.
func (in input) endpoint() string { return net.JoinHostPort(in.host(), strconv.Itoa(in.Port)) }

// Action returns the action for a machine.
func Action(machine *node.Machine) worker.Action {
	s := steps{machine: machine, probe: newProbe()}
	return worker.Action{
		Name:  "promote-node",
		Input: worker.Schema{Name: "promote-node/validate-input.json", Source: inputSchema},
		Steps: []worker.Step{
			{Name: "10leader", Run: s.leader},
			{Name: "20endpoint", Run: s.endpoint},
			{Name: "30replica", Run: s.replica},
			{Name: "50announce", Run: s.announce},
		},
	}
}

type steps struct {
	machine *node.Machine
	probe   *http.Client
}

// probeTime bounds the whole question to an endpoint, from the connection to
// the last header.
const probeTime = 5 * time.Second

// newProbe returns a client that takes any certificate and follows no redirect:
// it asks who is there, and believes nothing else it is told.
func newProbe() *http.Client {
	return &http.Client{
		Timeout: probeTime,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // nodes have self-signed certificates, and nothing secret is sent
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
