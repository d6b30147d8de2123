package vpn_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"cluster-agent/vpn"
)

// op is one thing that happens in a model. Its operands choose among few values,
// whatever they are: any list of ops makes sense, also a shortened one.
type op struct{ kind, a, b, c byte }

// opSize is how many bytes of a fuzzer's data make an op.
const opSize = 4

func decode(data []byte) []op {
	ops := make([]op, 0, len(data)/opSize)
	for part := range slices.Chunk(data, opSize) {
		if len(part) == opSize {
			ops = append(ops, op{part[0], part[1], part[2], part[3]})
		}
	}
	return ops
}

func pickOf[T any](list []T, n byte) T { return list[int(n)%len(list)] }

// The values that operands choose among. Many of them collide: destinations that
// are endpoints, addresses of other nodes, of hosts, of an administrator's peers.
var (
	someDestinations = []string{
		"192.168.2.10", "192.168.2.11", "192.168.4.10", "198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.9",
		"2001:db8:2::10", "2001:db8:2::11", "10.5.4.2", "10.5.4.3", "172.16.0.2", "::ffff:192.168.4.11",
		"127.0.0.1", "fe80::1", "255.255.255.255", "rubbish", "10.9.9.0/24",
	}
	someEndpoints = []string{
		"", "198.51.100.1:55820", "198.51.100.2:55820", "198.51.100.3:1", "192.168.2.10:55820", "[2001:db8:2::10]:55820", "[::ffff:192.168.4.10]:55820",
		"one.example.com:55820", "two.example.com:55820", "nowhere.example.com:55820",
		"198.51.100.1", "2001:db8:2::11", "10.5.4.2:55820", "10.5.4.4:55820", "x y:1", ":::", "one.example.com",
	}
	someAnswers = []string{
		"198.51.100.1", "198.51.100.2 2001:db8:9::2", "2001:db8:9::1", "192.168.4.10", "2001:db8:2::10 198.51.100.3", "10.5.4.3", "10.5.4.3 198.51.100.3", "",
	}
	someSources = []string{
		"198.51.100.9:1024", "192.168.2.10:1024", "192.168.4.10:7", "10.5.4.3:55820", "[2001:db8:2::10]:1",
	}
	someRubbish  = []string{"", "rubbish", "KEY1", "KEY2", "KEY3", "10.5.4.1", "10.5.4.2", "10.5.4.3", "10.6.0.1", "2001:db8::7", "10.5.4.77"}
	someAllowed  = []string{"172.16.0.2", "172.16.0.0/24", "192.168.2.10", "10.5.4.3", "10.5.4.0/24", "198.51.100.2", "2001:db8:2::10", "0.0.0.0/0"}
	somePauses   = []time.Duration{time.Second, 140 * time.Second, 20 * time.Minute}
	someHostnets = []string{"192.168.2.77/24", "2001:db8:2::77/64", "192.168.4.10/32", "10.5.4.200/24", "10.5.4.3/32"}
	someBesides  = []string{"192.168.2.10", "2001:db8:2::10", "10.5.4.3", "198.51.100.1", "192.168.4.10"}
	someRoutes   = []vpn.Route{
		{Dst: netip.MustParsePrefix("172.17.0.0/16"), Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("172.17.1.1/32"), Protocol: 4, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("192.168.2.10/32"), Protocol: 4, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("192.168.4.10/32"), Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("192.168.2.10/32"), Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink, Metric: 50},
		{Dst: netip.MustParsePrefix("10.5.4.0/24"), Protocol: 4, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("10.5.4.0/24"), Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("2001:db8:2::10/128"), Protocol: 4},
		{Dst: netip.MustParsePrefix("198.51.100.1/32"), Protocol: vpn.RouteProtocol, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("10.5.4.3/32"), Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink},
		{Dst: netip.MustParsePrefix("10.5.4.2/32"), Protocol: 4, Scope: vpn.ScopeLink},
	}
)

// opKind is a kind of ops: how often it comes, and what it does. That returns
// what it has done, for people.
type opKind struct {
	weight int
	do     func(tr *trial, a, b, c byte) string
}

// opKinds are all kinds there are.
func opKinds() []opKind {
	return slices.Concat(recordKinds(), adminKinds(), faultKinds())
}

