package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"cluster-agent/internal/wait"
	"cluster-agent/vpn"
)

// Role is what a Redis says of itself (command ROLE).
type Role struct {
	Master   bool
	Offset   int64     // of a master: bytes written to the replication stream
	Replicas []Replica // of a master: those connected
	Source   string    // of a replica: host:port of its master
	LinkUp   bool      // of a replica: it is connected and in sync
	Copying  bool      // of a replica: it is connected, and gets all data anew
	// Connecting says of a replica that it is not connected, and tries to be, once a second.
	Connecting bool
}

// Replica is a connected replica, as a master names it.
type Replica struct {
	Host   string
	Port   int
	Offset int64 // bytes of the replication stream that it has acknowledged
}

const retryShort = 20 * time.Millisecond

// Role asks Redis for its role.
func (s *Store) Role(ctx context.Context) (Role, error) {
	reply, err := s.command(ctx, "ROLE").Slice()
	if err != nil {
		return Role{}, fmt.Errorf("ask Redis for its role: %w", err)
	}
	return parseRole(reply)
}

// parseRole reads the reply of ROLE, see https://redis.io/commands/role.
func parseRole(reply []any) (Role, error) {
	malformed := fmt.Errorf("unexpected reply to ROLE: %v", reply)
	if len(reply) < 3 {
		return Role{}, malformed
	}
	switch reply[0] {
	case "master":
		list, ok := reply[2].([]any)
		if !ok {
			return Role{}, malformed
		}
		offset, err := strconv.ParseInt(fmt.Sprint(reply[1]), 10, 64)
		if err != nil {
			return Role{}, malformed
		}
		role := Role{Master: true, Offset: offset}
		for _, item := range list {
			replica, err := parseReplica(item)
			if err != nil {
				return Role{}, err
			}
			role.Replicas = append(role.Replicas, replica)
		}
		return role, nil
	case "slave":
		if len(reply) < 4 {
			return Role{}, malformed
		}
		return Role{
			Source: net.JoinHostPort(fmt.Sprint(reply[1]), fmt.Sprint(reply[2])),
			LinkUp: reply[3] == "connected", Copying: reply[3] == "sync", Connecting: reply[3] == "connect" || reply[3] == "connecting",
		}, nil
	}
	return Role{}, malformed
}

func parseReplica(item any) (Replica, error) {
	words, ok := item.([]any)
	if !ok || len(words) < 3 {
		return Replica{}, fmt.Errorf("unexpected replica in reply to ROLE: %v", item)
	}
	port, perr := strconv.Atoi(fmt.Sprint(words[1]))
	offset, oerr := strconv.ParseInt(fmt.Sprint(words[2]), 10, 64)
	if err := errors.Join(perr, oerr); err != nil {
		return Replica{}, fmt.Errorf("unexpected replica in reply to ROLE: %w", err)
	}
	return Replica{Host: fmt.Sprint(words[0]), Port: port, Offset: offset}, nil
}

// maxLag is how long a replica may be silent. It acknowledges every second.
const maxLag = 3

// Followers are the addresses of the replicas connected to this Redis, which
// may be a replica itself. One that has been silent for some seconds is gone:
// the end of its connection got lost.
func (s *Store) Followers(ctx context.Context) ([]netip.Addr, error) {
	return s.followers(ctx, func(vpn.ReplicaLink) bool { return true })
}

// InSync are those of the [Store.Followers] that have all data, and get what is written.
func (s *Store) InSync(ctx context.Context) ([]netip.Addr, error) {
	return s.followers(ctx, func(l vpn.ReplicaLink) bool { return l.Online })
}

func (s *Store) followers(ctx context.Context, wanted func(vpn.ReplicaLink) bool) ([]netip.Addr, error) {
	info, err := s.redis.InfoMap(ctx, "replication").Result()
	if err != nil {
		return nil, fmt.Errorf("ask for connected replicas: %w", err)
	}
	var followers []netip.Addr
	for _, link := range ReplicaLinks(info["Replication"]) {
		if link.Silence <= maxLag*time.Second && wanted(link) {
			followers = append(followers, link.Address)
		}
	}
	return followers, nil
}

// Acknowledged counts the replicas that answer now, up to a number, and waits for them for
// some time: what INFO says of a replica whose link was cut is some seconds old. While writes
// are paused nothing can be asked, and it fails in as long.
func (s *Store) Acknowledged(ctx context.Context, enough int, within time.Duration) (count int, err error) {
	conn := s.redis.Conn()
	defer func() { err = errors.Join(err, conn.Close()) }()
	// WAIT asks replicas only if there is something new for them.
	asking, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err = conn.Publish(asking, "cluster/who-follows", "").Err(); err != nil {
		return 0, fmt.Errorf("ask replicas for an answer: %w", err)
	}
	answers, err := conn.Do(ctx, "WAIT", enough, within.Milliseconds()).Int()
	if err != nil {
		return 0, fmt.Errorf("wait for the answers of replicas: %w", err)
	}
	return answers, nil
}

// WaitRole waits until the role satisfies ready, or ctx ends. A Redis that
// cannot answer meanwhile, since it is loading, say, is waited for.
func (s *Store) WaitRole(ctx context.Context, ready func(Role) bool) error {
	for {
		role, err := s.Role(ctx)
		if err == nil && ready(role) {
			return nil
		}
		if !pause(ctx) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// pause waits a moment before Redis is asked again; false if ctx ended meanwhile.
func pause(ctx context.Context) bool { return wait.For(ctx, retryShort) }
