package vpn_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cluster-agent/internal/loopback"
	"cluster-agent/vpn"
	"cluster-agent/vpn/vpntest"
)

// registrar is a name service that counts its questions.
type registrar struct {
	mu    sync.Mutex
	names map[string][]netip.Addr
	asked []string
}

func (r *registrar) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, name)
	if addrs, ok := r.names[name]; ok {
		return addrs, nil
	}
	return nil, errors.New("no such host")
}

// took returns what has been asked since the last call.
func (r *registrar) took() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.asked)
	asked := strings.Join(r.asked, " ")
	r.asked = nil
	return asked
}

// lookBench is a hub with two workers that have names, and the host's time.
func lookBench(t *testing.T, names *registrar) *bench {
	t.Helper()
	b := newBench(t, hub(node(2, "two.example.com:55820"), node(3, "three.example.com:55820")), hostOf(1), hubConf)
	b.Resolver, b.Lookups = names, new(vpn.Lookups)
	return b
}

// pass lets time pass; the nodes given are heard of to the end.
func (b *bench) pass(d time.Duration, heard ...int) {
	b.sim.Change(func(s *vpn.State) {
		s.Time = s.Time.Add(d)
		for i := range s.Peers {
			for _, id := range heard {
				if s.Peers[i].Key == key(id) {
					s.Peers[i].LastHandshake = s.Time
				}
			}
		}
	})
}

// Hazard 4: the name of a peer that is not heard of any more is looked up again,
// more and more rarely; the others' names are left in peace.
func TestLookupsOfASilentPeer(t *testing.T) {
	t.Parallel()
	names := &registrar{names: map[string][]netip.Addr{
		"two.example.com": {addr("198.51.100.2")}, "three.example.com": {addr("198.51.100.3")},
	}}
	b := lookBench(t, names)
	b.apply(t)
	if asked := names.took(); asked != "three.example.com two.example.com" {
		t.Errorf("at first: %s", asked)
	}
	b.pass(time.Second, 2, 3)
	report := b.apply(t)
	if asked := names.took(); asked != "" || report.Again != now.Add(time.Second+vpn.HandshakeFresh) {
		t.Errorf("both are heard of: %q, again at %v", asked, report.Again.Sub(now))
	}
	b.pass(vpn.HandshakeFresh-time.Second, 2)
	b.apply(t)
	if asked := names.took(); asked != "" {
		t.Errorf("node 3 is silent, but not for long: %s", asked)
	}
	names.names["three.example.com"] = []netip.Addr{addr("198.51.100.33")}
	b.pass(time.Second, 2)
	if report = b.apply(t); names.took() != "three.example.com" || !strings.Contains(report.Plan.String(), "endpoint 198.51.100.33:55820 (was 198.51.100.3:55820)") {
		t.Errorf("node 3 is silent: plan\n%v", report.Plan)
	}
	pauses := make([]time.Duration, 0, 8)
	for range 8 {
		began := b.time(t)
		for !strings.Contains(names.took(), "three") { // that of node 2 grows old meanwhile
			b.pass(5*time.Second, 2)
			b.apply(t)
		}
		pauses = append(pauses, b.time(t).Sub(began))
	}
	if got := fmt.Sprint(pauses); got != "[15s 30s 1m0s 2m0s 4m0s 8m0s 10m0s 10m0s]" {
		t.Errorf("pauses %v", got)
	}
	b.pass(time.Second, 2, 3)
	b.apply(t)
	names.took()
	b.pass(vpn.HandshakeFresh, 2)
	b.apply(t)
	if asked := names.took(); !strings.Contains(asked, "three.example.com") {
		t.Errorf("silent again: %q", asked)
	}
}

func (b *bench) time(t *testing.T) time.Time {
	t.Helper()
	s, err := b.sim.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Time
}

// A name that cannot be found is said to be so in each run, and asked for rarely,
// until there is reason to hope.
func TestLookupsThatFail(t *testing.T) {
	t.Parallel()
	names := &registrar{names: map[string][]netip.Addr{"two.example.com": {addr("198.51.100.2")}}}
	b := lookBench(t, names)
	for pass, want := range []string{"three.example.com two.example.com", "", "three.example.com", "", "three.example.com"} {
		report := b.apply(t)
		if asked := names.took(); asked != want {
			t.Errorf("run %d: asked for %q, want %q", pass, asked, want)
		}
		if text := warningTexts(report.Warnings); text != `node 3: endpoint "three.example.com:55820": look up name: no such host` {
			t.Errorf("run %d: %s", pass, text)
		}
		b.pass(10*time.Second, 2)
		if pass == 3 {
			b.Lookups.Hurry()
		}
	}
	names.names["three.example.com"] = []netip.Addr{addr("198.51.100.33")}
	b.pass(time.Minute, 2)
	if report := b.apply(t); len(report.Warnings) > 0 || !strings.Contains(report.Plan.String(), "endpoint 198.51.100.33:55820") {
		t.Errorf("found: %v, plan\n%v", report.Warnings, report.Plan)
	}
}

// A look-up that the caller gave up says nothing of the name; a name that no
// record has any more is forgotten.
func TestLookupsForget(t *testing.T) {
	t.Parallel()
	names := &registrar{names: map[string][]netip.Addr{
		"two.example.com": {addr("198.51.100.2")}, "three.example.com": {addr("198.51.100.3")},
	}}
	b := lookBench(t, names)
	b.apply(t)
	names.took()
	b.cluster.Nodes[2].Endpoint = "198.51.100.3:55820"
	b.apply(t)
	b.cluster.Nodes[2].Endpoint = "three.example.com:55820"
	b.apply(t)
	if asked := names.took(); asked != "three.example.com" {
		t.Errorf("after a while without: %q", asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.Resolver = resolverFunc(func() ([]netip.Addr, error) { cancel(); return nil, ctx.Err() })
	b.cluster.Nodes[2].Endpoint = "four.example.com:55820"
	if _, err := b.Apply(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	b.Resolver, names.names["four.example.com"] = names, []netip.Addr{addr("198.51.100.4")}
	if report := b.apply(t); names.took() != "four.example.com" || len(report.Warnings) > 0 {
		t.Errorf("afterwards: %+v", report)
	}
}

type resolverFunc func() ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return f() }

// Without a name server a run comes to its end all the same.
func TestResolveIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := hub()
		names := vpntest.Names{}
		for id := 2; id < 1000; id++ {
			name := fmt.Sprintf("node%d.example.com", id)
			names[name] = nil // never answers
			c.Nodes = append(c.Nodes, vpn.Node{ID: id, Endpoint: name + ":55820"})
		}
		began := time.Now()
		found, warnings := vpn.Resolve(t.Context(), names, c, hostOf(1))
		if took := time.Since(began); took > 5*time.Second || len(found) > 0 || len(warnings) != 998 {
			t.Errorf("%d found, %d warnings, after %v", len(found), len(warnings), took)
		}
	})
}

// A name server that does not answer is named in the same words each time: a run that
// warns of nothing new logs nothing.
func TestLookupsFailInTheSameWords(t *testing.T) {
	t.Parallel()
	server := netip.AddrPortFrom(loopback.Address(), 1).String()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server)
	}}
	for range 2 {
		b := newBench(t, hub(node(3, "three.example.com:55820")), hostOf(1), hubConf)
		b.Resolver, b.Lookups = resolver, new(vpn.Lookups)
		text := warningTexts(b.apply(t).Warnings)
		if !strings.HasSuffix(text, ": connection refused") || strings.Contains(text, "->") {
			t.Error(text)
		}
	}
}
