package redisq

import (
	"sync"

	"github.com/redis/go-redis/v9"
)

// link is a client that can be dropped: the next use dials anew and resolves
// the address again.
type link struct {
	server Server
	size   int

	mu     sync.Mutex
	client *redis.Client
	closed error // of clients dropped before
}

func (l *link) get() *redis.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		l.client = Connect(l.server, l.size)
	}
	return l.client
}

// drop closes the connections of client, or of the present client if that is
// nil; a client that was dropped before is left alone.
func (l *link) drop(client *redis.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil || (client != nil && client != l.client) {
		return
	}
	l.closed = l.client.Close()
	l.client = nil
}

func (l *link) close() error {
	l.drop(nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
