package protocol

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"cluster-agent/internal/wait"
)

// relayed lets the node's Redis be reached by another address, the one returned.
func (n *node) relayed(address string, see func(sent []byte)) string {
	n.t.Helper()
	listener := n.listen(address)
	relay(n.t, listener, n.redis.Address, see)
	return listener.Addr().String()
}

// listen waits for an address that another test may have.
func (n *node) listen(address string) net.Listener {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	for {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			return listener
		}
		if errors.Is(err, syscall.EADDRINUSE) && wait.For(ctx, 50*time.Millisecond) {
			continue
		}
		// Also with CI=true: a redis-server of the machine's own is no fault of its.
		n.t.Skipf("SKIPPED: listen on %s: %v", address, err)
	}
}

// ignore is for those who need not see what is sent.
func ignore([]byte) {}

// record keeps what was sent.
type record struct {
	mu     sync.Mutex
	writes []string
}

func (r *record) add(sent []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, string(sent))
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.writes)
}

// relay listens at an address and passes all connections on to another until
// the test ends. What clients send, as it was read, is shown to see.
func relay(t *testing.T, listener net.Listener, target string, see func(sent []byte)) {
	t.Helper()
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { pass(client, target, see) })
		}
	})
	t.Cleanup(func() {
		must(t, listener.Close())
		passing.Wait()
	})
}

// pass ends when one of the two sides does.
func pass(client net.Conn, target string, see func([]byte)) {
	defer client.Close()
	server, err := new(net.Dialer).Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		io.Copy(client, server)
		client.Close()
	}()
	io.Copy(server, io.TeeReader(client, watcher(see)))
	server.Close()
	<-answers
}

// watcher shows what is written to it.
type watcher func([]byte)

// Write implements [io.Writer].
func (w watcher) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}