// recordKinds change what Redis and the name service say.
func recordKinds() []opKind {
	return []opKind{
		{4, func(tr *trial, a, b, c byte) string {
			id := tr.realm.join(pickOf(someEndpoints, b), tr.formerKey(a))
			if id == 0 {
				return ""
			}
			tr.joined(id)
			tr.realm.changeDestination(id, pickOf(someDestinations, c), true)
			return fmt.Sprintf("node %d joins with key%d: %v", id, tr.realm.keys[id], tr.realm.records[id])
		}},
		{3, func(tr *trial, a, _, _ byte) string {
			id := tr.node(a)
			if len(tr.realm.records) < 3 || id == tr.self && a < 200 || id == tr.realm.leader && a < 240 {
				return ""
			}
			delete(tr.realm.records, id)
			return fmt.Sprintf("node %d is removed", id)
		}},
		{3, func(tr *trial, a, _, _ byte) string {
			tr.realm.leader, tr.realm.candidate, tr.realm.behind = tr.node(a), 0, nil
			return fmt.Sprintf("node %d leads", tr.realm.leader)
		}},
		{2, func(tr *trial, a, _, _ byte) string {
			tr.realm.candidate, tr.realm.behind = tr.node(a), nil
			return fmt.Sprintf("node %d is to lead", tr.realm.candidate)
		}},
		{2, func(tr *trial, a, b, _ byte) string {
			if tr.realm.candidate == 0 {
				return ""
			}
			tr.realm.leader, tr.realm.candidate = tr.realm.candidate, 0
			tr.realm.behind = []int{tr.node(a), tr.node(b)}
			return fmt.Sprintf("node %d leads, behind are %v", tr.realm.leader, tr.realm.behind)
		}},
		{6, func(tr *trial, a, b, c byte) string {
			id, destination := tr.node(a), pickOf(someDestinations, b)
			tr.realm.changeDestination(id, destination, c%3 > 0)
			return fmt.Sprintf("destination %s of node %d: %v", destination, id, c%3 > 0)
		}},
		{6, func(tr *trial, a, b, _ byte) string {
			id := tr.node(a)
			tr.realm.records[id]["endpoint"] = pickOf(someEndpoints, b)
			return fmt.Sprintf("endpoint of node %d: %q", id, tr.realm.records[id]["endpoint"])
		}},
		{4, func(tr *trial, a, b, _ byte) string {
			name := pickOf([]string{"one.example.com", "two.example.com"}, a)
			tr.realm.names[name] = nil
			for text := range strings.FieldsSeq(pickOf(someAnswers, b)) {
				tr.realm.names[name] = append(tr.realm.names[name], addr(text))
			}
			return fmt.Sprintf("%s is at %v", name, tr.realm.names[name])
		}},
		{3, func(tr *trial, a, b, c byte) string {
			id, field := tr.node(a), pickOf([]string{"public_key", "ip_address"}, c)
			tr.realm.records[id][field] = readKeys(pickOf(someRubbish, b))
			return fmt.Sprintf("%s of node %d: %q", field, id, pickOf(someRubbish, b))
		}},
		{4, func(tr *trial, a, _, _ byte) string {
			tr.realm.mend(tr.node(a))
			return fmt.Sprintf("key and address of node %d are right", tr.node(a))
		}},
		{1, func(tr *trial, a, _, _ byte) string {
			tr.realm.lost = a%2 == 0
			return fmt.Sprintf("no cluster/network: %v", tr.realm.lost)
		}},
	}
}

// readKeys puts keys in the place of their names.
func readKeys(text string) string { return string(withKeys(text)) }

