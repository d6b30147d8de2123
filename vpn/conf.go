package vpn

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Conf is a wg-quick file, kept as it was written: lines that nobody changes
// through its methods come out as they went in, also those this package does
// not understand. Sections are read as wg-quick and wg do: names and keys in
// any case, comments from # to the end of the line.
type Conf struct {
	sections []section // the first one holds what stands before any header and has none
}

// ParseConf reads a wg-quick file. There is no file it refuses; an empty one
// gives an empty Conf.
func ParseConf(data []byte) Conf {
	return parseConf(string(data))
}

func parseConf(text string) Conf {
	const lines = 6 // of a section that this package writes
	current := section{}
	c := Conf{sections: make([]section, 0, 1+strings.Count(text, "\n["))}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if _, isHeader := header(line); isHeader {
			lead := current.cutLead()
			c.sections = append(c.sections, current.learnt())
			current = section{lead: lead, header: line, lines: make([]string, 0, lines)}
			continue
		}
		current.lines = append(current.lines, line)
	}
	c.sections = append(c.sections, current.learnt())
	return c
}

// Bytes renders the file.
func (c Conf) Bytes() []byte {
	size := 0
	for line := range c.lines {
		size += len(line) + 1
	}
	var b bytes.Buffer
	b.Grow(size)
	for line := range c.lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// lines yields the lines of the file, without their ends.
func (c Conf) lines(yield func(string) bool) {
	for _, s := range c.sections {
		if !s.yield(yield) {
			return
		}
	}
}

// hasLines tells whether the file has the lines of text, whatever their ends.
func (c Conf) hasLines(text string) bool {
	for line := range c.lines {
		if text == "" {
			return false
		}
		var first string
		first, text, _ = strings.Cut(text, "\n")
		if strings.TrimRight(first, "\r") != line {
			return false
		}
	}
	return text == ""
}

// reads tells whether the file reads as text does, to the last byte.
func (c Conf) reads(text string) bool {
	for line := range c.lines {
		rest, same := strings.CutPrefix(text, line)
		if !same || rest == "" || rest[0] != '\n' {
			return false
		}
		text = rest[1:]
	}
	return text == ""
}

// Interface returns the values of a key of the [Interface] section, in order,
// without comments; Address and DNS may hold several in one value.
func (c Conf) Interface(key string) []string {
	if i := c.find(); i >= 0 {
		return c.sections[i].values(key)
	}
	return nil
}

// SetInterface gives a key of the [Interface] section the given values, one
// line each, at the place where it was. Nothing is changed if it has them
// already; without values the key is removed.
func (c *Conf) SetInterface(key string, values ...string) {
	c.interfaceSection().set(key, values...)
}

// PrivateKey returns the private key of the interface, if there is a good one.
func (c Conf) PrivateKey() (wgtypes.Key, bool) {
	values := c.Interface("PrivateKey")
	if len(values) == 0 {
		return wgtypes.Key{}, false
	}
	key, err := wgtypes.ParseKey(values[len(values)-1])
	return key, err == nil && key != wgtypes.Key{}
}

// SetPrivateKey sets the private key of the interface.
func (c *Conf) SetPrivateKey(key wgtypes.Key) { c.SetInterface("PrivateKey", key.String()) }

// ListenPort returns the UDP port of the interface; 0: not set, or not a port.
func (c Conf) ListenPort() int {
	values := c.Interface("ListenPort")
	if len(values) == 0 {
		return 0
	}
	port, err := strconv.ParseUint(values[len(values)-1], 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}

// SetListenPort sets the UDP port of the interface.
func (c *Conf) SetListenPort(port int) { c.SetInterface("ListenPort", strconv.Itoa(port)) }

// SetAddress makes address, as ADDRESS/32, the one in the cluster network.
// Addresses outside that network are an administrator's and stay.
func (c *Conf) SetAddress(address netip.Addr, network netip.Prefix) {
	kept := []string{host(address).String()}
	have := false
	for _, text := range c.addresses() {
		prefix, err := parseAddress(text)
		switch {
		case err == nil && prefix.Addr() == address:
			have = true // with the prefix length it has
			kept[0] = text
		case err == nil && network.Contains(prefix.Addr()):
		default:
			kept = append(kept, text)
		}
	}
	if have && len(kept) == len(c.addresses()) {
		return
	}
	c.SetInterface("Address", kept...)
}

func (c Conf) addresses() []string {
	all := make([]string, 0, 1)
	for _, value := range c.Interface("Address") {
		all = append(all, splitList(value)...)
	}
	return all
}

// parseAddress reads an address with or without a prefix length.
func parseAddress(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return host(addr), nil
}

func splitList(value string) []string { return strings.FieldsFunc(value, separates) }

// separates tells what stands between the values of a list.
func separates(r rune) bool { return r == ',' || unicode.IsSpace(r) }

// find returns the index of the first [Interface] section, or -1.
func (c Conf) find() int {
	return slices.IndexFunc(c.sections, func(s section) bool { return s.is("interface") })
}

// interfaceSection returns the [Interface] section; a file without one gets it
// in front of the peers.
func (c *Conf) interfaceSection() *section {
	if i := c.find(); i >= 0 {
		return &c.sections[i]
	}
	if len(c.sections) == 0 {
		c.sections = []section{{}}
	}
	c.sections = slices.Insert(c.sections, 1, section{header: "[Interface]"})
	return &c.sections[1]
}
