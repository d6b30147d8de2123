// Package redisq speaks the cluster-admin agent protocol with Redis: an agent's
// queue of tasks and the board of their outcomes ([Tasks]), events ([Events]),
// being seen alive ([Presence]), and the other side, that of clients ([Client]).
//
// Shapes of keys and messages follow the protocol; where a key is this
// package's own, keys.go says so.
package redisq

import (
	"context"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Server says where a Redis is and who connects to it.
type Server struct {
	Address  string // host:port
	User     string // empty with a Password: the default user
	Password string // empty: no authentication
	Name     string // name of the connections, CLIENT SETNAME
	// Dial opens connections; nil: as usual. An agent looks the leader's name up
	// by itself: package net keeps
	// hosts files for seconds, in which the leader may have become another.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	replyTime time.Duration // longest wait for a reply; 0 means 10 s
	paced     bool          // the connections bound their writes themselves
}

const (
	dialTimeout = 3 * time.Second
	replyTime   = 10 * time.Second
	keepAlive   = 5 * time.Minute // as go-redis has it
	unbounded   = -2              // for go-redis: it sets no deadlines
)

// Connect returns a client of at most size connections, which are dialled, and
// the address resolved, when they are needed. It repeats no command by itself:
// a repeated LPUSH or INCR could happen twice.
func Connect(server Server, size int) *redis.Client {
	wait, writeTime, writeBuffer := max(replyTime, server.replyTime), replyTime, 0
	if server.paced {
		writeTime, writeBuffer = unbounded, pacedPart
	}
	return redis.NewClient(&redis.Options{
		Addr:            server.Address,
		Dialer:          server.Dial,
		Username:        server.User,
		Password:        server.Password,
		ClientName:      server.Name,
		Protocol:        2,
		PoolSize:        size,
		MaxRetries:      -1,
		DialTimeout:     dialTimeout,
		DialerRetries:   1,
		ReadTimeout:     wait,
		WriteTimeout:    writeTime,
		WriteBufferSize: writeBuffer,
		DisableIdentity: true,
		// A context's deadline bounds the wait for a reply, too.
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// usualDial opens a connection as go-redis does by itself.
func usualDial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext(ctx, network, address)
}

// pause waits before the next try, unless ctx ends.
func pause(ctx context.Context, d time.Duration) { waitFor(ctx, nil, d) }
