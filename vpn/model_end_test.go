package vpn_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// checkClean compares what there is after a run that nothing has disturbed with
// what the oracle says.
func (tr *trial) checkClean(sc scene, report vpn.Report) error {
	after := tr.state()
	for what, spot := range tr.inTunnel(sc, after, false) {
		return fmt.Errorf("an endpoint is in the tunnel: %v by %s", spot, readable(what))
	}
	if tr.realm.candidate != 0 || tr.realm.behind != nil {
		return nil // a switch is under way
	}
	v := tr.verdict(sc)
	return errors.Join(
		tr.checkPeers(sc, after, v), checkRoutes(tr.self, after, v), checkWarnings(report, v), tr.checkInterface(after, v), tr.checkFile(sc, after, v))
}

func (tr *trial) checkInterface(after vpn.State, v verdict) error {
	own := slices.ContainsFunc(after.Addresses, func(p netip.Prefix) bool { return p.Addr() == v.address })
	if !after.Exists || !after.Up || v.address.IsValid() && !own {
		return fmt.Errorf("the interface: exists %v, up %v, addresses %v, want %v", after.Exists, after.Up, after.Addresses, v.address)
	}
	return nil
}

func (tr *trial) checkPeers(sc scene, after vpn.State, v verdict) error {
	var errs []error
	for k, want := range v.allowed {
		p, ok := after.Peer(k)
		if !ok {
			errs = append(errs, fmt.Errorf("peer %s is missing", readable(k.String())))
			continue
		}
		if have := singles(p.AllowedIPs); !slices.Equal(have, want) || p.Keepalive != vpn.Keepalive {
			errs = append(errs, fmt.Errorf("peer %s has %v every %v, want %v", readable(k.String()), p.AllowedIPs, p.Keepalive, want))
		}
		if network.Contains(p.Endpoint.Addr()) {
			errs = append(errs, fmt.Errorf("peer %s is inside the cluster network: %v", readable(k.String()), p.Endpoint))
		}
		if reach := v.reach[k]; len(reach) > 0 && !after.Fresh(p) && !slices.Contains(reach, p.Endpoint) {
			errs = append(errs, fmt.Errorf("peer %s is at %v, want one of %v", readable(k.String()), p.Endpoint, reach))
		}
	}
	for _, p := range after.Peers {
		if _, wanted := v.allowed[p.Key]; !wanted && (sc.known.Has(p.Key) || p.Key == vpn.ScratchKey()) {
			errs = append(errs, fmt.Errorf("peer %s of a node that is none is left", readable(p.Key.String())))
		}
	}
	return errors.Join(errs...)
}

