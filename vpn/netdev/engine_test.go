package netdev_test

import (
	"os"
	"testing"

	"cluster-agent/vpn/userspace"
	"cluster-agent/vpn/vpntest"
)

// engine is one of those that serve a WireGuard interface.
type engine struct {
	name string
	make func(t *testing.T, link string)
}

// engines are all that this machine has, the one that wg-quick would take first. `make
// test-kernel` runs the tests on a machine whose kernel has WireGuard.
func engines() []engine {
	inAgent := engine{"userspace", func(t *testing.T, link string) {
		t.Helper()
		if err := userspace.Run(t.Context(), userspace.Options{Name: link}); err != nil {
			t.Fatal(err)
		}
	}}
	if _, err := os.Stat("/sys/module/wireguard"); err != nil {
		return []engine{inAgent}
	}
	kernel := engine{"kernel", func(t *testing.T, link string) {
		t.Helper()
		vpntest.Command(t, "ip", "link", "add", link, "type", "wireguard")
	}}
	return []engine{kernel, inAgent}
}
