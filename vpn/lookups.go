package vpn

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How long an answer of the name service is used.
const (
	// answerLife is for the names of peers that are heard of: nothing asks for
	// another answer, but for the file of wg-quick, which should not grow old.
	answerLife = 10 * time.Minute
	// quietPause is the first pause between two look-ups of a name whose peer is
	// not heard of, or which could not be found. It doubles up to quietMax: a node
	// that is switched off costs nothing.
	quietPause = 15 * time.Second
	quietMax   = 10 * time.Minute
)

// Lookups remembers the answers of a name service from one run to the next.
// WireGuard never looks a name up again; this does, for peers that are not heard
// of (see [HandshakeFresh]), after pauses that grow, and for the others now
// and then. The zero value is empty and ready.
type Lookups struct {
	mu    sync.Mutex
	names map[string]*answer
}

// answer is what came of the last look-up of a name.
type answer struct {
	addrs []netip.Addr
	err   error
	at    time.Time
	pause time.Duration // until the next one, while the peer is not heard of
}

// Hurry makes names that could not be found be looked up by the next run: the
// host has got another way to its name servers, maybe.
func (l *Lookups) Hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.names {
		if a.err != nil {
			a.pause = 0
		}
	}
}

// view is the name service as one run sees it.
type view struct {
	*Lookups
	service Resolver
	now     time.Time
	named   []namedPeer
	quiet   map[string]bool // names of endpoints whose peers are not heard of
}

var _ Resolver = (*view)(nil)

// view returns a Resolver for one run, which looks up what has to be. Names that
// no record has any more are forgotten.
func (l *Lookups) view(service Resolver, c Cluster, now State) *view {
	v := &view{Lookups: l, service: service, now: now.Time, quiet: make(map[string]bool)}
	known := make(map[string]bool)
	v.named = namedPeers(c, now)
	for _, n := range v.named {
		known[n.name] = true
		if n.wanted && !now.Fresh(n.peer) {
			v.quiet[n.name] = true
		}
	}
	l.forget(known, v.quiet)
	return v
}

// namedPeer is a node whose endpoint has a name.
type namedPeer struct {
	name   string
	wanted bool // it is to be a peer of this node
	peer   Peer // as the kernel has it; the zero Peer: it has none
}

// namedPeers returns the nodes whose endpoints have names. Most have addresses.
func namedPeers(c Cluster, now State) []namedPeer {
	var named []namedPeer
	var peers PeerIndex
	for _, n := range c.Nodes {
		name, ok := nameOf(n)
		if !ok {
			continue
		}
		if peers == nil {
			peers = now.ByKey()
		}
		peer, _ := peers.Get(n.PublicKey)
		named = append(named, namedPeer{name: name, wanted: c.isPeer(n.ID), peer: peer})
	}
	return named
}

// nameOf returns the name in the endpoint of a node; false if it has an address, or nothing usable.
func nameOf(n Node) (string, bool) {
	if n.Endpoint == "" {
		return "", false
	}
	endpoint, err := ParseEndpoint(n.Endpoint)
	return endpoint.Host, err == nil && !endpoint.Addr.IsValid()
}

// forget drops names that are not known any more, and the pauses of those whose
// peers are heard of again.
func (l *Lookups) forget(known, quiet map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.names == nil {
		l.names = make(map[string]*answer)
	}
	for name, a := range l.names {
		switch {
		case !known[name]:
			delete(l.names, name)
		case !quiet[name] && a.err == nil:
			a.pause = 0
		}
	}
}

// LookupNetIP returns the addresses of a name, as they were found lately or as
// they are found now.
func (v *view) LookupNetIP(ctx context.Context, network, name string) ([]netip.Addr, error) {
	if a, ok := v.kept(name); ok {
		return a.addrs, a.err
	}
	addrs, err := v.service.LookupNetIP(ctx, network, name)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return addrs, err // says nothing of the name
	}
	v.keep(name, addrs, err)
	return addrs, err
}

func (v *view) kept(name string) (answer, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a, ok := v.names[name]
	if !ok || !v.now.Before(v.due(name, a)) {
		return answer{}, false
	}
	return *a, true
}

// due is when a name has to be looked up again.
func (v *view) due(name string, a *answer) time.Time {
	if a.err != nil || v.quiet[name] {
		return a.at.Add(a.pause)
	}
	return a.at.Add(answerLife)
}

func (v *view) keep(name string, addrs []netip.Addr, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := &answer{addrs: addrs, err: err, at: v.now}
	if v.quiet[name] || err != nil {
		a.pause = quietPause
		if before := v.names[name]; before != nil && before.pause > 0 && sameAnswer(before, a) {
			a.pause = min(2*before.pause, quietMax)
		}
	}
	v.names[name] = a
}

// sameAnswer ignores the order, which name servers rotate.
func sameAnswer(a, b *answer) bool {
	if (a.err == nil) != (b.err == nil) {
		return false
	}
	return slices.Equal(ordered(a.addrs), ordered(b.addrs))
}

func ordered(addrs []netip.Addr) []netip.Addr {
	return slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)
}

// again is when the next name has to be looked up, for a peer that is not heard
// of or that will have been silent for too long by then; the zero Time: no name
// is waited for.
func (v *view) again(now State) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	var next time.Time
	for _, n := range v.named {
		a := v.names[n.name]
		if a == nil || !n.wanted {
			continue
		}
		at := v.due(n.name, a)
		if now.Fresh(n.peer) {
			at = n.peer.LastHandshake.Add(HandshakeFresh)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}
