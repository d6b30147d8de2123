package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cluster-agent/integration/lab"
)

// tunnel says which peer each address belongs to, by the peer's public key in hex.
type tunnel map[netip.Addr]string

// readTunnel asks a node's engine over its control socket, which costs no process. The
// kernel's WireGuard has none: wg is asked then.
func readTunnel(ctx context.Context, n *lab.Node) (tunnel, error) {
	path := "/proc/" + strconv.Itoa(n.Holder()) + "/root/run/wireguard/wg0.sock"
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) {
		return askWG(ctx, n)
	}
	if err != nil {
		return nil, fmt.Errorf("node %d: reach its engine: %w", n.ID, err)
	}
	t, err := askEngine(conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return nil, fmt.Errorf("node %d: ask its engine: %w", n.ID, err)
	}
	return t, nil
}

func askEngine(conn net.Conn) (tunnel, error) {
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "get=1\n\n"); err != nil {
		return nil, err
	}
	return parseEngine(conn)
}

// parseEngine reads the answer to "get", up to its empty line: see
// https://www.wireguard.com/xplatform/#configuration-protocol.
func parseEngine(answer io.Reader) (tunnel, error) {
	t := tunnel{}
	peer := ""
	lines := bufio.NewScanner(answer)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch name {
		case "":
			return t, nil
		case "public_key":
			peer = value
		case "allowed_ip":
			if prefix, err := netip.ParsePrefix(value); err == nil && prefix.IsSingleIP() {
				t[prefix.Addr()] = peer
			}
		case "errno":
			if code, err := strconv.Atoi(value); err == nil && code != 0 {
				return nil, syscall.Errno(code)
			}
		}
	}
	return nil, errors.Join(io.ErrUnexpectedEOF, lines.Err())
}

// askWG is readTunnel for the kernel's WireGuard.
func askWG(ctx context.Context, n *lab.Node) (tunnel, error) {
	device, err := n.WireGuard(ctx)
	if err != nil {
		return nil, err
	}
	t := tunnel{}
	for _, peer := range device.Peers {
		key, err := hexKey(peer.Key)
		if err != nil {
			return nil, err
		}
		for _, allowed := range peer.AllowedIPs {
			if prefix, err := netip.ParsePrefix(allowed); err == nil && prefix.IsSingleIP() {
				t[prefix.Addr()] = key
			}
		}
	}
	return t, nil
}

// hexKey is a public key, as people and files have it, in the engine's form.
func hexKey(key string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil {
		return "", fmt.Errorf("read public key: %w", err)
	}
	return hex.EncodeToString(raw), nil
}

// wrongIn names the first address of other that does not belong to whom it should; empty
// if all do.
func (t tunnel) wrongIn(other tunnel) string {
	for address, key := range t {
		if other[address] != key {
			return address.String()
		}
	}
	return ""
}
