package vpn

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Text is the status for a person, some lines of at most 100 columns but for the
// problems, each of which has one line. colour marks what is well and what is
// not, for a terminal.
func (s Status) Text(colour bool) string {
	p := painter{colour: colour}
	var parts []string
	for _, part := range []string{
		s.headline(), s.table(p), headed("Differs from Redis:", s.Differences),
		headed("On purpose not in the tunnel:", s.Notes), s.verdict(p),
	} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "\n")
}

// headline says who leads and who looks.
func (s Status) headline() string {
	self, leader := s.name(s.Self), s.name(s.Leader)
	switch {
	case s.Self == 0 || len(s.Peers) == 0:
		return ""
	case s.Network == "":
		return fmt.Sprintf("This is node %s.\n", self)
	case s.Leader == 0:
		return fmt.Sprintf("This is node %s, in %s. Who leads is not known.\n", self, s.Network)
	case s.Leader == s.Self:
		return fmt.Sprintf("Node %s, this node, leads %s in %s.\n", self, s.size(), s.Network)
	default:
		return fmt.Sprintf("Node %s leads %s in %s. This is node %s.\n", leader, s.size(), s.Network, self)
	}
}

// size is how many nodes there are.
func (s Status) size() string {
	nodes := 0
	for _, p := range s.Peers {
		if p.ID != 0 {
			nodes++
		}
	}
	return "a cluster of " + count(nodes, "node", "nodes")
}

// name is a node's number, and what people call it.
func (s Status) name(id int) string {
	for _, p := range s.Peers {
		if p.ID == id && p.Name != "" {
			return printable(fmt.Sprintf("%d (%s)", id, p.Name))
		}
	}
	return strconv.Itoa(id)
}

// table has a line for each peer. Only the last column is painted: tabwriter
// would count the colours.
func (s Status) table(p painter) string {
	if len(s.Peers) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tADDRESS\tENDPOINT\tHANDSHAKE\tIN\tOUT\tSTATE")
	for _, peer := range s.Peers {
		fmt.Fprintln(w, strings.Join(s.row(peer, p), "\t"))
	}
	if err := w.Flush(); err != nil {
		return err.Error() // a Builder has none
	}
	return b.String()
}

// Widths beyond which texts of people are cut.
const (
	nameWidth     = 16
	endpointWidth = 24
)

func (s Status) row(peer PeerStatus, p painter) []string {
	label := short(peer.PublicKey, 8)
	if peer.ID != 0 {
		label = short(s.name(peer.ID), nameWidth)
	}
	endpoint := peer.Endpoint
	if endpoint == "" {
		endpoint = short(printable(peer.Configured), endpointWidth)
	}
	handshake, in, out := "-", "-", "-"
	switch peer.State {
	case PeerLocal, PeerHub, PeerMissing, PeerUnknown:
	case PeerUp, PeerStale, PeerNever, PeerFormer, PeerForeign:
		handshake, in, out = age(s.Time, peer.LastHandshake), size(peer.Received), size(peer.Sent)
	}
	return []string{label, dash(strings.TrimSuffix(peer.Address, "/32")), dash(endpoint), handshake, in, out, p.state(peer)}
}

// headed is a list with a heading; empty for an empty one.
func headed(head string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(head + "\n")
	for _, line := range lines {
		b.WriteString("  " + printable(line) + "\n")
	}
	return b.String()
}

// verdict names the problems, or says that there are none.
func (s Status) verdict(p painter) string {
	if s.OK {
		return p.paint(green, "All is well.") + "\n"
	}
	lines := make([]string, len(s.Problems))
	for i, problem := range s.Problems {
		lines[i] = s.who(problem.Node) + problem.Why + "; " + problem.Do
	}
	return headed(p.paint(red, count(len(lines), "problem", "problems")+":"), lines)
}

func (s Status) who(node int) string {
	switch node {
	case 0:
		return ""
	case s.Self:
		return "this node: "
	default:
		return "node " + s.name(node) + ": "
	}
}

// stateWords are the states for a person.
func stateWords(state PeerState) (words, colour string) {
	switch state {
	case PeerLocal:
		return "this node", ""
	case PeerUp:
		return "up", green
	case PeerStale:
		return "stale", red
	case PeerNever:
		return "never", red
	case PeerMissing:
		return "no peer of wg0", red
	case PeerHub:
		return "through the hub", ""
	case PeerFormer:
		return "no node any more", red
	case PeerForeign:
		return "not of the cluster", ""
	case PeerUnknown:
	}
	return "unknown", red
}

// Colours, as ANSI escapes.
const (
	green = "\033[32m"
	red   = "\033[31m"
	plain = "\033[m"
)

type painter struct{ colour bool }

func (p painter) paint(colour, text string) string {
	if !p.colour || colour == "" {
		return text
	}
	return colour + text + plain
}

func (p painter) state(peer PeerStatus) string {
	words, colour := stateWords(peer.State)
	if peer.Leader {
		return p.paint(colour, words) + ", leader"
	}
	return p.paint(colour, words)
}
