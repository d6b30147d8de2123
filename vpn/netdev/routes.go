package netdev

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"cluster-agent/vpn"
)

// readRoutes reads the main table: routes through the interface, and single
// addresses that go through another one. index is that of the interface, 0 if there
// is none.
func (d *Device) readRoutes(s *vpn.State, index int) error {
	routes, err := dump(d.mainTable)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		switch {
		case index != 0 && r.link == index:
			s.Routes = append(s.Routes, r.Route)
		case r.Dst.IsSingleIP():
			s.HostRoutes = append(s.HostRoutes, r.Dst)
		}
	}
	return nil
}

// tableRoute is a route, and the interface that it goes through.
type tableRoute struct {
	vpn.Route

	link int
}

// mainTable lists the unicast routes of the main table.
func (d *Device) mainTable() ([]tableRoute, error) {
	var routes []tableRoute
	request := make([]byte, unix.SizeofRtMsg) // of any family
	err := d.lists.dump(unix.RTM_GETROUTE, request, func(message []byte) {
		if r, ok := parseRoute(message); ok {
			routes = append(routes, r)
		}
	})
	return routes, err
}

// Offsets in struct rtmsg, see rtnetlink(7).
const (
	rtFamily   = 0
	rtDstBits  = 1
	rtTable    = 4
	rtProtocol = 5
	rtScope    = 6
	rtType     = 7
	rtFlags    = 8
)

// parseRoute reads a message of the kernel; false if it is no unicast route of the
// main table to IPv4 or IPv6 addresses. A hub has thousands of them, of which the
// library would make a dozen allocations each.
func parseRoute(message []byte) (r tableRoute, ok bool) {
	if len(message) < unix.SizeofRtMsg || message[rtTable] != unix.RT_TABLE_MAIN || message[rtType] != unix.RTN_UNICAST ||
		binary.NativeEndian.Uint32(message[rtFlags:])&unix.RTM_F_CLONED != 0 {
		return r, false
	}
	r.Protocol, r.Scope = int(message[rtProtocol]), message[rtScope]
	var dst netip.Addr
	switch message[rtFamily] {
	case unix.AF_INET:
		dst = netip.IPv4Unspecified() // a default route has no destination
	case unix.AF_INET6:
		dst = netip.IPv6Unspecified()
	default:
		return r, false
	}
	for kind, value := range attributes(message[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			if dst, ok = netip.AddrFromSlice(value); !ok {
				return r, false
			}
		case unix.RTA_OIF:
			r.link = number(value)
		case unix.RTA_PRIORITY:
			r.Metric = number(value)
		}
	}
	r.Dst = netip.PrefixFrom(dst.Unmap(), int(message[rtDstBits]))
	return r, r.Dst.IsValid()
}

func number(value []byte) int {
	if len(value) < 4 {
		return 0
	}
	return int(binary.NativeEndian.Uint32(value))
}

// typeMask takes the flags from the type of an attribute.
const typeMask = 0x3fff

// attributes yields the type and the value of each attribute of a message.
func attributes(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			size := int(binary.NativeEndian.Uint16(b))
			if size < unix.SizeofRtAttr || size > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&typeMask, b[unix.SizeofRtAttr:size]) {
				return
			}
			b = b[min(aligned(size), len(b)):]
		}
	}
}

// aligned rounds up to where netlink puts what comes next.
func aligned(size int) int { return (size + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }
