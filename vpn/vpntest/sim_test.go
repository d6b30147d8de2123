package vpntest_test

import (
	"net/netip"
	"testing"
	"time"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

type simHost struct{ *vpntest.Sim }

func (h simHost) QuickRoute(_ *testing.T, dst netip.Prefix) {
	h.Change(func(s *vpn.State) {
		r := vpn.Route{Dst: dst, Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink}
		if dst.Addr().Is6() {
			r.Scope, r.Metric = 0, 1024
		}
		s.Routes = append(s.Routes, r)
	})
}

func TestSimConforms(t *testing.T) {
	t.Parallel()
	vpntest.Conformance(t, func(*testing.T) vpntest.Host {
		return simHost{vpntest.NewSim(vpn.State{
			Time: time.Unix(1_700_000_000, 0), Exists: true, Up: true, PublicKey: vpntest.Key(1000),
			Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		})}
	})
}
