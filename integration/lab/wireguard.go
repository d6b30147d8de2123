package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Peer is a WireGuard peer, of the interface or in wg0.conf.
type Peer struct {
	Key        string
	Endpoint   string // HOST:PORT, empty when unknown
	AllowedIPs []string
	Handshake  time.Time // the last one; zero when there was none, and in wg0.conf
	Keepalive  int       // seconds, 0 is off
}

// Device is wg0, as the interface or its file has it.
type Device struct {
	Key   string // public; of wg0.conf, which has only the private one, empty
	Port  int
	Peers []Peer // by key: the userspace engine lists them in any order
}

// WireGuard returns wg0 as `wg show` sees it.
func (n *Node) WireGuard(ctx context.Context) (Device, error) {
	out, err := n.Run(ctx, "wg", "show", vpnLink, "dump")
	if err != nil {
		return Device{}, err
	}
	d, err := parseDump(out)
	if err != nil {
		return Device{}, fmt.Errorf("node %d: wg show: %w", n.ID, err)
	}
	return d, nil
}

// Fields of a line of `wg show dump` (wg(8)).
const (
	dumpDeviceFields = 4
	dumpPeerFields   = 8
)

func parseDump(text string) (Device, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	fields := strings.Split(lines[0], "\t")
	if len(fields) != dumpDeviceFields {
		return Device{}, fmt.Errorf("the first line has %d fields", len(fields))
	}
	port, err := strconv.Atoi(fields[2])
	if err != nil {
		return Device{}, fmt.Errorf("port: %w", err)
	}
	d := Device{Key: fields[1], Port: port}
	for _, line := range lines[1:] {
		p, err := parseDumpPeer(strings.Split(line, "\t"))
		if err != nil {
			return Device{}, err
		}
		d.Peers = append(d.Peers, p)
	}
	d.sort()
	return d, nil
}

func (d *Device) sort() {
	slices.SortFunc(d.Peers, func(a, b Peer) int { return strings.Compare(a.Key, b.Key) })
}

// parseDumpPeer reads key, preshared key, endpoint, allowed IPs, handshake, received,
// sent, keepalive.
func parseDumpPeer(fields []string) (Peer, error) {
	if len(fields) != dumpPeerFields {
		return Peer{}, fmt.Errorf("a peer has %d fields", len(fields))
	}
	p := Peer{Key: fields[0], Endpoint: orEmpty(fields[2])}
	if allowed := orEmpty(fields[3]); allowed != "" {
		p.AllowedIPs = sorted(strings.Split(allowed, ","))
	}
	seconds, err := strconv.ParseInt(fields[4], 10, 64)
	if err != nil {
		return Peer{}, fmt.Errorf("handshake: %w", err)
	}
	if seconds > 0 {
		p.Handshake = time.Unix(seconds, 0)
	}
	if fields[7] != "off" {
		if p.Keepalive, err = strconv.Atoi(fields[7]); err != nil {
			return Peer{}, fmt.Errorf("keepalive: %w", err)
		}
	}
	return p, nil
}

func orEmpty(field string) string {
	if field == "(none)" {
		return ""
	}
	return field
}

// Conf returns wg0 as wg0.conf says.
func (n *Node) Conf() (Device, error) {
	text, err := n.ReadFile(vpnConf)
	if err != nil {
		return Device{}, err
	}
	d, err := parseConf(text)
	if err != nil {
		return Device{}, fmt.Errorf("node %d: %s: %w", n.ID, vpnConf, err)
	}
	return d, nil
}

func parseConf(text string) (Device, error) {
	var d Device
	section := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if section = strings.ToLower(line); section == "[peer]" {
				d.Peers = append(d.Peers, Peer{})
			}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		if err := d.set(section, strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)); err != nil {
			return Device{}, fmt.Errorf("%s: %w", strings.TrimSpace(name), err)
		}
	}
	for i := range d.Peers {
		d.Peers[i].AllowedIPs = sorted(d.Peers[i].AllowedIPs)
	}
	d.sort()
	return d, nil
}

// set takes over one line of wg0.conf.
func (d *Device) set(section, name, value string) (err error) {
	if section == "[interface]" {
		if name == "listenport" {
			d.Port, err = strconv.Atoi(value)
		}
		return err
	}
	if section != "[peer]" {
		return errors.New("stands in no section")
	}
	p := &d.Peers[len(d.Peers)-1]
	switch name {
	case "publickey":
		p.Key = value
	case "endpoint":
		p.Endpoint = value
	case "allowedips":
		for ip := range strings.SplitSeq(value, ",") {
			p.AllowedIPs = append(p.AllowedIPs, strings.TrimSpace(ip))
		}
	case "persistentkeepalive":
		if value != "off" {
			p.Keepalive, err = strconv.Atoi(value)
		}
	}
	return err
}

// sorted orders addresses by their value, as people do, and drops nothing.
func sorted(prefixes []string) []string {
	slices.SortFunc(prefixes, func(a, b string) int {
		x, errX := netip.ParsePrefix(a)
		y, errY := netip.ParsePrefix(b)
		if errX != nil || errY != nil {
			return strings.Compare(a, b)
		}
		return x.Addr().Compare(y.Addr())
	})
	return prefixes
}
