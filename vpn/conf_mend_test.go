package vpn_test

import (
	"strings"
	"testing"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// A file that was cut off anywhere is one again with which wg-quick brings up what
// there has to be.
func TestReconcileMendsACutFile(t *testing.T) {
	t.Parallel()
	whole := newBench(t, hubOfThree(), hostOf(1), hubConf)
	whole.apply(t)
	text := strings.Replace(whole.conf(t), "# node 3\n", "# node 3\nPresharedKey = "+key(9).String()+"\n", 1)
	for at := range text {
		b := newBench(t, hubOfThree(), hostOf(1), text[:at])
		b.apply(t)
		sim := vpntest.NewSim(vpn.State{})
		if err := sim.QuickUp([]byte(b.conf(t))); err != nil {
			t.Fatalf("cut after %q: %v\n%s", text[max(0, at-20):at], err, b.conf(t))
		}
		s, err := sim.State(t.Context())
		if err != nil || len(s.Peers) != 2 || len(s.Peers[0].AllowedIPs)+len(s.Peers[1].AllowedIPs) != 3 {
			t.Fatalf("cut after %q: %v, peers %v\n%s", text[max(0, at-20):at], err, s.Peers, b.conf(t))
		}
	}
}

// What an administrator has written in whole stays, however strange it is.
func TestReconcileMendsNothingElse(t *testing.T) {
	t.Parallel()
	const odd = "FutureKey = yes\nPostUp = echo ip route del 10.5.4.9/32 # why not\n; a comment for others\nPostUp = ip route del 10.9.9.0/24\n"
	const laptop = "# half a laptop\n[Peer]\nPublicKey = not yet\n"
	b := newBench(t, hubOfThree(), hostOf(1), strings.Replace(hubConf, "MTU = 1380\n", odd, 1)+laptop)
	b.apply(t)
	if text := b.conf(t); !strings.Contains(text, odd) || !strings.HasSuffix(text, laptop) {
		t.Errorf("the file became\n%s", text)
	}
}

// In a file as in the kernel an address has one peer, the last that claims it. A
// node's address is the cluster's, also if an administrator's peer has claimed it.
func TestReconcileTakesAddressesBackInTheFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), hubConf+"[Peer]\nPublicKey = LAPTOP\nAllowedIPs = 10.5.4.3/32, 172.16.0.2/32 # his\n")
	b.apply(t)
	if text := readable(b.conf(t)); !strings.Contains(text, "PublicKey = key9\nAllowedIPs = 172.16.0.2\n") || strings.Count(text, "10.5.4.3") != 1 {
		t.Errorf("the file became\n%s", text)
	}
}
