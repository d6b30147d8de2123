package netdev_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/netdev"
	"cluster-agent/vpn/vpntest"
)

// listen returns an interface with a listening engine.
func (e engine) listen(t *testing.T, name string, port int) *netdev.Device {
	t.Helper()
	e.make(t, name)
	client, err := wgctrl.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err = client.ConfigureDevice(name, wgtypes.Config{PrivateKey: &key, ListenPort: &port}); err != nil {
		t.Fatal(err)
	}
	vpntest.Command(t, "ip", "link", "set", name, "up")
	d, err := netdev.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		vpntest.Command(t, "ip", "link", "delete", name)
		waitGone(t, "/run/wireguard/"+name+".sock")
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func publicKey(t *testing.T, d vpn.Device) wgtypes.Key {
	t.Helper()
	s, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.PublicKey
}

// TestLostHandshake is hazard 6: the hub gets to know the worker's key when the
// first handshake has already been lost.
func TestLostHandshake(t *testing.T) { //nolint:tparallel // see below
	t.Parallel()
	if !vpntest.InNamespace(t, mustRun()) {
		return
	}
	for _, e := range engines() { //nolint:paralleltest // one after the other: both make wg0
		t.Run(e.name, e.losesHandshake)
	}
}

func (e engine) losesHandshake(t *testing.T) {
	worker, hub := e.listen(t, "wg0", 55820), e.listen(t, "wg1", 55821)
	hubKey, start := publicKey(t, hub), time.Now()
	candidate := vpn.PeerChange{
		Key: hubKey, Do: vpn.AddPeer, Endpoint: netip.MustParseAddrPort("203.0.113.2:55821"),
		Keepalive: vpn.Keepalive, SetKeepalive: true,
	}
	if err := worker.Apply(t.Context(), vpn.Plan{Peers: []vpn.PeerChange{candidate}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := vpn.WaitHandshake(ctx, worker, hubKey, start); err == nil {
		t.Fatal("a handshake with a hub that does not know the worker")
	}
	known := vpn.PeerChange{Key: publicKey(t, worker), Do: vpn.AddPeer}
	if err := hub.Apply(t.Context(), vpn.Plan{Peers: []vpn.PeerChange{known}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 4*time.Second) // WireGuard alone needs 5
	defer cancel()
	if err := vpn.WaitHandshake(ctx, worker, hubKey, start); err != nil {
		t.Fatal(err)
	}
	t.Logf("handshake %v after the first was sent", time.Since(start))
}
