package vpn

import (
	"maps"
	"net/netip"
	"sync"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Whereabouts remembers, as long as a process runs, at which addresses peers were
// heard of. An interface that was deleted and made anew has forgotten them, and a
// hub whose workers have no configured endpoints would be found by them only when
// they miss it, after 15 seconds. The zero value is empty and ready.
type Whereabouts struct {
	mu   sync.Mutex
	seen map[wgtypes.Key]netip.AddrPort
}

// note takes in where the peers are, and returns where they, and those that were
// peers before, were heard of last. Of an interface that is not there, or that has
// lost all, there is nothing to learn.
func (w *Whereabouts) note(now State) map[wgtypes.Key]netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = make(map[wgtypes.Key]netip.AddrPort)
	}
	for _, p := range now.Peers {
		if p.Endpoint.IsValid() && !p.LastHandshake.IsZero() {
			w.seen[p.Key] = p.Endpoint
		}
	}
	return maps.Clone(w.seen)
}

// forget drops those that are wanted as peers no more.
func (w *Whereabouts) forget(wanted Keys) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.seen, func(key wgtypes.Key, _ netip.AddrPort) bool { return !wanted.Has(key) })
}
