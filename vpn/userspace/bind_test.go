package userspace

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"cluster-agent/vpn/vpntest"
)

// Packets to peers at IPv4 and IPv6 addresses in turn reach each its own peer.
func TestBindOfBothFamilies(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, os.Getenv("CI") == "true") {
		return
	}
	addresses := []string{"127.0.0.1", "2001:db8:7::1", "127.0.0.2", "2001:db8:7::2", "2001:db8:7::3"}
	for _, address := range addresses {
		if netip.MustParseAddr(address).Is6() {
			vpntest.Command(t, "ip", "-6", "address", "add", address+"/128", "dev", "lo", "nodad")
		}
	}
	b, err := newBind()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 2 { // the engine opens its sockets again when its port changes
		if _, _, err = b.Open(0); err != nil {
			t.Fatal(err)
		}
		for i, c := range sendInTurn(t, b, addresses) {
			checkReceived(t, c, addresses[i])
		}
		if err = b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

const rounds = 50

// sendInTurn sends packets to the addresses, each with the address in it, and returns
// the sockets that listen there.
func sendInTurn(t *testing.T, b *bind, addresses []string) []net.PacketConn {
	t.Helper()
	sockets := make([]net.PacketConn, len(addresses))
	peers := make([]conn.Endpoint, len(addresses))
	for i, address := range addresses {
		var err error
		if sockets[i], err = new(net.ListenConfig).ListenPacket(t.Context(), "udp", net.JoinHostPort(address, "0")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sockets[i].Close() })
		if peers[i], err = b.ParseEndpoint(sockets[i].LocalAddr().String()); err != nil {
			t.Fatal(err)
		}
	}
	for range rounds {
		for i, peer := range peers {
			if err := b.Send([][]byte{[]byte(addresses[i])}, peer); err != nil {
				t.Errorf("send to %s: %v", addresses[i], err)
			}
		}
	}
	return sockets
}

func checkReceived(t *testing.T, c net.PacketConn, want string) {
	t.Helper()
	packet := make([]byte, 100)
	for i := range rounds {
		err := c.SetReadDeadline(time.Now().Add(10 * time.Second))
		size := 0
		if err == nil {
			size, _, err = c.ReadFrom(packet)
		}
		if got := string(packet[:size]); err != nil || got != want {
			t.Fatal(fmt.Errorf("packet %d for %s: %q, %w", i, want, got, err))
		}
	}
}
