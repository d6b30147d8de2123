package netdev_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
	"cluster-agent/vpn/userspace"
	"cluster-agent/vpn/vpntest"
)

const confPath = "/etc/wireguard/wg0.conf"

// quick runs wg-quick with this test binary as the engine.
func quick(ctx context.Context, t *testing.T, args ...string) {
	t.Helper()
	engine := filepath.Join(t.TempDir(), userspace.Name)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err = os.Symlink(binary, engine); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "wg-quick", args...)
	cmd.Env = append(os.Environ(), "WG_QUICK_USERSPACE_IMPLEMENTATION="+engine)
	out, err := cmd.CombinedOutput() // ends only if the engine has let go of the pipe
	if err != nil {
		t.Fatalf("wg-quick %v: %v\n%s", args, err, out)
	}
}

func addrOf(id int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("10.5.4.%d", id)) }

// quickCluster is a hub with a worker in the same local network and a
// destination in it.
func quickCluster() vpn.Cluster {
	return vpn.Cluster{Self: 1, Leader: 1, Network: netip.MustParsePrefix("10.5.4.0/24"), Nodes: []vpn.Node{
		{ID: 1, PublicKey: privateKey().PublicKey(), Address: addrOf(1), Endpoint: "203.0.113.2:55820"},
		{ID: 2, PublicKey: vpntest.Key(2), Address: addrOf(2), Destinations: []netip.Addr{
			netip.MustParseAddr("203.0.113.50"), netip.MustParseAddr("192.168.2.10"), netip.MustParseAddr("2001:db8:2::10"),
		}},
		{ID: 3, PublicKey: vpntest.Key(3), Address: addrOf(3), Endpoint: "[2001:db8:1::3]:55820"},
	}}
}

func privateKey() wgtypes.Key { return wgtypes.Key{1: 7} }

func newReconciler(t *testing.T, d vpn.Device, c *vpn.Cluster) *vpn.Reconciler {
	t.Helper()
	return &vpn.Reconciler{
		Device:     d,
		Resolver:   vpntest.Names{},
		Cluster:    func(context.Context) (vpn.Cluster, []vpn.Warning, error) { return *c, nil, nil },
		ConfPath:   confPath,
		PrivateKey: func() (wgtypes.Key, error) { return privateKey(), nil },
		Up:         func(ctx context.Context) error { quick(ctx, t, "up", "wg0"); return nil },
	}
}

