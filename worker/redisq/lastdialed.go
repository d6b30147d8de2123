package redisq

import (
	"context"
	"net"
	"sync"
)

// lastDialed opens connections, and closes the last one in the midst of whatever waits for it.
type lastDialed struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: as usual

	mu         sync.Mutex
	connection net.Conn
}

func (l *lastDialed) open(ctx context.Context, network, address string) (net.Conn, error) {
	dial := l.dial
	if dial == nil {
		dial = usualDial
	}
	connection, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connection = connection
	return connection, nil
}

func (l *lastDialed) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connection == nil {
		return nil
	}
	return l.connection.Close()
}
