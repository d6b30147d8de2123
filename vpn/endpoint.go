package vpn

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Endpoint is the parsed form of a record's endpoint: a name or an address,
// and a UDP port.
type Endpoint struct {
	Host string     // as written, without brackets
	Addr netip.Addr // valid if Host is an address
	Port uint16
}

// ParseEndpoint reads host:port or [IPv6]:port. The port is required: there is
// no default that two implementations would have to agree on.
func ParseEndpoint(text string) (Endpoint, error) {
	if at, err := netip.ParseAddrPort(text); err == nil && at.Port() != 0 {
		host := strings.Trim(text[:strings.LastIndexByte(text, ':')], "[]")
		e := Endpoint{Host: host, Addr: at.Addr().Unmap(), Port: at.Port()}
		return e, checkEndpointAddr(e.Addr)
	}
	host, port, err := splitEndpoint(text)
	if err != nil {
		return Endpoint{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return Endpoint{}, fmt.Errorf("bad port %s", quote(port))
	}
	e := Endpoint{Host: host, Port: uint16(number)}
	if addr, err := netip.ParseAddr(host); err == nil {
		e.Addr = addr.Unmap()
		return e, checkEndpointAddr(e.Addr)
	}
	return e, checkName(host)
}

// splitEndpoint splits at the last colon, after having made sure that it does
// not belong to an unbracketed IPv6 address.
func splitEndpoint(text string) (host, port string, err error) {
	if addr, notAddr := netip.ParseAddr(strings.Trim(text, "[]")); notAddr == nil {
		if addr.Is6() && !strings.HasPrefix(text, "[") {
			return "", "", errors.New("missing port (IPv6 addresses are written [address]:port)")
		}
		return "", "", errors.New("missing port")
	}
	host, port, err = net.SplitHostPort(text)
	if err != nil {
		if addrErr, ok := errors.AsType[*net.AddrError](err); ok {
			return "", "", errors.New(strings.TrimSuffix(addrErr.Err, " in address"))
		}
		return "", "", fmt.Errorf("split host and port: %w", err)
	}
	return host, port, nil
}

func checkEndpointAddr(addr netip.Addr) error {
	if addr.IsUnspecified() || addr.IsMulticast() {
		return errors.New("not the address of a machine")
	}
	return nil
}

// checkName refuses what cannot be a host name (RFC 1123, and underscores,
// which occur), so that rubbish does not reach the name service.
func checkName(host string) error {
	if host == "" {
		return errors.New("missing host")
	}
	if len(host) > 253 {
		return errors.New("host name too long")
	}
	for _, r := range host {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		digit := r >= '0' && r <= '9'
		if !letter && !digit && !strings.ContainsRune("-._", r) {
			return fmt.Errorf("bad character %q in host name", r)
		}
	}
	return nil
}

// literalAddr finds the address in an endpoint's text even if the rest of it is
// rubbish: also an endpoint without a port tells of an address that must not
// go into the tunnel.
func literalAddr(text string) (netip.Addr, bool) {
	host := text
	if h, _, err := net.SplitHostPort(text); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}