func apply(t *testing.T, r *vpn.Reconciler) vpn.Report {
	t.Helper()
	report, err := r.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// shown is the state as far as it can be the same after down and up.
func shown(t *testing.T, d vpn.Device) string {
	t.Helper()
	s, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The kernel gives each new interface another link-local address.
	s.Addresses = slices.DeleteFunc(s.Addresses, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
	lines := make([]string, 0, 1+len(s.Peers)+len(s.Routes))
	lines = append(lines, fmt.Sprint(s.Exists, s.Up, s.PublicKey, s.ListenPort, s.Addresses))
	for _, p := range s.Peers {
		lines = append(lines, fmt.Sprint(p.Key, p.Endpoint, p.AllowedIPs, p.Keepalive))
	}
	for _, r := range s.Routes {
		lines = append(lines, "route "+r.Dst.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// quickDevice is wg0 in a network of its own, where wg-quick can make it; nil: the test
// runs there, in another process.
func quickDevice(t *testing.T) *netdev.Device {
	t.Helper()
	if !vpntest.InNamespace(t, mustRun(), "wg", "wg-quick", "bash") {
		return nil
	}
	d, err := netdev.Open("wg0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestWithQuick: the file this package writes is one that wg-quick lives with,
// and the other way round.
func TestWithQuick(t *testing.T) {
	t.Parallel()
	d := quickDevice(t)
	if d == nil {
		return
	}
	c := quickCluster()
	r := newReconciler(t, d, &c)

	if report := apply(t, r); !report.Upped || !report.Saved {
		t.Errorf("first run: %+v", report)
	}
	state := shown(t, d)
	for _, line := range []string{"route 10.5.4.2/32", "route 192.168.2.10/32", "route 2001:db8:2::10/128", "[2001:db8:1::3]:55820"} {
		if !strings.Contains(state, line) {
			t.Errorf("%q is not in\n%s", line, state)
		}
	}
	if strings.Contains(state, "route 203.0.113.50") {
		t.Errorf("routed into the tunnel, though reached directly:\n%s", state)
	}
	if report := apply(t, r); report.Changed() {
		t.Errorf("second run: saved %v, plan\n%v", report.Saved, report.Plan)
	}
	quick(t.Context(), t, "strip", "wg0")

	for _, step := range []struct {
		name string
		do   func()
	}{
		{"down and up", func() {
			quick(t.Context(), t, "down", "wg0")
			quick(t.Context(), t, "up", "wg0")
		}},
		{"save", func() { quick(t.Context(), t, "save", "wg0") }},
		{"save, down and up", func() {
			quick(t.Context(), t, "save", "wg0")
			quick(t.Context(), t, "down", "wg0")
			quick(t.Context(), t, "up", "wg0")
		}},
		{"reload", func() { vpntest.Command(t, "bash", "-c", "wg syncconf wg0 <(wg-quick strip wg0)") }},
		{"deleted", func() {
			vpntest.Command(t, "ip", "link", "delete", "wg0")
			apply(t, r)
		}},
	} {
		step.do()
		if after := shown(t, d); after != state {
			t.Errorf("after %s:\n%s\nwant:\n%s", step.name, after, state)
		}
		apply(t, r)
		if report := apply(t, r); report.Changed() {
			t.Errorf("after %s, a second run: saved %v, plan\n%v", step.name, report.Saved, report.Plan)
		}
	}
}

// TestAdministrator: what an administrator puts beside the cluster's survives.
func TestAdministrator(t *testing.T) {
	t.Parallel()
	d := quickDevice(t)
	if d == nil {
		return
	}
	c := quickCluster()
	r := newReconciler(t, d, &c)
	apply(t, r)
	quick(t.Context(), t, "down", "wg0")

	laptop := vpntest.Key(9).String()
	conf, err := os.ReadFile(confPath)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(conf), "[Interface]\n", "[Interface]\nMTU = 1300\nPostUp = ip address add 172.16.0.1/32 dev %i\n", 1)
	text += "# my laptop\n[Peer]\nPublicKey = " + laptop + "\nPresharedKey = " + laptop + "\nAllowedIPs = 172.16.0.2/32\n"
	if err = os.WriteFile(confPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	quick(t.Context(), t, "up", "wg0")
	vpntest.Command(t, "ip", "route", "add", "172.17.0.0/16", "dev", "wg0")

	c.Nodes = c.Nodes[:2] // node 3 is removed
	apply(t, r)
	shows := vpntest.Command(t, "wg", "show", "wg0", "dump") + vpntest.Command(t, "ip", "route", "show", "dev", "wg0") +
		vpntest.Command(t, "ip", "address", "show", "dev", "wg0")
	for _, want := range []string{laptop + "\t" + laptop, "172.16.0.2 ", "172.17.0.0/16", "mtu 1300", "172.16.0.1/32", "10.5.4.2 "} {
		if !strings.Contains(shows, want) {
			t.Errorf("%q is gone:\n%s", want, shows)
		}
	}
	if strings.Contains(shows, vpntest.Key(3).String()) || strings.Contains(shows, "10.5.4.3") {
		t.Errorf("the removed node is still there:\n%s", shows)
	}
	if conf, err = os.ReadFile(confPath); err != nil || !strings.Contains(string(conf), "# my laptop\n[Peer]\nPublicKey = "+laptop) {
		t.Errorf("file: %v\n%s", err, conf)
	}
}

// TestHostRoute: wg-quick brings the interface up also where the host has another
// route for what is behind a node.
func TestHostRoute(t *testing.T) {
	t.Parallel()
	d := quickDevice(t)
	if d == nil {
		return
	}
	vpntest.Command(t, "ip", "route", "add", "192.168.2.10/32", "dev", "eth0")
	vpntest.Command(t, "ip", "route", "add", "2001:db8:2::10/128", "dev", "eth0")
	c := quickCluster()
	apply(t, newReconciler(t, d, &c))
	state := shown(t, d)
	quick(t.Context(), t, "down", "wg0")
	quick(t.Context(), t, "up", "wg0")
	if after := shown(t, d); after != state {
		t.Errorf("after down and up:\n%s\nwant:\n%s", after, state)
	}
}

// TestNoNetwork is hazard 3 on a real host.
func TestNoNetwork(t *testing.T) {
	t.Parallel()
	d := quickDevice(t)
	if d == nil {
		return
	}
	vpntest.Command(t, "ip", "address", "flush", "dev", "eth0")
	c := quickCluster()
	r := newReconciler(t, d, &c)
	if _, err := r.Apply(t.Context()); !errors.Is(err, vpn.ErrNoNetwork) {
		t.Errorf("without network: %v", err)
	}
	vpntest.Command(t, "ip", "address", "add", "203.0.113.2/24", "dev", "eth0")
	if report := apply(t, r); !report.Upped {
		t.Errorf("with network: %+v", report)
	}
}
