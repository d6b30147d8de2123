package redisq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// link is a client that can be dropped: the next use dials anew and resolves
// the address again.
type link struct {
	server Server
	size   int
	dials  atomic.Int64 // how often a connection was opened

	mu     sync.Mutex
	client *redis.Client
	ended  chan struct{} // closed when that is dropped
	closed error         // of clients dropped before
}

func (l *link) get() *redis.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		ended := make(chan struct{})
		server := l.server
		server.paced = true
		server.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return l.dial(ctx, ended, network, address)
		}
		l.client, l.ended = Connect(server, l.size), ended
	}
	return l.client
}

// dial opens a connection and counts it: go-redis does so by itself when one has
// broken that nobody was using. It is given up when the client is dropped, which
// go-redis does not see to.
func (l *link) dial(ctx context.Context, dropped <-chan struct{}, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-dropped:
		case <-ctx.Done():
		}
	}()
	dial := l.server.Dial
	if dial == nil {
		dial = usualDial
	}
	connection, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.dials.Add(1)
	if connection, err = pace(connection, replyTime); err != nil {
		return nil, errors.Join(fmt.Errorf("set the buffer of a connection: %w", err), connection.Close())
	}
	return connection, nil
}

// drop closes the connections of client, or of the present client if that is
// nil; a client that was dropped before is left alone.
func (l *link) drop(client *redis.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil || (client != nil && client != l.client) {
		return
	}
	close(l.ended)
	l.closed = l.client.Close()
	l.client = nil
}

func (l *link) close() error {
	l.drop(nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
