package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The limit of an application: the same peers and routes by one `wg syncconf` and
// one `ip -batch`, from files that are there already. When nothing changes, the
// batch has one line, `route show`: there is no route to be set, but that has to be
// seen. To replace each route by itself would be an easier limit: that takes longer.

// writeLimit writes the files of the limit: all peers and routes, those with one
// more peer, the look at the routes, and for comparison what replaces all of them.
func (s *vpnStage) writeLimit(peers int) error {
	return errors.Join(
		s.writePeers("peers", peers), s.writeRoutes("routes", "add", 2, peers+1),
		s.writePeers("peers-more", peers+1), s.writeRoutes("routes-more", "add", peers+2, peers+2),
		s.write("look", func(w *bufio.Writer) { fmt.Fprintf(w, "route show dev %s\n", vpnLink) }),
		s.writeRoutes("replace", "replace", 2, peers+1))
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

// writeRoutes writes a batch of ip, which adds or replaces routes.
func (s *vpnStage) writeRoutes(name, verb string, first, last int) error {
	return s.write(name, func(w *bufio.Writer) {
		for node := first; node <= last; node++ {
			fmt.Fprintf(w, "route %s %s/32 dev %s proto 155 scope link\n", verb, vpnAddress(node), vpnLink)
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

// limit times `wg syncconf` and `ip -batch`.
func (s *vpnStage) limit(ctx context.Context, peers, batch string) (time.Duration, error) {
	peersTook, err := s.syncPeers(ctx, peers)
	if err != nil {
		return 0, err
	}
	batchTook, err := s.batch(ctx, batch)
	return peersTook + batchTook, err
}

// syncPeers times `wg syncconf`.
func (s *vpnStage) syncPeers(ctx context.Context, file string) (time.Duration, error) {
	return timed(ctx, "wg", "syncconf", vpnLink, s.path(file))
}

// batch times `ip -batch`.
func (s *vpnStage) batch(ctx context.Context, file string) (time.Duration, error) {
	return timed(ctx, "ip", "-batch", s.path(file))
}

// timed times a program, whose output nobody reads.
func timed(ctx context.Context, name string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // commands of this program
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	return took, nil
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
