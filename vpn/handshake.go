package vpn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// ErrNoPeer means that the interface has no peer with the key asked for.
var ErrNoPeer = errors.New("no such peer")

// Times of WaitHandshake. A handshake takes one round trip, in a local network much
// less than what is between two looks later on. The wait before the peer is renewed
// grows, so that a slow link gets its answer back in time.
const (
	handshakeSoon  = 3 * time.Millisecond
	handshakePoll  = 25 * time.Millisecond
	handshakeRetry = 300 * time.Millisecond
	handshakeMax   = 2400 * time.Millisecond
)

// WaitHandshake waits until the peer with the given key has had a handshake
// after since, or ctx ends. WireGuard repeats a lost initiation only after five
// seconds; a peer without allowed IPs, which carries no traffic, is therefore
// removed and added again after 300 ms, and then after ever longer times, which
// makes it begin afresh. A peer with allowed IPs is only waited for.
func WaitHandshake(ctx context.Context, d Device, key wgtypes.Key, since time.Time) error {
	retry := handshakeRetry
	renewAt := time.Now().Add(retry)
	next := handshakeSoon
	poll := time.NewTimer(next)
	defer poll.Stop()
	for {
		p, err := findPeer(ctx, d, key)
		if err != nil {
			return err
		}
		if p.LastHandshake.After(since) {
			return nil
		}
		if time.Now().After(renewAt) && len(p.AllowedIPs) == 0 && p.Endpoint.IsValid() {
			if err := renew(ctx, d, p); err != nil {
				return err
			}
			retry = min(2*retry, handshakeMax)
			renewAt = time.Now().Add(retry)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a handshake with %v: %w", key, ctx.Err())
		case <-poll.C:
			next = min(2*next, handshakePoll)
			poll.Reset(next)
		}
	}
}

func findPeer(ctx context.Context, d Device, key wgtypes.Key) (Peer, error) {
	now, err := d.State(ctx)
	if err != nil {
		return Peer{}, fmt.Errorf("wait for a handshake with %v: %w", key, err)
	}
	p, ok := now.Peer(key)
	if !ok {
		return Peer{}, fmt.Errorf("wait for a handshake with %v: %w", key, ErrNoPeer)
	}
	return p, nil
}

// Renew makes the interface begin afresh with a peer, which keeps its settings.
func Renew(ctx context.Context, d Device, key wgtypes.Key) error {
	p, err := findPeer(ctx, d, key)
	if err != nil {
		return err
	}
	return renew(ctx, d, p)
}

func renew(ctx context.Context, d Device, p Peer) error {
	change := PeerChange{
		Key: p.Key, Do: RenewPeer, Gain: p.AllowedIPs,
		Endpoint: p.Endpoint, Keepalive: p.Keepalive, SetKeepalive: true,
	}
	if err := d.Apply(ctx, Plan{Peers: []PeerChange{change}}); err != nil {
		return fmt.Errorf("begin a handshake with %v afresh: %w", p.Key, err)
	}
	return nil
}
