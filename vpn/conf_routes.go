package vpn

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// SetUnrouted names the allowed IPs that are not to be routed through the
// tunnel. wg-quick makes a route for every allowed IP and knows no exception,
// so each of these gets a PostUp line that takes the route away again. Other
// PostUp lines stay as they are.
func (c *Conf) SetUnrouted(prefixes []netip.Prefix) {
	s := c.interfaceSection()
	want := make([]string, 0, len(prefixes))
	for _, p := range prefixes {
		want = append(want, fmt.Sprintf("PostUp = %s%s%s", unroutePrefix, p, unrouteSuffix))
	}
	var have []string
	kept := slices.DeleteFunc(slices.Clone(s.lines), func(line string) bool {
		mine := unroutes(line)
		if mine {
			have = append(have, line)
		}
		return mine
	})
	if slices.Equal(have, want) {
		return
	}
	s.lines = slices.Insert(kept, textEnd(kept), want...)
}

const (
	unroutePrefix = "ip route del "
	unrouteSuffix = " dev %i || true"
)

// unroutes recognises a line of SetUnrouted by its form: wg-quick save keeps
// the command, but no comment beside it.
func unroutes(line string) bool {
	key, value := keyValue(line)
	text, found := strings.CutPrefix(value, unroutePrefix)
	text, ends := strings.CutSuffix(text, unrouteSuffix)
	_, err := netip.ParsePrefix(text)
	return isKey(key, "PostUp") && found && ends && err == nil
}
