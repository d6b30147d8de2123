package node

import (
	"context"
	"net/netip"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
)

// Whether a Redis is there, its machine's kernel says, however busy it is: it takes a
// connection within one round trip.
const (
	thereTime  = 150 * time.Millisecond
	roundTrips = 4 // as many of the usual ones, where these take longer
	thereMax   = 2 * time.Second
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
	_, err = first(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, host.Connects(ctx, at) })
	return err == nil
}
