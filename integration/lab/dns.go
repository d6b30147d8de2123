package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// DNS is a name server at the switch, whose answers a test changes. It knows A and
// AAAA records with a lifetime of zero, over UDP, and is asked by IPv4 or IPv6.
type DNS struct {
	conn net.PacketConn
	done chan struct{}

	mu     sync.Mutex
	names  map[string][]netip.Addr
	asked  map[string]int
	silent bool
}

// StartDNS starts the name server and makes all nodes use it.
func (l *Lab) StartDNS(ctx context.Context) (*DNS, error) {
	conn, err := inNetwork(l.router.pid, func() (net.PacketConn, error) {
		var c net.ListenConfig
		return c.ListenPacket(ctx, "udp", ":53")
	})
	if err != nil {
		return nil, fmt.Errorf("start the name server: %w", err)
	}
	d := &DNS{conn: conn, done: make(chan struct{}), names: map[string][]netip.Addr{}, asked: map[string]int{}}
	go d.serve()
	servers := fmt.Sprintf("nameserver %s\nnameserver %s\n", Address4(routerID), Address6(routerID))
	for _, n := range l.Nodes {
		if err := n.WriteFile("/etc/resolv.conf", servers, 0o644); err != nil {
			return nil, errors.Join(err, d.Stop())
		}
	}
	return d, nil
}

// Set gives a name its addresses; none: the name does not exist.
func (d *DNS) Set(name string, addresses ...netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[strings.ToLower(name)] = addresses
}

// SetSilent makes the server answer nobody, or everybody again.
func (d *DNS) SetSilent(silent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = silent
}

// Asked is how often a name was asked for, whatever the type.
func (d *DNS) Asked(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[strings.ToLower(name)]
}

// Stop ends the server.
func (d *DNS) Stop() error {
	err := d.conn.Close()
	<-d.done
	return err
}

// serve answers until the socket is closed.
func (d *DNS) serve() {
	defer close(d.done)
	query := make([]byte, 512)
	for {
		size, from, err := d.conn.ReadFrom(query)
		if err != nil {
			return
		}
		if answer := d.answer(query[:size]); answer != nil {
			if _, err = d.conn.WriteTo(answer, from); err != nil {
				return
			}
		}
	}
}

// Parts of a DNS message (RFC 1035, 4.1).
const (
	dnsHeader   = 12
	dnsResponse = 1 << 15
	dnsDesired  = 1 << 8 // recursion
	dnsNoName   = 3
	dnsPointer  = 0xc000 | dnsHeader // to the name of the question
	typeA       = 1
	typeAAAA    = 28
	classIN     = 1
)

// answer makes the response to a query of one question; nil: none.
func (d *DNS) answer(query []byte) []byte {
	name, end := dnsName(query)
	if end == 0 || len(query) < end+4 {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end:])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[name]++
	if d.silent {
		return nil
	}
	flags := uint16(dnsResponse | dnsDesired)
	if len(d.names[name]) == 0 {
		flags |= dnsNoName
	}
	response := make([]byte, dnsHeader, 512)
	copy(response, query[:2])
	binary.BigEndian.PutUint16(response[2:], flags)
	binary.BigEndian.PutUint16(response[4:], 1)
	response = append(response, query[dnsHeader:end+4]...)
	count := uint16(0)
	for _, address := range d.names[name] {
		if address.Is4() && kind == typeA || address.Is6() && kind == typeAAAA {
			response = appendRecord(response, kind, address)
			count++
		}
	}
	binary.BigEndian.PutUint16(response[6:], count)
	return response
}

func appendRecord(response []byte, kind uint16, address netip.Addr) []byte {
	data := address.AsSlice()
	for _, word := range []uint16{dnsPointer, kind, classIN, 0, 0, uint16(len(data))} { //nolint:gosec // 4 or 16
		response = binary.BigEndian.AppendUint16(response, word)
	}
	return append(response, data...)
}

// dnsName reads the name of the question, in lower case, and where it ends; 0 if
// there is none.
func dnsName(query []byte) (name string, end int) {
	var labels []string
	for at := dnsHeader; at < len(query); {
		size := int(query[at])
		at++
		if size == 0 {
			return strings.ToLower(strings.Join(labels, ".")), at
		}
		if size > 63 || at+size > len(query) {
			break
		}
		labels = append(labels, string(query[at:at+size]))
		at += size
	}
	return "", 0
}
