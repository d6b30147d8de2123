package netdev

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/vpn"
)

// A userspace engine answers on a socket, in lines key=value, see
// https://www.wireguard.com/xplatform/. wgctrl reads them too, and makes a dozen
// allocations of each peer, of which a hub has thousands; here they become peers at
// once.

// socketDir is where engines have their sockets.
const socketDir = "/var/run/wireguard/"

// readEngine reads the WireGuard side from a userspace engine; false if none serves
// the interface.
func (d *Device) readEngine(ctx context.Context, s *vpn.State) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socketDir+d.name+".sock")
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return false, nil // the latter is what a killed engine leaves
	}
	if err != nil {
		return false, fmt.Errorf("ask the WireGuard engine: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { hangUp(conn) })
	defer stop()
	err = askEngine(conn, s)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err = errors.Join(err, ignoreClosed(conn.Close())); err != nil {
		return false, fmt.Errorf("wait for the WireGuard engine: %w", err)
	}
	return true, nil
}

// hangUp ends all waiting on a connection.
func hangUp(conn net.Conn) {
	if err := conn.SetDeadline(time.Unix(1, 0)); err != nil {
		return // it is closed
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func askEngine(conn net.Conn, s *vpn.State) error {
	if _, err := conn.Write([]byte("get=1\n\n")); err != nil {
		return err
	}
	const room = 64 << 10
	return readAnswer(bufio.NewReaderSize(conn, room), s)
}

// readAnswer reads an engine's answer up to the empty line that ends it.
func readAnswer(r *bufio.Reader, s *vpn.State) error {
	a := answer{State: s}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) == 0 {
			break
		}
		key, value, found := bytes.Cut(line, []byte("="))
		if !found {
			return fmt.Errorf("a line of its answer is %.80q", line)
		}
		if err := a.take(key, value); err != nil {
			return fmt.Errorf("%s in its answer: %w", key, err)
		}
	}
	for i := range s.Peers {
		slices.SortFunc(s.Peers[i].AllowedIPs, netip.Prefix.Compare)
	}
	return nil
}

// answer takes what an engine says of the interface into a State.
type answer struct {
	*vpn.State

	seconds int64 // of the last handshake of the last peer
}

// take takes one line. Lines of keys that it does not know are passed over.
func (a *answer) take(key, value []byte) (err error) {
	if string(key) == "public_key" {
		var public wgtypes.Key
		public, err = hexKey(value)
		a.Peers = append(a.Peers, vpn.Peer{Key: public})
		return err
	}
	if len(a.Peers) > 0 {
		return a.takePeer(&a.Peers[len(a.Peers)-1], string(key), string(value))
	}
	switch string(key) {
	case "private_key":
		var private wgtypes.Key
		private, err = hexKey(value)
		a.PublicKey = private.PublicKey()
	case "listen_port":
		a.ListenPort, err = strconv.Atoi(string(value))
	case "errno":
		err = refusal(string(value))
	}
	return err
}

// takePeer takes a line that follows the key of a peer.
func (a *answer) takePeer(p *vpn.Peer, key, value string) (err error) {
	switch key {
	case "endpoint":
		var at netip.AddrPort
		at, err = netip.ParseAddrPort(value)
		p.Endpoint = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	case "allowed_ip":
		var ip netip.Prefix
		ip, err = netip.ParsePrefix(value)
		p.AllowedIPs = append(p.AllowedIPs, ip.Masked())
	case "persistent_keepalive_interval":
		var seconds int
		seconds, err = strconv.Atoi(value)
		p.Keepalive = time.Duration(seconds) * time.Second
	case "last_handshake_time_sec":
		a.seconds, err = strconv.ParseInt(value, 10, 64)
	case "last_handshake_time_nsec":
		var nanoseconds int64
		if nanoseconds, err = strconv.ParseInt(value, 10, 64); a.seconds != 0 || nanoseconds != 0 {
			p.LastHandshake = time.Unix(a.seconds, nanoseconds)
		}
	case "rx_bytes":
		p.Received, err = strconv.ParseInt(value, 10, 64)
	case "tx_bytes":
		p.Sent, err = strconv.ParseInt(value, 10, 64)
	case "errno":
		err = refusal(value)
	}
	return err
}

// refusal is the engine's error; 0 is none.
func refusal(number string) error {
	code, err := strconv.Atoi(number)
	if err == nil && code != 0 {
		return fmt.Errorf("it refuses with %d", code)
	}
	return err
}

func hexKey(text []byte) (key wgtypes.Key, err error) {
	if hex.DecodedLen(len(text)) != wgtypes.KeyLen {
		return key, errors.New("not a key")
	}
	_, err = hex.Decode(key[:], text)
	return key, err
}
