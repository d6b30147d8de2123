package host

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"cluster-agent/internal/loopback"
)

// A connection that was used has a round trip; an address without one has none.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { must(t, listener.Close()) }()
	at := netip.MustParseAddrPort(listener.Addr().String())
	if took, askErr := RoundTrip(at); askErr != nil || took != 0 {
		t.Errorf("without a connection: %v, %v", took, askErr)
	}
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at.String())
	must(t, err)
	defer func() { must(t, connection.Close()) }()
	if took, err := RoundTrip(at); err != nil || took <= 0 || took > time.Second {
		t.Errorf("with one: %v, %v", took, err)
	}
}

// Who listens is there even if it accepts nothing; who does not, is not.
func TestConnects(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(loopback.Address().String(), "0"))
	must(t, err)
	at := netip.MustParseAddrPort(listener.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	must(t, Connects(ctx, at))
	must(t, listener.Close())
	if Connects(ctx, at) == nil {
		t.Error("nobody listens, and it connects")
	}
}
