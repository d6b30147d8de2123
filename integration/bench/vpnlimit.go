package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The limit of an application: the same peers and routes by one `wg syncconf` and
// one `ip -batch`, from files that are there already. When nothing changes there
// are no routes to be set, so that `wg syncconf` alone is the limit.

// writeLimit writes the files of the limit: all peers and routes, and those with
// one more peer.
func (s *vpnStage) writeLimit(peers int) error {
	return errors.Join(
		s.writePeers("peers", peers), s.writeRoutes("routes", 2, peers+1),
		s.writePeers("peers-more", peers+1), s.writeRoutes("routes-more", peers+2, peers+2))
}

func (s *vpnStage) path(name string) string { return filepath.Join(s.dir, name) }

// writePeers writes a file of wg.
func (s *vpnStage) writePeers(name string, peers int) error {
	return s.write(name, func(w *bufio.Writer) {
		fmt.Fprintf(w, "[Interface]\nListenPort = 55820\nPrivateKey = %s\n", vpnKey(0))
		for node := 2; node <= peers+1; node++ {
			fmt.Fprintf(w, "[Peer]\nPublicKey = %s\nAllowedIPs = %s/32\nPersistentKeepalive = 25\n",
				vpnKey(node), vpnAddress(node))
			if endpoint := vpnEndpoint(node); endpoint != "" {
				fmt.Fprintf(w, "Endpoint = %s\n", endpoint)
			}
		}
	})
}

// writeRoutes writes a batch of ip.
func (s *vpnStage) writeRoutes(name string, first, last int) error {
	return s.write(name, func(w *bufio.Writer) {
		for node := first; node <= last; node++ {
			fmt.Fprintf(w, "route add %s/32 dev %s proto 155 scope link\n", vpnAddress(node), vpnLink)
		}
	})
}

func (s *vpnStage) write(name string, content func(*bufio.Writer)) error {
	file, err := os.Create(s.path(name)) //nolint:gosec // a name of this program
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	content(w)
	return errors.Join(w.Flush(), file.Close())
}

// limit times `wg syncconf` and, if there are routes to be set, `ip -batch`.
func (s *vpnStage) limit(ctx context.Context, peers, routes string) (time.Duration, error) {
	began := time.Now()
	if err := runQuiet(ctx, "wg", "syncconf", vpnLink, s.path(peers)); err != nil {
		return 0, err
	}
	if routes != "" {
		if err := runQuiet(ctx, "ip", "-batch", s.path(routes)); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// look times `ip route show`, by which a script could find out that no route is missing.
func (s *vpnStage) look(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	cmd := exec.CommandContext(ctx, "ip", "route", "show", "dev", vpnLink)
	cmd.Stdout = io.Discard
	err := cmd.Run()
	return time.Since(began), err
}

// readRecords times the read of all records alone: a connection, the list of keys,
// and all of them in one write; of the replies nothing is kept.
func (s *vpnStage) readRecords(ctx context.Context, nodes int) (took time.Duration, err error) {
	began := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", vpnRedis)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	r := bufio.NewReaderSize(conn, 1<<16)
	if _, err = conn.Write(command("KEYS", "node/*/vpn")); err != nil {
		return 0, err
	}
	keys, err := readReply(r)
	if err != nil || len(keys) != nodes {
		return 0, fmt.Errorf("list %d records, not %d: %w", len(keys), nodes, err)
	}
	sent := make(chan error, 1)
	go func() { sent <- askAll(conn, keys) }()
	for range keys {
		if err := skipReply(r); err != nil {
			return 0, err
		}
	}
	return time.Since(began), <-sent
}

func askAll(conn net.Conn, keys [][]byte) error {
	w := bufio.NewWriterSize(conn, 1<<16)
	for _, key := range keys {
		if _, err := w.Write(command("HGETALL", string(key))); err != nil {
			return err
		}
	}
	return w.Flush()
}

// skipReply reads an array of bulk strings, and forgets it.
func skipReply(r *bufio.Reader) error {
	n, err := readHeader(r, '*')
	if err != nil {
		return err
	}
	for range n {
		size, err := readHeader(r, '$')
		if err != nil {
			return err
		}
		if _, err := r.Discard(size + 2); err != nil {
			return err
		}
	}
	return nil
}
