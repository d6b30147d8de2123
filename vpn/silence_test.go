package vpn_test

import (
	"testing"

	"cluster-agent/vpn"
)

// talking is a worker with its hub, a node that was removed, and an
// administrator's peer.
func talking(t *testing.T) *bench {
	t.Helper()
	s := hostOf(2)
	s.Peers = []vpn.Peer{peer(1, "10.5.4.1", "10.5.4.3"), peer(6), peer(9, "172.16.0.2")}
	s.Peers[0].Endpoint, s.Peers[0].LastHandshake = addrPort("198.51.100.1:55820"), now
	s.Peers[2].Endpoint = addrPort("198.51.100.9:1")
	s.Routes = routes("10.5.4.1", "10.5.4.3")
	b := newBench(t, star(2), s, `[Interface]
PrivateKey = LAPTOP

[Peer]
# node 1
PublicKey = KEY1
AllowedIPs = 10.5.4.1/32, 10.5.4.3/32
Endpoint = 198.51.100.1:55820
PersistentKeepalive = 25

[Peer]
PublicKey = KEY6
AllowedIPs = 10.5.4.6/32
`)
	(&keyring{keys: vpn.NewKeys(key(6))}).attach(b)
	return b
}

func (b *bench) state(t *testing.T) vpn.State {
	t.Helper()
	s, err := b.sim.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bench) sends(t *testing.T) bool {
	t.Helper()
	sends, err := b.Sends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sends
}

func TestSilence(t *testing.T) {
	t.Parallel()
	b := talking(t)
	before, file := b.state(t), b.conf(t)
	if !b.sends(t) {
		t.Error("it does not send")
	}
	if err := b.Silence(t.Context()); err != nil || b.sends(t) {
		t.Errorf("silent: %v, sends %v", err, b.sends(t))
	}
	after := b.state(t)
	for _, n := range []int{1, 6} {
		p, ok := after.Peer(key(n))
		q, _ := before.Peer(key(n))
		if !ok || p.Endpoint.IsValid() || p.Keepalive != 0 || len(p.AllowedIPs) != len(q.AllowedIPs) {
			t.Errorf("peer %d: %+v", n, p)
		}
	}
	if p, _ := after.Peer(key(9)); p.Endpoint != addrPort("198.51.100.9:1") || p.Keepalive != vpn.Keepalive {
		t.Errorf("the administrator's peer: %+v", p)
	}
	if len(after.Routes) != 2 || b.conf(t) != file {
		t.Errorf("routes %v, file\n%s", after.Routes, b.conf(t))
	}
	b.sim.Refuse = func(change string) error { t.Errorf("silent already: %s", change); return nil }
	if err := b.Silence(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSpeak(t *testing.T) {
	t.Parallel()
	b := talking(t)
	if err := b.Silence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Speak(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, _ := b.state(t).Peer(key(1)); p.Endpoint != addrPort("198.51.100.1:55820") || p.Keepalive != vpn.Keepalive {
		t.Errorf("peer 1: %+v", p)
	}
	// A hub that made itself heard from elsewhere is there.
	if err := b.Silence(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.sim.Handshake(key(1), addrPort("198.51.100.77:1"), now)
	if !b.sends(t) {
		t.Error("it does not answer")
	}
	if err := b.Speak(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, _ := b.state(t).Peer(key(1)); p.Endpoint != addrPort("198.51.100.77:1") || p.Keepalive != vpn.Keepalive {
		t.Errorf("peer 1, heard of: %+v", p)
	}
}

// Without an interface there is silence.
func TestSilenceWithoutInterface(t *testing.T) {
	t.Parallel()
	b := talking(t)
	b.sim.Change(func(s *vpn.State) { *s = vpn.State{Networks: s.Networks} })
	if err := b.Silence(t.Context()); err != nil || b.sends(t) || b.ups != 0 {
		t.Errorf("%v, sends %v, %d ups", err, b.sends(t), b.ups)
	}
}
