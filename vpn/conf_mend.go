package vpn

import (
	"net/netip"
	"slices"
	"strings"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// mend drops what is left of a line, or of a header, at which a file was cut off:
// wg-quick would bring up nothing for its sake. What an administrator has written
// in whole stays, also if wg-quick does not understand it.
func (c *Conf) mend() {
	c.sections = slices.DeleteFunc(c.sections, section.cutHeader)
	for i := range c.sections {
		s := &c.sections[i]
		if slices.ContainsFunc(s.lines, cutLine) && (s.is("interface") || s.is("peer")) {
			s.lines = slices.DeleteFunc(slices.Clone(s.lines), cutLine)
			*s = s.learnt()
		}
	}
	addresses := slices.DeleteFunc(c.addresses(), func(text string) bool {
		_, err := parseAddress(text)
		return err != nil
	})
	if len(addresses) < len(c.addresses()) {
		c.SetInterface("Address", addresses...)
	}
}

// cutHeader says whether the section is a header's beginning and nothing else.
func (s section) cutHeader() bool {
	text := strings.ToLower(strings.TrimSpace(s.header))
	begun := beginning("[interface", text) || beginning("[peer", text)
	return text != "" && begun && s.blank()
}

// blank says whether the section has no settings.
func (s section) blank() bool {
	return !slices.ContainsFunc(s.lines, func(line string) bool {
		return strings.TrimSpace(withoutComment(line)) != ""
	})
}

// quickKeys are the keys of wg-quick(8) and wg(8), in lower case.
func quickKeys() []string {
	return []string{
		"address", "dns", "mtu", "table", "preup", "postup", "predown", "postdown", "saveconfig",
		"privatekey", "listenport", "fwmark",
		"publickey", "presharedkey", "allowedips", "endpoint", "persistentkeepalive",
	}
}

// cutLine says whether a line is the beginning of a setting: of its name, or of a
// value that would be refused.
func cutLine(line string) bool {
	key, value := keyValue(line)
	switch {
	case key == "":
		return false
	case value == "":
		return strings.Contains(withoutComment(line), "=") || beginsKey(key)
	case isKey(key, "PresharedKey"):
		_, err := wgtypes.ParseKey(value)
		return err != nil
	case isKey(key, "PostUp"):
		return cutUnroute(value)
	default:
		return false
	}
}

func beginsKey(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(quickKeys(), func(key string) bool { return beginning(key, text) })
}

// cutUnroute recognises the beginning of a command of SetUnrouted, unless it is a
// command as it stands: that may be an administrator's.
func cutUnroute(command string) bool {
	rest, begun := strings.CutPrefix(command, unroutePrefix)
	if !begun {
		return beginning(unroutePrefix, command)
	}
	dst, end, more := strings.Cut(rest, " ")
	if prefix, err := netip.ParsePrefix(dst); err != nil || prefix != prefix.Masked() {
		return !more
	}
	return more && end != "dev %i" && end != unrouteSuffix[1:] && beginning(unrouteSuffix[1:], end)
}

// beginning says whether whole begins with text.
func beginning(whole, text string) bool { return strings.HasPrefix(whole, text) }
