package node

import (
	"context"
	"net/netip"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
)

// Whether a Redis is there, its machine's kernel says, however busy it is: it takes a
// connection within one round trip. More than one is tried, since packets get lost.
const (
	thereTries    = 3
	thereInterval = 50 * time.Millisecond
	thereTime     = 200 * time.Millisecond // for all of them
	roundTrips    = 4                      // as many of the usual ones, where these take longer
	thereMax      = 2 * time.Second
)

// isThere tells whether there is a Redis at an address, which may be busy.
func (sw *switching) isThere(ctx context.Context, address netip.Addr) bool {
	at := netip.AddrPortFrom(address, cluster.RedisPort)
	usual, err := host.RoundTrip(at)
	if err != nil {
		sw.machine.Log.Debugf("how far away %s is is not known: %v", at, err)
	}
	ctx, cancel := context.WithTimeout(ctx, min(max(thereTime, roundTrips*usual), thereMax))
	defer cancel()
	answers := make(chan bool, thereTries)
	for try := range thereTries {
		go func() { answers <- answersAfter(ctx, time.Duration(try)*thereInterval, at) }()
	}
	there := false
	for range thereTries {
		if <-answers {
			there = true
			cancel()
		}
	}
	return there
}

// answersAfter tries one connection after a pause.
func answersAfter(ctx context.Context, pause time.Duration, at netip.AddrPort) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
	}
	return host.Listens(ctx, at)
}
