package vpn

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// links looks at the endpoint and at the link of each node.
func (j *judge) links() {
	for _, n := range j.nodes {
		j.link(n)
	}
	if len(j.nodes) > 2 && j.leads() && len(j.dead) == len(j.nodes)-1 && j.State.Exists {
		j.add(ProblemLeader, j.Cluster.Self, "no node at all is linked to this one, which believes that it leads",
			"if another leads now, run switch-leader here with it")
	}
}

func (j *judge) link(n Node) {
	trouble, state := j.endpointTrouble(n), j.state(n)
	silent := state == PeerStale || state == PeerNever
	dead := j.expected(n) && (silent || state == PeerMissing)
	if dead {
		j.dead[n.ID] = true // what is missing is named with wg0, its record, or the differences
	}
	switch {
	case dead && silent && j.State.HasNetwork():
		j.silence(n, trouble)
	case trouble.why != "":
		if p := j.peers[n.ID]; state == PeerUp && p.Endpoint.IsValid() {
			trouble.why += fmt.Sprintf(", while the link is up at %v", p.Endpoint)
		}
		j.add(ProblemEndpoint, n.ID, trouble.why, trouble.do)
	}
}

// trouble is what is wrong with an endpoint; the zero value: nothing.
type trouble struct{ why, do string }

func correctEndpoint(n Node) string {
	return fmt.Sprintf(`correct it on the leader: api-cli run set-node-endpoint --data '{"node_id":%d,"endpoint":"HOST:PORT"}'`, n.ID)
}

// endpointTrouble looks at the endpoint in a node's record, if there is one.
func (j *judge) endpointTrouble(n Node) trouble {
	if n.Endpoint == "" {
		return trouble{}
	}
	endpoint, err := ParseEndpoint(n.Endpoint)
	if err != nil {
		return trouble{fmt.Sprintf("its endpoint %s is of no use: %v", quote(n.Endpoint), err), correctEndpoint(n)}
	}
	if n.ID == j.Cluster.Self || !j.expected(n) || j.Found[n.ID].Endpoint.IsValid() {
		return trouble{}
	}
	at := slices.IndexFunc(j.LookUps, func(w Warning) bool { return w.Node == n.ID })
	if at < 0 {
		return trouble{}
	}
	switch reason := lastReason(j.LookUps[at].Text); {
	case endpoint.Addr.IsValid() || strings.HasPrefix(reason, "address inside"):
		return trouble{fmt.Sprintf("its endpoint %s is of no use: %s", n.Endpoint, reason), correctEndpoint(n)}
	case reason == "no such host":
		return trouble{fmt.Sprintf("its endpoint %s does not resolve (%s)", n.Endpoint, reason), correctEndpoint(n)}
	default:
		return trouble{
			fmt.Sprintf("its endpoint %s does not resolve (name server: %s)", n.Endpoint, reason),
			"check the name servers of this machine, in /etc/resolv.conf",
		}
	}
}

// lastReason is the innermost part of an error's text: what wraps it repeats
// names that have been said.
func lastReason(text string) string {
	if at := strings.LastIndex(text, ": "); at >= 0 {
		text = text[at+2:]
	}
	switch text {
	case "i/o timeout", context.DeadlineExceeded.Error():
		return "no answer"
	default:
		return text
	}
}

// silence names a link that should be up.
func (j *judge) silence(n Node, endpoint trouble) {
	p := j.peers[n.ID]
	why := "no handshake so far"
	if !p.LastHandshake.IsZero() {
		why = "no handshake for " + span(j.State.Time.Sub(p.LastHandshake))
	}
	kind, cause := ProblemEndpoint, endpoint
	if endpoint.why == "" {
		kind, cause = ProblemHandshake, j.unheard(n, p)
	}
	if n.ID == j.Cluster.Leader {
		cause.do += lostLeader
	}
	j.add(kind, n.ID, why+": "+cause.why, cause.do)
}

// lostLeader is what to do when the leader does not come back, and what else its
// silence may mean.
const lostLeader = "; if it is lost, run switch-leader on the workers (a leader is silent, too, to a node that was removed)"

// unheard says why a peer without handshakes is not heard of, as far as that can
// be told from here, and what to check.
func (j *judge) unheard(n Node, p Peer) trouble {
	endpoint, err := ParseEndpoint(n.Endpoint)
	switch {
	case err == nil && (!p.Endpoint.IsValid() || p.Endpoint == j.Found[n.ID].Endpoint):
		return trouble{
			fmt.Sprintf("its endpoint %s does not answer", n.Endpoint),
			fmt.Sprintf("check that UDP port %d is open there and that the node is on", endpoint.Port),
		}
	case p.Endpoint.IsValid():
		return trouble{
			fmt.Sprintf("it was last heard of at %v and does not answer there", p.Endpoint),
			"check that the node is on and that its network lets UDP out" + j.ownPort(),
		}
	case j.leads():
		return trouble{
			"it has no endpoint, and has not called here",
			"check that join-node was run there and that its network lets UDP out" + j.ownPort() + ", or take it back with remove-node",
		}
	default:
		return trouble{"it has no endpoint, so this node cannot call it", correctEndpoint(n)}
	}
}

// ownPort says where this node listens, for people who look at firewalls.
func (j *judge) ownPort() string {
	self, _ := j.Cluster.Node(j.Cluster.Self)
	if self.Endpoint != "" {
		return " to " + self.Endpoint
	}
	return fmt.Sprintf(" to this node's port %d", j.State.ListenPort)
}
