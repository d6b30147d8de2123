package main

import (
	"io"
	"net"
	"sync"
)

// relay is one connection through the proxy.
type relay struct {
	client, server    net.Conn
	requests, replies allowance
	ended             chan struct{}
	once              sync.Once
}

func newRelay(client, server net.Conn) *relay {
	return &relay{client: client, server: server, ended: make(chan struct{})}
}

// allowance is how many bytes may still pass in one direction.
type allowance struct {
	mu      sync.Mutex
	limited bool
	left    int
}

func (a *allowance) set(bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limited, a.left = true, bytes
}

// take returns how many of n bytes may pass, and whether others may come after.
func (a *allowance) take(n int) (pass int, goOn bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.limited {
		return n, true
	}
	pass = min(n, a.left)
	a.left -= pass
	return pass, a.left > 0
}

// copy passes bytes on until one side ends or no more are allowed; hold tells
// what they have to wait for.
func (r *relay) copy(to io.Writer, from io.Reader, allowed *allowance, hold func() <-chan struct{}) {
	defer r.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if hold != nil {
			r.await(hold())
		}
		pass, goOn := allowed.take(n)
		if _, werr := to.Write(buffer[:pass]); werr != nil || err != nil || !goOn {
			return
		}
	}
}

// await waits for what holds bytes back, or for the end of the connection.
func (r *relay) await(released <-chan struct{}) {
	if released == nil {
		return
	}
	select {
	case <-released:
	case <-r.ended:
	}
}

// close breaks the connection.
func (r *relay) close() {
	r.once.Do(func() { close(r.ended) })
	hangUp(r.client)
	hangUp(r.server)
}

// hangUp closes what may be closed or broken already, which here is no news.
func hangUp(connection io.Closer) {
	if err := connection.Close(); err != nil {
		return
	}
}
