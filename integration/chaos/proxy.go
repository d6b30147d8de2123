package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// proxy stands between the agent and Redis and breaks what passes.
type proxy struct {
	server   string
	listener net.Listener
	group    sync.WaitGroup

	mu     sync.Mutex
	relays map[*relay]struct{}
	shut   bool          // new connections are closed at once
	held   chan struct{} // while not nil, replies wait until it is closed
	used   chan struct{} // closed when somebody has connected since renew
}

// newProxy passes connections on to a server, at an address of its own.
func newProxy(ctx context.Context, server string) (*proxy, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	p := &proxy{server: server, listener: listener, relays: map[*relay]struct{}{}, used: make(chan struct{})}
	p.group.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() { p.pass(client) })
	}
}

// pass is one connection, to its end.
func (p *proxy) pass(client net.Conn) {
	defer hangUp(client)
	if p.isShut() {
		return
	}
	server, err := new(net.Dialer).Dial("tcp", p.server)
	if err != nil {
		return
	}
	r := newRelay(client, server)
	defer r.close()
	if !p.enter(r) {
		return
	}
	defer p.leave(r)
	var both sync.WaitGroup
	both.Go(func() { r.copy(server, client, &r.requests, nil) })
	both.Go(func() { r.copy(client, server, &r.replies, p.hold) })
	both.Wait()
}

// enter notes a connection, unless the proxy was shut meanwhile.
func (p *proxy) enter(r *relay) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return false
	}
	p.relays[r] = struct{}{}
	select {
	case <-p.used:
	default:
		close(p.used)
	}
	return true
}

func (p *proxy) leave(r *relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.relays, r)
}

func (p *proxy) isShut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shut
}

// hold is what replies have to wait for; nil if for nothing.
func (p *proxy) hold() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// close lets nothing pass any more: neither new connections nor those there are.
func (p *proxy) close() {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	p.cutAll()
}

// open lets connections pass again.
func (p *proxy) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = false
}

// cutAll breaks all connections; new ones work.
func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.relays {
		r.close()
	}
}

// cutAt breaks each connection after some more bytes of replies or of requests.
func (p *proxy) cutAt(bytes int, ofReplies bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.relays {
		if ofReplies {
			r.replies.set(bytes)
		} else {
			r.requests.set(bytes)
		}
	}
}

// holdReplies lets replies wait until the function returned is called.
func (p *proxy) holdReplies() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := make(chan struct{})
	p.held = held
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held = nil
		close(held)
	}
}

// renew forgets who has connected so far.
func (p *proxy) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = make(chan struct{})
}

// inUse is closed when somebody has connected.
func (p *proxy) inUse() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// end closes all connections and waits until nothing passes any more.
func (p *proxy) end() error {
	err := p.listener.Close()
	p.close()
	p.group.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the proxy: %w", err)
	}
	return nil
}
