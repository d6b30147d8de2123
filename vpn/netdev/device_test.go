package netdev_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
	"cluster-agent/vpn/userspace"
	"cluster-agent/vpn/vpntest"
)

// TestMain lets the test binary be the engine that it starts.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == userspace.Name {
		os.Exit(userspace.Main(context.Background(), os.Args[1:], os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

func mustRun() bool { return os.Getenv("CI") == "true" }

type realHost struct{ *netdev.Device }

func (realHost) QuickRoute(t *testing.T, dst netip.Prefix) {
	t.Helper()
	family := "-4"
	if dst.Addr().Is6() {
		family = "-6"
	}
	vpntest.Command(t, "ip", family, "route", "add", dst.String(), "dev", "wg0")
}

// newHost returns a host with wg0.
func (e engine) newHost(t *testing.T) vpntest.Host {
	t.Helper()
	e.make(t, "wg0")
	setKey(t)
	vpntest.Command(t, "ip", "link", "set", "wg0", "up")
	d, err := netdev.Open("wg0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		vpntest.Command(t, "ip", "link", "delete", "wg0")
		waitGone(t, "/run/wireguard/wg0.sock")
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return realHost{d}
}

func setKey(t *testing.T) {
	t.Helper()
	client, err := wgctrl.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ConfigureDevice("wg0", wgtypes.Config{PrivateKey: &key}); err != nil {
		t.Fatal(err)
	}
}

// waitGone waits for the engine to remove its socket.
func waitGone(t *testing.T, path string) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(5 * time.Second)
	for {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("%s is still there", path)
		}
	}
}

func TestDeviceConforms(t *testing.T) { //nolint:tparallel // see below
	t.Parallel()
	if !vpntest.InNamespace(t, mustRun()) {
		return
	}
	for _, e := range engines() { //nolint:paralleltest // one after the other: both make wg0
		t.Run(e.name, func(t *testing.T) { vpntest.Conformance(t, e.newHost) })
	}
}

func TestStateOfHost(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, mustRun()) {
		return
	}
	d, err := netdev.Open("wg0")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Exists || s.Up || !s.HasNetwork() {
		t.Errorf("without the interface: exists %v, up %v, network %v", s.Exists, s.Up, s.HasNetwork())
	}
	if err = d.Apply(t.Context(), vpn.Plan{LinkUp: true}); err == nil {
		t.Error("no error from a change of an interface that does not exist")
	}
	vpntest.Command(t, "ip", "route", "add", "198.51.100.7/32", "dev", "eth0")
	vpntest.Command(t, "ip", "address", "add", "192.0.2.1", "peer", "192.0.2.99", "dev", "eth0")
	if s, err = d.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	contains(t, "networks", s.Networks, "203.0.113.0/24", "2001:db8:1::/64", "192.0.2.99/32")
	contains(t, "host routes", s.HostRoutes, "198.51.100.7/32")

	vpntest.Command(t, "ip", "address", "flush", "dev", "eth0")
	if s, err = d.State(t.Context()); err != nil || s.HasNetwork() {
		t.Errorf("loopback and link-local count as a network: %v, %v", s.Networks, err)
	}
}

func contains(t *testing.T, what string, have []netip.Prefix, want ...string) {
	t.Helper()
	in := make(map[string]bool)
	for _, p := range have {
		in[p.String()] = true
	}
	for _, p := range want {
		if !in[p] {
			t.Errorf("%s: %v lack %s", what, have, p)
		}
	}
}
