package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// Types of ICMP messages (RFC 792, RFC 4443).
const (
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
	echoSize     = 16 // header and eight bytes of payload
)

// echo is one conversation of ICMP echo messages between a node and an address.
type echo struct {
	conn           net.PacketConn
	to             net.Addr
	request, reply byte
	id             uint16
}

// newEcho opens a raw socket in the node. Each socket gets all ICMP messages that arrive;
// the id tells conversations apart.
func (n *Node) newEcho(ctx context.Context, to netip.Addr) (*echo, error) {
	id := uint16(n.lab.echoes.Add(1)) //nolint:gosec // it may wrap: old conversations are over
	e := &echo{to: &net.IPAddr{IP: to.AsSlice()}, id: id, request: echoRequest4, reply: echoReply4}
	network, all := "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		network, all = "ip6:ipv6-icmp", "::"
		e.request, e.reply = echoRequest6, echoReply6
	}
	var err error
	if e.conn, err = n.ListenPacket(ctx, network, all); err != nil {
		return nil, fmt.Errorf("node %d: open ICMP: %w", n.ID, err)
	}
	return e, nil
}

func (e *echo) send(sequence uint16) error {
	m := make([]byte, echoSize)
	m[0] = e.request
	binary.BigEndian.PutUint16(m[4:], e.id)
	binary.BigEndian.PutUint16(m[6:], sequence)
	if e.request == echoRequest4 { // for IPv6 the kernel computes it
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	_, err := e.conn.WriteTo(m, e.to)
	return err
}

// receive waits for the next answer of this conversation.
func (e *echo) receive(until time.Time) error {
	if err := e.conn.SetReadDeadline(until); err != nil {
		return err
	}
	m := make([]byte, 256)
	for {
		size, from, err := e.conn.ReadFrom(m)
		if err != nil {
			return err
		}
		mine := size >= echoSize && m[0] == e.reply && binary.BigEndian.Uint16(m[4:]) == e.id
		if mine && from.String() == e.to.String() {
			return nil
		}
	}
}

// checksum is the Internet checksum of RFC 1071.
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum + sum>>16)
}

// echoPeriod is the time between two echo requests of a Ping, as ping(8) has it.
const echoPeriod = time.Second

// Ping sends echo requests from the node until one is answered, and returns the time since
// the first. WireGuard may lose what comes with a handshake, and repeats nothing.
func (n *Node) Ping(ctx context.Context, address string, timeout time.Duration) (took time.Duration, err error) {
	to, err := netip.ParseAddr(address)
	if err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	e, err := n.newEcho(ctx, to)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.conn.Close()) }()
	began := time.Now()
	if err = e.exchange(began.Add(timeout)); err != nil {
		return 0, fmt.Errorf("node %d: ping %s: %w", n.ID, to, err)
	}
	return time.Since(began), nil
}

// exchange asks until there is an answer.
func (e *echo) exchange(until time.Time) error {
	for sequence := uint16(1); ; sequence++ {
		if err := e.send(sequence); err != nil {
			return err
		}
		next := time.Now().Add(echoPeriod)
		if next.After(until) {
			return e.receive(until)
		}
		if err := e.receive(next); !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}
