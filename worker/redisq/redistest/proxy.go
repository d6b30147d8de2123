package redistest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between clients and a server and can break their connections in
// the ways networks do.
type Proxy struct {
	Address string

	server   string
	listener net.Listener
	relays   sync.WaitGroup

	mu      sync.Mutex
	open    map[*relay]struct{}
	lose    []byte // the next reply to a request that holds this is lost
	passed  int    // of its bytes are not
	before  func() // is called before that
	thawing chan struct{}

	first sync.Once
	used  chan struct{} // closed when a client has sent something
}

// relay is one connection through the proxy.
type relay struct {
	client, server net.Conn
	frozen         chan struct{} // closed: nothing passes any more
	freeze         sync.Once

	mu      sync.Mutex
	request []byte // what the client sent last
}

// NewProxy lets clients reach the server by another address until the test ends.
func NewProxy(t *testing.T, server *Server) *Proxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for the proxy: %v", err)
	}
	p := &Proxy{
		Address: listener.Addr().String(), server: server.Address, listener: listener,
		open: map[*relay]struct{}{}, thawing: make(chan struct{}), used: make(chan struct{}),
	}
	p.relays.Go(p.accept)
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Errorf("close proxy: %v", err)
		}
		close(p.thawing)
		p.Cut()
		p.relays.Wait()
	})
	return p
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).Dial("tcp", p.server)
		if err != nil {
			closeAll(client)
			continue
		}
		r := &relay{client: client, server: server, frozen: make(chan struct{})}
		p.mu.Lock()
		p.open[r] = struct{}{}
		p.mu.Unlock()
		p.relays.Go(func() { p.copy(r, r.server, r.client, p.remembering(r)) })
		p.relays.Go(func() { p.copy(r, r.client, r.server, p.losing(r)) })
	}
}

// copy passes bytes on until one side ends, or pass says that only so many of them are to pass.
func (p *Proxy) copy(r *relay, to io.Writer, from io.Reader, pass func([]byte) int) {
	defer p.close(r)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-r.frozen:
			<-p.thawing
			return
		default:
		}
		if err != nil {
			return
		}
		passing := pass(buffer[:n])
		if _, err := to.Write(buffer[:passing]); err != nil || passing < n {
			return
		}
	}
}

func (p *Proxy) remembering(r *relay) func([]byte) int {
	return func(request []byte) int {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.request = bytes.Clone(request)
		p.first.Do(func() { close(p.used) })
		return len(request)
	}
}

func (r *relay) asked(what []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.request, what)
}

// losing tells how much of each reply passes. An empty one (a timeout) does.
func (p *Proxy) losing(r *relay) func([]byte) int {
	return func(reply []byte) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		empty := bytes.HasPrefix(reply, []byte("$-1")) || bytes.HasPrefix(reply, []byte("*-1"))
		if p.lose == nil || empty || !r.asked(p.lose) {
			return len(reply)
		}
		p.lose = nil
		p.before()
		return p.passed
	}
}

func (p *Proxy) close(r *relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, r)
	closeAll(r.client, r.server)
}

// closeAll closes what may be closed already.
func closeAll(connections ...net.Conn) {
	for _, connection := range connections {
		if err := connection.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			panic(err)
		}
	}
}

// LoseReply makes the connection break after the server has carried out the
// next command of that name (in lower case), before the client hears of it.
func (p *Proxy) LoseReply(command string) { p.loseReply(command, 0, func() {}) }

// LoseRest lets some bytes of that reply through, less than it has with those to what was sent together.
func (p *Proxy) LoseRest(command string, passed int) { p.loseReply(command, passed, func() {}) }

// LoseReplyAfter has something done before the client can notice that.
func (p *Proxy) LoseReplyAfter(command string, do func()) { p.loseReply(command, 0, do) }

func (p *Proxy) loseReply(command string, passed int, before func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose, p.passed, p.before = []byte(command), passed, before
}

// Cut breaks all connections; new ones work.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.open {
		closeAll(r.client, r.server)
	}
}

// CutClients breaks the clients' sides of all connections, and new ones work. The server does
// not hear of it, as when packets are lost, and goes on with what it was asked.
func (p *Proxy) CutClients() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.open {
		r.freeze.Do(func() { close(r.frozen) })
		closeAll(r.client)
	}
}

// Freeze lets nothing pass any more on the connections there are, as when the
// other machine has lost its power: they stay open. New ones work.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.open {
		r.freeze.Do(func() { close(r.frozen) })
	}
}

// WaitForClient blocks until a client has sent something through the proxy.
func (p *Proxy) WaitForClient(t *testing.T) {
	t.Helper()
	select {
	case <-p.used:
	case <-t.Context().Done():
		t.Fatal("no client came to the proxy")
	}
}