// adminKinds are what an administrator does on the host, and what else comes
// about there that is no fault.
func adminKinds() []opKind {
	return []opKind{
		{3, func(tr *trial, a, b, c byte) string {
			p := vpn.Peer{Key: key(20 + int(a)%2), AllowedIPs: prefixes(pickOf(someAllowed, b))}
			if c%3 > 0 {
				p.Endpoint = addrPort(pickOf(someSources, c))
			}
			tr.host.setPeer(p)
			return fmt.Sprintf("an administrator's peer %v: at %v, %v", 20+int(a)%2, p.Endpoint, p.AllowedIPs)
		}},
		{1, func(tr *trial, a, _, _ byte) string {
			tr.host.removePeer(key(20 + int(a)%2))
			return fmt.Sprintf("the administrator's peer %d is removed", 20+int(a)%2)
		}},
		{4, func(tr *trial, a, b, _ byte) string {
			r := pickOf(someRoutes, a)
			if b%4 == 0 {
				tr.host.removeRoute(r)
				return fmt.Sprintf("route removed: %v", r)
			}
			tr.host.setRoute(r)
			return fmt.Sprintf("somebody's route: %v", r)
		}},
		{2, func(tr *trial, a, b, _ byte) string {
			address := netip.MustParsePrefix(pickOf([]string{"172.16.0.1/32", "fd00::1/128"}, a))
			tr.host.setAddress(address, b%2 == 0)
			return fmt.Sprintf("address %v on the interface: %v", address, b%2 == 0)
		}},
		{3, func(tr *trial, a, b, _ byte) string {
			address := netip.MustParsePrefix(pickOf(someHostnets, a))
			if tr.noNetwork {
				return ""
			}
			tr.host.setLAN(address, b%2 == 0)
			return fmt.Sprintf("address %v on another interface: %v", address, b%2 == 0)
		}},
		{3, func(tr *trial, a, b, _ byte) string {
			dst := addr(pickOf(someBesides, a))
			if tr.noNetwork {
				return ""
			}
			tr.host.setBeside(dst, b%2 == 0)
			return fmt.Sprintf("route for %v through another interface: %v", dst, b%2 == 0)
		}},
		{12, func(tr *trial, a, b, _ byte) string {
			from := addrPort(pickOf(someSources, b))
			number := tr.realm.keys[tr.node(a)]
			tr.host.heard(key(number), from)
			return fmt.Sprintf("key%d is heard of from %v", number, from)
		}},
		{6, func(tr *trial, a, _, _ byte) string {
			tr.host.pass(pickOf(somePauses, a))
			return fmt.Sprintf("%v passes", pickOf(somePauses, a))
		}},
		{2, func(tr *trial, _, _, _ byte) string {
			tr.startAgent()
			return "the agent starts anew"
		}},
		{2, func(tr *trial, a, _, _ byte) string {
			tr.deed = pickOf([]deed{silence, speak}, a)
			return fmt.Sprintf("deed %d", tr.deed)
		}},
		{2, func(tr *trial, a, _, _ byte) string { return tr.editFile(pickOf(fileEdits(), a)) }},
	}
}

// faultKinds are faults, which a run repairs or bears.
func faultKinds() []opKind {
	return []opKind{
		{2, func(tr *trial, _, _, _ byte) string { tr.host.quickDown(); return "the interface is deleted" }},
		{1, func(tr *trial, _, _, _ byte) string { tr.host.linkDown(); return "the interface is set down" }},
		{1, func(tr *trial, _, _, _ byte) string { tr.host.quickSave(); return "wg-quick save" }},
		{3, func(tr *trial, a, _, _ byte) string {
			number := 1 + int(a)%mostNodes
			tr.host.removePeer(key(number))
			return fmt.Sprintf("peer key%d is lost", number)
		}},
		{3, func(tr *trial, a, b, c byte) string {
			number := 1 + int(a)%mostNodes
			p := vpn.Peer{Key: key(number), AllowedIPs: prefixes(pickOf(someAllowed, b))}
			if c%2 == 0 {
				p.Endpoint = addrPort(pickOf(someSources, c))
			}
			tr.host.setPeer(p)
			return fmt.Sprintf("somebody gives key%d endpoint %v and %v", number, p.Endpoint, p.AllowedIPs)
		}},
		{3, func(tr *trial, a, _, _ byte) string {
			routes := tr.state().Routes
			if len(routes) == 0 {
				return ""
			}
			tr.host.removeRoute(pickOf(routes, a))
			return fmt.Sprintf("route lost: %v", pickOf(routes, a))
		}},
		{2, func(tr *trial, _, _, _ byte) string {
			tr.noNetwork = true
			tr.host.setNetwork(false)
			return "the host has no network"
		}},
		{3, func(tr *trial, _, _, _ byte) string {
			tr.noNetwork = false
			tr.host.setNetwork(true)
			return "the host has a network"
		}},
		{10, func(tr *trial, a, b, _ byte) string {
			if a%2 == 0 { // switched off in the middle
				tr.dev.lost = func(change int) bool { return change >= int(b)%12 }
				return fmt.Sprintf("only the first %d changes of the next run are made", int(b)%12)
			}
			tr.dev.lost = func(change int) bool { return b>>(change%8)&1 == 1 }
			return fmt.Sprintf("changes of the next run are refused by the mask %08b", b)
		}},
		{1, func(tr *trial, a, _, _ byte) string {
			tr.memory.failing = 1 + int(a)%3
			return fmt.Sprintf("reading (1) or writing (2) of what is remembered fails: %d", tr.memory.failing)
		}},
		{1, func(tr *trial, _, _, _ byte) string {
			tr.memory.keys, tr.learned = nil, vpn.NewKeys()
			return "what is remembered is lost"
		}},
		{1, func(tr *trial, _, _, _ byte) string {
			tr.unreadable = true
			return "the records cannot be read"
		}},
	}
}
