package userspace

import (
	"errors"
	"reflect"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"
)

// bind is the engine's pair of sockets, with a way to send for each family.
//
// A [conn.StdNetBind] keeps the addresses that it has sent to for later use. One
// that was used for IPv4 is four bytes long when it is used for IPv6 the next time,
// and only those four are overwritten: the packet goes to the rest of an earlier
// address. A hub with peers at two IPv6 addresses and an IPv4 address sends about
// one packet in ten to the wrong peer.
type bind struct {
	now atomic.Pointer[sockets]
}

var _ conn.Bind = (*bind)(nil)

// sockets are an IPv4 and an IPv6 socket, not yet open, open, or closed for good.
type sockets struct {
	std *conn.StdNetBind // sends to IPv4 addresses, and does all but sending
	six *conn.StdNetBind // the same sockets, and addresses of its own, for IPv6
}

func newBind() (*bind, error) {
	b := new(bind)
	s, err := newSockets()
	b.now.Store(s)
	return b, err
}

func newSockets() (*sockets, error) {
	std, ok := conn.NewStdNetBind().(*conn.StdNetBind)
	if !ok {
		return nil, errors.New("the engine's sockets are not those of package conn")
	}
	return &sockets{std, std}, nil
}

// Open opens the sockets, on a port of their own if port is 0. The engine sends
// nothing meanwhile.
func (b *bind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	s, err := newSockets()
	if err != nil {
		return nil, 0, err
	}
	receive, port, err := s.std.Open(port)
	if err != nil {
		return nil, 0, err
	}
	// A copy while no address has been kept: what both have in common are the sockets.
	s.six = new(conn.StdNetBind)
	reflect.ValueOf(s.six).Elem().Set(reflect.ValueOf(s.std).Elem())
	b.now.Store(s)
	return receive, port, nil
}

// Send sends packets to one address.
func (b *bind) Send(packets [][]byte, to conn.Endpoint) error {
	if to.DstIP().Is6() {
		return b.now.Load().six.Send(packets, to)
	}
	return b.now.Load().std.Send(packets, to)
}

// Close closes the sockets, if they are open.
func (b *bind) Close() error { return b.now.Load().std.Close() }

// SetMark marks what is sent (SO_MARK).
func (b *bind) SetMark(mark uint32) error { return b.now.Load().std.SetMark(mark) }

// ParseEndpoint reads an address and port.
func (b *bind) ParseEndpoint(text string) (conn.Endpoint, error) {
	return b.now.Load().std.ParseEndpoint(text)
}

// BatchSize is how many packets are sent or received at once.
func (b *bind) BatchSize() int { return b.now.Load().std.BatchSize() }
