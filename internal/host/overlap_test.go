package host

import (
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// TestNetworkInUse asks a real kernel, in a network namespace of its own.
func TestNetworkInUse(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	tests := []struct{ prefix, want string }{
		{"10.5.4.0/24", ""},
		{"10.7.9.0/24", "address 10.7.0.1/16 of eth0"},
		{"10.0.0.0/8", "address 10.7.0.1/16 of eth0"},
		{"192.168.77.0/25", "route 192.168.77.0/24 of eth0"},
		{"192.168.78.0/24", ""},
		{"172.16.0.0/12", "route 172.20.0.0/16"},
		{"10.9.9.0/24", ""},
	}
	got, done := make([]string, len(tests)), make(chan error)
	go func() {
		// Not unlocked, so that the thread ends with its namespace.
		runtime.LockOSThread()
		err := inTestNetwork()
		for i := 0; i < len(tests) && err == nil; i++ {
			got[i], err = NetworkInUse(netip.MustParsePrefix(tests[i].prefix))
		}
		done <- err
	}()
	must(t, <-done)
	for i, test := range tests {
		if got[i] != test.want {
			t.Errorf("%s: got %q, want %q", test.prefix, got[i], test.want)
		}
	}
}

// inTestNetwork moves the thread to a new namespace with an interface eth0, with
// an address, routes and a default route, and an interface wg0 with the same.
func inTestNetwork() error {
	ns, err := netns.New()
	if err != nil {
		return err
	}
	if err = ns.Close(); err != nil {
		return err
	}
	eth0 := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "wg0"}
	if err = netlink.LinkAdd(eth0); err != nil {
		return err
	}
	for _, link := range []struct{ name, addr, route string }{
		{"eth0", "10.7.0.1/16", "192.168.77.0/24"},
		{"wg0", "10.9.0.1/16", "192.168.78.0/24"},
	} {
		if err = addNetwork(link.name, link.addr, link.route); err != nil {
			return err
		}
	}
	gateway := &netlink.Route{Gw: net.IPv4(10, 7, 0, 254)}
	if err = netlink.RouteAdd(gateway); err != nil {
		return err
	}
	_, dst, err := net.ParseCIDR("172.20.0.0/16")
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{Dst: dst, Type: 6}) // RTN_BLACKHOLE
}

func addNetwork(name, addr, route string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err = netlink.LinkSetUp(link); err != nil {
		return err
	}
	parsed, err := netlink.ParseAddr(addr)
	if err != nil {
		return err
	}
	if err = netlink.AddrAdd(link, parsed); err != nil {
		return err
	}
	_, dst, err := net.ParseCIDR(route)
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst})
}
