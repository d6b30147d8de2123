package vpn_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
	"cluster-agent/vpn/userspace"
	"cluster-agent/vpn/vpntest"
)

const realConf = "/etc/wireguard/wg0.conf"

// realHost is a host of the model in a network namespace, with wg-quick and the
// WireGuard of the kernel, or an engine where the kernel has none.
type realHost struct {
	*netdev.Device
	t      *testing.T
	engine string
	later  time.Duration // how far its clock has been put forward
}

func newRealHost(t *testing.T) *realHost {
	t.Helper()
	d, err := netdev.Open("wg0")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &realHost{Device: d, t: t, engine: filepath.Join(t.TempDir(), userspace.Name)}
	if err = os.Symlink(binary, h.engine); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.quickDown()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// reset makes the host what it was in the beginning.
func (h *realHost) reset() {
	h.quickDown()
	h.later = 0
	for _, line := range []string{"address flush dev eth0", "route flush dev eth0", "-6 route flush dev eth0"} {
		h.ip(line)
	}
	h.setNetwork(true)
}

// State leaves out the link-local address of the interface: the kernel makes it,
// and each time another one.
func (h *realHost) State(ctx context.Context) (vpn.State, error) {
	s, err := h.Device.State(ctx)
	s.Time = s.Time.Add(h.later)
	s.Addresses = slices.DeleteFunc(s.Addresses, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
	s.Routes = slices.DeleteFunc(s.Routes, func(r vpn.Route) bool { return r.Dst.Addr().IsLinkLocalUnicast() })
	return s, err
}

// ip runs ip(8). What fails was not possible, as to remove what is not there.
func (h *realHost) ip(line string) {
	if out, err := exec.CommandContext(context.WithoutCancel(h.t.Context()), "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		h.t.Logf("ip %s: %v: %s", line, err, out)
	}
}

func (h *realHost) quick(ctx context.Context, what string) error {
	cmd := exec.CommandContext(ctx, "wg-quick", what, "wg0")
	cmd.Env = append(os.Environ(), "WG_QUICK_USERSPACE_IMPLEMENTATION="+h.engine)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("wg-quick %s: %w\n%s", what, err, out)
	}
	return nil
}

func (h *realHost) quickUp(ctx context.Context) error { return h.quick(ctx, "up") }

func (h *realHost) quickSave() {
	if err := h.quick(h.t.Context(), "save"); err != nil {
		h.t.Log(err)
	}
}

func (h *realHost) quickDown() {
	h.ip("link delete wg0")
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for range poll.C { // an engine ends after its interface
		if _, err := os.Stat("/run/wireguard/wg0.sock"); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
}

func (h *realHost) linkDown() { h.ip("link set wg0 down") }

// configure changes peers as wg set does.
func (h *realHost) configure(p wgtypes.PeerConfig) {
	client, err := wgctrl.New()
	if err != nil {
		h.t.Fatal(err)
	}
	defer client.Close()
	err = client.ConfigureDevice("wg0", wgtypes.Config{Peers: []wgtypes.PeerConfig{p}})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
}

func (h *realHost) setPeer(p vpn.Peer) {
	c := wgtypes.PeerConfig{PublicKey: p.Key, ReplaceAllowedIPs: true, PersistentKeepaliveInterval: &p.Keepalive}
	if p.Endpoint.IsValid() {
		c.Endpoint = net.UDPAddrFromAddrPort(p.Endpoint)
	}
	for _, ip := range p.AllowedIPs {
		c.AllowedIPs = append(c.AllowedIPs, *ipNet(ip))
	}
	h.configure(c)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func (h *realHost) removePeer(key wgtypes.Key) {
	h.configure(wgtypes.PeerConfig{PublicKey: key, Remove: true, UpdateOnly: true})
}

// heard moves the peer's endpoint, as its packets do. There is no handshake.
func (h *realHost) heard(key wgtypes.Key, from netip.AddrPort) {
	h.configure(wgtypes.PeerConfig{PublicKey: key, UpdateOnly: true, Endpoint: net.UDPAddrFromAddrPort(from)})
}

func (h *realHost) setRoute(r vpn.Route) { h.route("wg0", r, netlink.RouteReplace) }

func (h *realHost) removeRoute(r vpn.Route) {
	for _, have := range h.state().Routes {
		if sameRoute(have, asShown(r)) {
			h.route("wg0", have, netlink.RouteDel)
		}
	}
}

func (h *realHost) state() vpn.State {
	s, err := h.State(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// route changes a route of a link, if there is that link and it is up.
func (h *realHost) route(name string, r vpn.Route, change func(*netlink.Route) error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return
	}
	err = change(&netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: ipNet(r.Dst), Priority: r.Metric, Table: unix.RT_TABLE_MAIN,
		Protocol: netlink.RouteProtocol(r.Protocol), Scope: netlink.Scope(r.Scope),
	})
	if err != nil {
		h.t.Logf("change route %v of %s: %v", r, name, err)
	}
}

func verb(there bool) string {
	if there {
		return "replace"
	}
	return "delete"
}

func (h *realHost) setAddress(a netip.Prefix, there bool) {
	h.ip(fmt.Sprintf("address %s %v dev wg0 noprefixroute", verb(there), a))
}

func (h *realHost) pass(d time.Duration) { h.later += d }

func (h *realHost) setNetwork(there bool) {
	if !there {
		h.ip("address flush dev eth0")
		return
	}
	for _, a := range lanOfHost {
		h.setLAN(a, true)
	}
}

func (h *realHost) setLAN(a netip.Prefix, there bool) {
	line := fmt.Sprintf("address %s %v dev eth0", verb(there), a)
	if a.Addr().Is6() {
		line += " nodad"
	}
	h.ip(line)
}

func (h *realHost) setBeside(dst netip.Addr, there bool) {
	r := vpn.Route{Dst: netip.PrefixFrom(dst, dst.BitLen()), Protocol: vpn.ProtocolBoot, Scope: vpn.ScopeLink}
	if there {
		h.route("eth0", r, netlink.RouteReplace)
	} else {
		h.route("eth0", r, netlink.RouteDel)
	}
}

// TestModelOnRealHost lets the same happen to a real host, with the WireGuard that
// wg-quick finds there.
func TestModelOnRealHost(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, os.Getenv("CI") == "true", "wg", "wg-quick", "bash") {
		return
	}
	h := newRealHost(t)
	first := setting(t, "MODEL_SEED", 0)
	for i := range setting(t, "MODEL_REAL", 6) {
		seed := first + i
		m := model{self: 1 + seed%views, adopted: seed%2 == 1, conf: realConf, host: func() modelHost { h.reset(); return h }}
		if !m.try(t, decode(sequence(uint64(seed)))) {
			t.Fatalf("again: MODEL_REAL=1 MODEL_SEED=%d go test ./vpn -run TestModelOnRealHost", seed)
		}
	}
}
