// Package promotenode is the action promote-node: run on the leader, it makes a
// worker the leader.
//
//	input   {"node_id":N,"endpoint_address":HOST,"endpoint_port":PORT,"endpoint_validation"?:BOOL}
//	        {"node_id":N,"dry_run":true,…}   the rest as above; without an endpoint, that of the node's record
//	output  none; of a dry run [{"name":CHECK,"ok":BOOL,"verified":BOOL,"error":NAME,"detail":TEXT}]
//
// Before anything changes, all that can be known is checked, each by a step of its own.
// A dry run makes the checks alone. What a node of another implementation cannot tell
// is named, and no reason to stop.
//
//	3   node_is_already_leader
//	5   node_replica_not_found          no such node, or its Redis does not follow this one, or is behind
//	10  endpoint_address_format
//	4   endpoint_address_not_reachable  cluster-admin does not answer there
//	4   node_has_no_endpoint            a dry run names none, nor does the node's record
//	6   node_agent_not_alive            its node agent is not connected, or takes no tasks
//	7   node_users_incomplete           its Redis lacks users of the cluster
//	5   node_redis_not_reachable        its Redis does not answer over the VPN
//	32  node_vpn_not_reachable          a connected node gets no WireGuard handshake with it
//	33  (in words)                      another node leads the cluster in a later epoch
//
// The switch itself is announced together with the result, since this node's Redis is
// read-only right after it.
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
	DryRun     bool   `json:"dry_run"`
}

// The exit codes of the checks, see the package comment.
const (
	exitNotReached = 4
	exitNoReplica  = 5
	exitNoAgent    = 6
	exitNoUsers    = 7
	exitNoLink     = 32
	exitOvertaken  = 33
)

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
			{Name: "05input", Run: s.input},
			{Name: "10leader", Run: s.step(s.leader)},
			{Name: "15node", Run: s.step(s.node)},
			{Name: "20endpoint", Run: s.step(s.endpoint)},
			{Name: "25agent", Run: s.step(s.agent)},
			{Name: "30replica", Run: s.step(s.replica)},
			{Name: "35users", Run: s.step(s.users)},
			{Name: "40links", Run: s.step(s.links)},
			{Name: "45report", Run: s.report},
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
