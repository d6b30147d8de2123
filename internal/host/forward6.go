package host

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// Forward6 makes the kernel pass on IPv6 packets that arrive by the interfaces
// given; those that are not there are passed over. It returns what was changed, as
// lines of sysctl.conf(5).
//
// Linux 6.17 and later can do so for single interfaces, which changes nothing else
// on the machine. Older kernels know only net.ipv6.conf.all.forwarding, which makes
// the whole machine a router: one that takes no more router advertisements, by which
// it may have got its addresses, and that forgets the routes it has from them. Both
// are kept from happening where accept_ra is 2 before that. A machine whose
// interfaces take no advertisements (0) has its addresses from somewhere else.
//
// An error names what has to be set by hand.
func (f Files) Forward6(interfaces ...string) ([]string, error) {
	all := f.setting6("all", "forwarding")
	on, err := all.is("1")
	if err != nil {
		return nil, fmt.Errorf("pass IPv6 packets on, set %s = 1: %w", all.name, err)
	}
	if on {
		return nil, nil
	}
	if !f.setting6("default", "force_forwarding").exists() {
		return f.forwardAll6(all)
	}
	var single []sysctl
	for _, name := range interfaces {
		if s := f.setting6(name, "force_forwarding"); s.exists() {
			single = append(single, s)
		}
	}
	return setAll(single, "1")
}

// forwardAll6 makes the machine a router that goes on listening to others.
func (f Files) forwardAll6(all sysctl) ([]string, error) {
	paths, err := filepath.Glob(f.path("proc/sys/net/ipv6/conf/*/accept_ra"))
	if err != nil {
		return nil, err
	}
	var listening []sysctl
	for _, path := range paths {
		s := f.setting6(filepath.Base(filepath.Dir(path)), "accept_ra")
		var listens bool
		listens, err = s.is("1")
		if err != nil {
			return nil, err
		}
		if listens {
			listening = append(listening, s)
		}
	}
	changed, err := setAll(listening, "2")
	if err != nil {
		return changed, err
	}
	last, err := setAll([]sysctl{all}, "1")
	return append(changed, last...), err
}

// sysctl is a setting of the kernel.
type sysctl struct{ name, path string }

func (f Files) setting6(scope, name string) sysctl {
	// Interfaces may have dots in their names, which sysctl(8) writes as slashes.
	return sysctl{
		name: "net.ipv6.conf." + strings.ReplaceAll(scope, ".", "/") + "." + name,
		path: f.path("proc/sys/net/ipv6/conf", scope, name),
	}
}

func (s sysctl) exists() bool {
	_, err := os.Stat(s.path)
	return err == nil
}

func (s sysctl) is(value string) (bool, error) {
	have, err := os.ReadFile(s.path)
	return strings.TrimSpace(string(have)) == value, err
}

// setAll gives settings a value where they have another one.
func setAll(settings []sysctl, value string) ([]string, error) {
	var changed []string
	for _, s := range settings {
		on, err := s.is(value)
		if err == nil && !on {
			err = os.WriteFile(s.path, []byte(value+"\n"), 0o644) //nolint:gosec // a file of the kernel
			changed = append(changed, s.name+" = "+value)
		}
		if err != nil {
			return changed, fmt.Errorf("pass IPv6 packets on, set %s = %s: %w", s.name, value, err)
		}
	}
	return changed, nil
}

// InterfaceTo is the name of the interface by which this machine reaches an
// address; empty if the address is its own, or if it does not know how.
func InterfaceTo(address netip.Addr) (string, error) {
	routes, err := netlink.RouteGet(address.AsSlice())
	if err != nil || len(routes) == 0 || routes[0].Type != unicast {
		return "", nil //nolint:nilerr // there is no way
	}
	link, err := net.InterfaceByIndex(routes[0].LinkIndex)
	if err != nil {
		return "", fmt.Errorf("find the interface to %s: %w", address, err)
	}
	return link.Name, nil
}

// unicast is RTN_UNICAST of rtnetlink(7): the address is elsewhere.
const unicast = 1
