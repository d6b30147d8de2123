package vpn_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// bench is a Reconciler on a simulated host.
type bench struct {
	vpn.Reconciler
	sim     *vpntest.Sim
	cluster vpn.Cluster
	ups     int
}

func newBench(t *testing.T, c vpn.Cluster, s vpn.State, conf string) *bench {
	t.Helper()
	b := &bench{sim: vpntest.NewSim(s), cluster: c}
	b.Reconciler = vpn.Reconciler{
		Device:   b.sim,
		Resolver: vpntest.Names{},
		Cluster:  func(context.Context) (vpn.Cluster, []vpn.Warning, error) { return b.cluster, nil, nil },
		ConfPath: filepath.Join(t.TempDir(), "wg0.conf"),
		Up: func(context.Context) error {
			b.ups++
			b.sim.Change(func(s *vpn.State) { s.Exists, s.Up = true, true })
			return nil
		},
		PrivateKey: func() (wgtypes.Key, error) { return key(15), nil },
	}
	if conf != "" {
		if err := os.WriteFile(b.ConfPath, withKeys(conf), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bench) apply(t *testing.T) vpn.Report {
	t.Helper()
	report, err := b.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (b *bench) conf(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(b.ConfPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const hubConf = `[Interface]
Address = 10.5.4.1/32
ListenPort = 55820
PrivateKey = LAPTOP
MTU = 1380
PostUp = ip route del 203.0.113.9/32 dev %i || true

[Peer]
# node 2
PublicKey = KEY2
AllowedIPs = 10.5.4.2/32, 203.0.113.9/32
PersistentKeepalive = 25

[Peer]
# node 3
PublicKey = KEY3
AllowedIPs = 10.5.4.3/32
Endpoint = 198.51.100.3:55820
PersistentKeepalive = 25

`

func hubOfThree() vpn.Cluster {
	return hub(node(2, "", "203.0.113.9"), node(3, "198.51.100.3:55820"))
}

func TestReconcileOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), "[Interface]\nPrivateKey = LAPTOP\nMTU = 1380\n")
	report := b.apply(t)
	if !report.Saved || report.Upped || len(report.Plan.Peers) != 2 || len(report.Notes) != 1 {
		t.Errorf("%+v", report)
	}
	have := vpn.ParseConf([]byte(b.conf(t)))
	want := vpn.ParseConf(withKeys(hubConf))
	have.SetInterface("MTU")
	want.SetInterface("MTU")
	sameText(t, "file", squeeze(have), squeeze(want))
}

// squeeze renders a file with the lines of [Interface] in alphabetical order.
func squeeze(c vpn.Conf) string {
	var text []string
	for _, k := range []string{"Address", "ListenPort", "PostUp", "PrivateKey"} {
		text = append(text, k+" "+strings.Join(c.Interface(k), ","))
		c.SetInterface(k)
	}
	for line := range strings.Lines(string(c.Bytes())) {
		if line = strings.TrimSpace(line); line != "" {
			text = append(text, line)
		}
	}
	return strings.Join(text, "\n")
}

func TestReconcileUnchangedTouchesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), hubConf)
	if report := b.apply(t); report.Saved || len(report.Plan.Lines()) != 4 {
		t.Errorf("first run: saved %v, plan\n%v", report.Saved, report.Plan)
	}
	before, err := os.Stat(b.ConfPath)
	if err != nil {
		t.Fatal(err)
	}
	b.sim.Handshake(key(2), addrPort("192.0.2.77:1024"), now)
	b.sim.Refuse = func(change string) error { return errors.New("changed: " + change) }
	if report := b.apply(t); report.Changed() {
		t.Errorf("second run: saved %v, plan\n%v", report.Saved, report.Plan)
	}
	after, err := os.Stat(b.ConfPath)
	if err != nil || !os.SameFile(before, after) || after.ModTime() != before.ModTime() {
		t.Error("the file was written")
	}
}

// An endpoint learnt from a peer goes into the file when that is written.
func TestReconcileSavesLearntEndpoints(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), hubConf)
	b.apply(t)
	b.sim.Handshake(key(2), addrPort("192.0.2.77:1024"), now)
	b.cluster.Nodes = append(b.cluster.Nodes, node(4, ""))
	if report := b.apply(t); !report.Saved || !strings.Contains(b.conf(t), "Endpoint = 192.0.2.77:1024\n") {
		t.Errorf("saved %v:\n%s", report.Saved, b.conf(t))
	}
}