// singles returns the addresses of prefixes; one that is no single address gives
// an invalid one, which nobody wants.
func singles(list []netip.Prefix) []netip.Addr {
	out := make([]netip.Addr, 0, len(list))
	for _, p := range list {
		if p.IsSingleIP() {
			out = append(out, p.Addr())
		} else {
			out = append(out, netip.Addr{})
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func checkRoutes(self int, after vpn.State, v verdict) error {
	var errs []error
	there := make(map[netip.Prefix]bool)
	for _, r := range after.Routes {
		there[r.Dst] = true
		owner, owned := v.owned[r.Dst.Addr()]
		owned = owned && owner != self // that one an administrator's peer may have
		made := r.Protocol == vpn.RouteProtocol || r.Protocol == vpn.ProtocolBoot && owned && r.Dst.IsSingleIP()
		if made && (!r.Dst.IsSingleIP() || !v.routes[r.Dst.Addr()]) {
			errs = append(errs, fmt.Errorf("route %v is left", r))
		}
	}
	for a, routed := range v.routes {
		if routed && !there[netip.PrefixFrom(a, a.BitLen())] {
			errs = append(errs, fmt.Errorf("a route to %v is missing", a))
		}
	}
	return errors.Join(errs...)
}

// checkWarnings: whatever is wrong with a record is said, with the node's name.
func checkWarnings(report vpn.Report, v verdict) error {
	var errs []error
	for id, word := range v.bad {
		named := slices.ContainsFunc(report.Warnings, func(w vpn.Warning) bool {
			return w.Node == id && strings.Contains(w.Text, word)
		})
		if !named {
			errs = append(errs, fmt.Errorf("no warning of node %d names %q: %v", id, word, report.Warnings))
		}
	}
	return errors.Join(errs...)
}

// checkFile lets wg-quick bring up the interface on another host like this one, by
// what the file says of the cluster.
func (tr *trial) checkFile(sc scene, after vpn.State, v verdict) error {
	twin := vpntest.NewSim(vpn.State{
		Networks: after.Networks, HostRoutes: after.HostRoutes,
		Host: slices.DeleteFunc(slices.Clone(after.Host), func(a netip.Addr) bool {
			return slices.ContainsFunc(after.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
		}),
	})
	ours, others := splitFile(tr.file(), sc.known)
	if err := twin.QuickUp([]byte(ours)); err != nil {
		return fmt.Errorf("wg-quick refuses the file: %w\n%s", err, tr.file())
	}
	again, err := twin.State(tr.ctx)
	if err != nil {
		return err
	}
	var errs []error
	for what, spot := range tr.inTunnel(sc, asOurs(again, v), false) {
		errs = append(errs, fmt.Errorf("by the file, an endpoint is in the tunnel: %v by %s", spot, readable(what)))
	}
	for k, want := range v.allowed {
		p, ok := again.Peer(k)
		if !ok || !slices.Equal(singles(p.AllowedIPs), want) || p.Keepalive != vpn.Keepalive {
			errs = append(errs, fmt.Errorf("the file gives peer %s %v, want %v", readable(k.String()), p.AllowedIPs, want))
		}
		if reach := v.reach[k]; len(reach) > 0 && !slices.Contains(reach, p.Endpoint) {
			errs = append(errs, fmt.Errorf("the file has peer %s at %v, want one of %v", readable(k.String()), p.Endpoint, reach))
		}
	}
	for a, id := range v.owned {
		routed := slices.ContainsFunc(again.Routes, func(r vpn.Route) bool { return r.Dst.IsSingleIP() && r.Dst.Addr() == a })
		if routed != v.routes[a] {
			errs = append(errs, fmt.Errorf("the file routes %v: %v, want %v", a, routed, v.routes[a]))
		}
		if id != tr.self && v.routes[a] && network.Contains(a) && slices.Contains(others, netip.PrefixFrom(a, a.BitLen())) {
			errs = append(errs, fmt.Errorf("the file gives %v also to a peer that is no node", a))
		}
	}
	if err = errors.Join(errs...); err != nil {
		return fmt.Errorf("%w\n%s", err, readable(tr.file()))
	}
	return nil
}

// splitFile returns the file without the peers that are no nodes, and the allowed
// IPs of those.
func splitFile(text string, known vpn.Keys) (string, []netip.Prefix) {
	var ours strings.Builder
	var others []netip.Prefix
	for i, part := range strings.Split(text, "[Peer]") {
		peers := vpn.ParseConf([]byte("[Peer]" + part)).Peers()
		if i > 0 && len(peers) > 0 && !known.Has(peers[0].Key) {
			others = append(others, peers[0].AllowedIPs...)
			continue
		}
		if i > 0 {
			ours.WriteString("[Peer]")
		}
		ours.WriteString(part)
	}
	return ours.String(), others
}

// asOurs gives the routes that wg-quick made for nodes our protocol number.
func asOurs(s vpn.State, v verdict) vpn.State {
	for i := range s.Routes {
		if _, owned := v.owned[s.Routes[i].Dst.Addr()]; owned {
			s.Routes[i].Protocol = vpn.RouteProtocol
		}
	}
	return s
}
