// Package loopback gives servers that tests start addresses of their own. The machine has all of
// 127.0.0.0/8 (RFC 1122, section 3.2.1.3), so that nobody else listens there while such a server is
// off, as others do that look for a free port of 127.0.0.1.
package loopback

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// Address is one of two million, drawn by chance; 127.0.0.0/16, where others are, has none of them.
func Address() netip.Addr {
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], rand.Uint32()) //nolint:gosec // an address need not be a secret
	address[0], address[1], address[3] = 127, address[1]|1, address[3]&0x7f|1
	return netip.AddrFrom4(address)
}