// Hazard 5: a removed node goes, from the kernel and the file, because the file
// remembers whose it was; an administrator's peer stays in both.
func TestReconcileRemovedNode(t *testing.T) {
	t.Parallel()
	s := hostOf(1)
	s.Peers = []vpn.Peer{{Key: key(9), AllowedIPs: prefixes("172.16.0.2")}}
	b := newBench(t, hubOfThree(), s, hubConf+"[Peer]\nPublicKey = LAPTOP\nAllowedIPs = 172.16.0.2/32\n")
	b.apply(t)
	b.cluster.Nodes = b.cluster.Nodes[:2]
	report := b.apply(t)
	sameText(t, "plan", readable(report.Plan.String()), "route remove 10.5.4.3\npeer remove key3")
	conf := readable(b.conf(t))
	if strings.Contains(conf, "key3") || !strings.Contains(conf, "PublicKey = key9") {
		t.Errorf("file:\n%s", conf)
	}
}

// Hazard 3.
func TestReconcileWithoutNetwork(t *testing.T) {
	t.Parallel()
	s := hostOf(1)
	s.Exists, s.Networks = false, prefixes("fe80::/64")
	b := newBench(t, hubOfThree(), s, "")
	report, err := b.Apply(t.Context())
	if !errors.Is(err, vpn.ErrNoNetwork) || report.Changed() || b.ups != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestReconcileNoCluster(t *testing.T) {
	t.Parallel()
	b := newBench(t, vpn.Cluster{Self: 1, Leader: 1}, vpn.State{}, "")
	if report := b.apply(t); report.Changed() || b.ups != 0 {
		t.Errorf("%+v", report)
	}
}

// A missing interface is brought up from a file that is right already.
func TestReconcileBringsUp(t *testing.T) {
	t.Parallel()
	s := hostOf(1)
	s.Exists = false
	b := newBench(t, hubOfThree(), s, "")
	up := b.Up
	b.Up = func(ctx context.Context) error {
		if !strings.Contains(b.conf(t), "AllowedIPs = 10.5.4.3/32") {
			t.Errorf("brought up from\n%s", b.conf(t))
		}
		return up(ctx)
	}
	if report := b.apply(t); !report.Upped || !report.Saved || b.ups != 1 {
		t.Errorf("%+v", report)
	}
	b.Up = func(context.Context) error { return errors.New("no such device") }
	b.sim.Change(func(s *vpn.State) { s.Exists = false })
	if _, err := b.Apply(t.Context()); err == nil || err.Error() != "bring up the VPN interface: no such device" {
		t.Errorf("error %v", err)
	}
}

// A hub whose interface was deleted finds its workers, which have no endpoints in
// the records and in the file.
func TestReconcileFindsWorkersAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), hubConf)
	b.Seen = new(vpn.Whereabouts)
	b.apply(t)
	b.sim.Handshake(key(2), addrPort("192.0.2.77:1024"), now)
	b.apply(t)
	b.sim.Change(func(s *vpn.State) { s.Exists, s.Peers, s.Routes = false, nil, nil })
	up := b.Up
	b.Up = func(ctx context.Context) error {
		if !strings.Contains(b.conf(t), "Endpoint = 192.0.2.77:1024\n") {
			t.Errorf("brought up from\n%s", b.conf(t))
		}
		return up(ctx)
	}
	if plan := readable(b.apply(t).Plan.String()); !strings.Contains(plan, "peer add node 2 key2: endpoint 192.0.2.77:1024") {
		t.Errorf("plan\n%s", plan)
	}
	if report := b.apply(t); report.Changed() {
		t.Errorf("a second run: saved %v, plan\n%v", report.Saved, report.Plan)
	}
	// Nobody is looked for any more who is no node.
	b.cluster.Nodes = b.cluster.Nodes[:1]
	b.apply(t)
	b.cluster = hubOfThree()
	if plan := readable(b.apply(t).Plan.String()); strings.Contains(plan, "192.0.2.77") {
		t.Errorf("plan\n%s", plan)
	}
}

// An address goes into the tunnel in the run that moves the peer from it, but not
// before the peer has moved; if it cannot be moved, not at all.
func TestReconcileWaitsForAPeerToMove(t *testing.T) {
	t.Parallel()
	s := hostOf(1)
	s.Peers = []vpn.Peer{peer(2, "10.5.4.2"), peer(3, "10.5.4.3")}
	s.Peers[1].Endpoint = addrPort("203.0.114.9:7") // it was there once, and is silent
	s.Routes = routes("10.5.4.2", "10.5.4.3")
	for _, refused := range []bool{true, false} {
		b := newBench(t, hub(node(2, "", "203.0.114.9"), node(3, "198.51.100.3:55820")), s, hubConf)
		b.sim.Refuse = func(change string) error {
			if refused && strings.HasPrefix(change, "peer set node 3") {
				return errors.New("refused")
			}
			return nil
		}
		b.sim.OnStep = func(s vpn.State) {
			three, _ := s.Peer(key(3))
			if peer, _ := vpntest.Way(s, addr("203.0.114.9")); peer != (wgtypes.Key{}) && three.Endpoint.Addr() == addr("203.0.114.9") {
				t.Errorf("refused %v: the endpoint is in the tunnel: %+v", refused, s)
			}
		}
		report, err := b.Apply(t.Context())
		if (err != nil) != refused || strings.Contains(b.conf(t), "203.0.114.9") == refused {
			t.Errorf("refused %v: %v\n%s", refused, err, b.conf(t))
		}
		if !refused {
			sameText(t, "plan", readable(report.Plan.String()), `
				peer set node 3 key3: endpoint 198.51.100.3:55820 (was 203.0.114.9:7)
				peer set node 2 key2: allowed +203.0.114.9
				route add 203.0.114.9`)
			if report := b.apply(t); report.Changed() {
				t.Errorf("a second run: saved %v, plan\n%v", report.Saved, report.Plan)
			}
		}
	}
}

// By the file, too, no peer's endpoint is in the tunnel: not where a peer without a
// configured one was heard of once.
func TestReconcileForgetsAnEndpointInsideTheTunnel(t *testing.T) {
	t.Parallel()
	conf := strings.Replace(hubConf, "# node 2\n", "# node 2\nEndpoint = 203.0.114.9:7\n", 1)
	b := newBench(t, hub(node(2, ""), node(3, "198.51.100.3:55820", "203.0.114.9")), hostOf(1), conf)
	b.apply(t)
	if text := b.conf(t); strings.Contains(text, "Endpoint = 203.0.114.9") || !strings.Contains(text, "AllowedIPs = 10.5.4.3/32, 203.0.114.9/32") {
		t.Errorf("the file became\n%s", text)
	}
}

// Every failure is named, and none keeps the rest from being done.
func TestReconcileFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), "[Interface]\n")
	b.PrivateKey = nil
	b.Known = func(context.Context) (vpn.Keys, error) { return nil, errors.New("disk on fire") }
	b.sim.Refuse = func(change string) error {
		if strings.Contains(change, "node 2") || change == "route add 10.5.4.3/32" {
			return errors.New("refused")
		}
		return nil
	}
	_, err := b.Apply(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	sameText(t, "error", readable(err.Error()), `
		read the keys of earlier nodes: disk on fire
		change the VPN interface: peer add node 2 key2: keepalive 25s, allowed +10.5.4.2 +203.0.113.9: refused
		route add 10.5.4.3: refused
		complete the interface's file: it has no private key`)
	s, err := b.sim.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Peer(key(3)); !ok || len(s.Routes) != 1 || s.Routes[0].Dst.Addr() != addr("10.5.4.2") {
		t.Errorf("%+v", s)
	}
}

// Hazard 16.
func TestReconcileOneAtATime(t *testing.T) {
	t.Parallel()
	b := newBench(t, hubOfThree(), hostOf(1), hubConf)
	inside := make(chan struct{})
	release := make(chan struct{})
	read := b.Cluster
	b.Cluster = func(ctx context.Context) (vpn.Cluster, []vpn.Warning, error) {
		close(inside)
		<-release
		return read(ctx)
	}
	other := b.Reconciler
	other.Cluster = read
	first := make(chan error, 1)
	go func() {
		_, err := b.Apply(t.Context())
		first <- err
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := other.Apply(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second run beside the first: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if _, err := other.Apply(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWaitHandshake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		peer     vpn.Peer
		answers  int // the number of renewals after which the peer answers; -1: never
		renewals int
		took     time.Duration
	}{
		{name: "renewed until it answers", peer: vpn.Peer{Key: key(3), Endpoint: addrPort("198.51.100.3:1")}, answers: 2, renewals: 2, took: 980 * time.Millisecond},
		{name: "a peer with traffic is left alone", peer: peer(3, "10.5.4.3"), answers: -1, took: 10 * time.Second},
		{name: "never", peer: vpn.Peer{Key: key(3), Endpoint: addrPort("198.51.100.3:1")}, answers: -1, renewals: 6, took: 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sim := vpntest.NewSim(vpn.State{Exists: true, Peers: []vpn.Peer{c.peer}})
				start, renewals := time.Now(), 0
				sim.Refuse = func(string) error { renewals++; return nil }
				sim.OnStep = func(vpn.State) {
					if renewals == c.answers {
						go sim.Handshake(key(3), c.peer.Endpoint, time.Now().Add(1))
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := vpn.WaitHandshake(ctx, sim, key(3), start)
				if (err == nil) != (c.answers >= 0) {
					t.Error(err)
				}
				if took := time.Since(start); renewals != c.renewals || took > c.took {
					t.Errorf("%d renewals in %v", renewals, took)
				}
			})
		})
	}
	sim := vpntest.NewSim(vpn.State{Exists: true})
	if err := vpn.WaitHandshake(t.Context(), sim, key(3), now); !errors.Is(err, vpn.ErrNoPeer) {
		t.Errorf("no such peer: %v", err)
	}
}
