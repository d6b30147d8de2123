package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/lab"
)

// client is a program on a node that speaks to the leader: to the machine that the node's
// hosts file calls cluster-leader, over the VPN, on a connection of its own. When that fails
// it looks the name up anew, as any program does.
type client struct {
	stage *stage
	seat  int // its number, which decides where it lives

	home   int // the node on which it lives
	of     int // the node that leads, as that node knew
	leader *redis.Client
	hungUp chan struct{} // closed when that is given up
}

// Times of a client: a write may wait for as long as Redis pauses writes to hand over.
const (
	answerTime  = 2 * time.Second
	refusedTime = 5 * time.Millisecond // pause before the next try
)

// db returns the connection to the leader, which it makes if there is none.
func (c *client) db() (*redis.Client, error) {
	if c.leader != nil && c.stage.roll.has(c.home) {
		return c.leader, nil
	}
	if err := c.drop(); err != nil {
		return nil, err
	}
	c.home = c.stage.roll.seat(c.seat)
	var err error
	if c.of, err = c.stage.leaderOf(c.home); err != nil {
		return nil, err
	}
	c.hungUp = make(chan struct{})
	c.leader, err = c.stage.connect(c.home, c.of, c.hungUp)
	return c.leader, err
}

// drop gives the connection up.
func (c *client) drop() error {
	if c.leader == nil {
		return nil
	}
	close(c.hungUp)
	err := c.leader.Close()
	c.leader = nil
	if err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

// leaderOf is whom a node calls cluster-leader.
func (st *stage) leaderOf(node int) (int, error) {
	hosts, err := st.lab().Node(node).ReadFile("/etc/hosts")
	if err != nil {
		return 0, err
	}
	address := leaderName(hosts)
	for _, id := range st.cluster.Members {
		if st.cluster.VPNAddress(id).String() == address {
			return id, nil
		}
	}
	return 0, fmt.Errorf("node %d calls nobody cluster-leader", node)
}

// leaderName is the address of cluster-leader in a hosts file; empty if there is none.
func leaderName(hosts string) string {
	for line := range strings.Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		for i, name := range fields {
			if i > 0 && name == "cluster-leader" {
				return fields[0]
			}
		}
	}
	return ""
}

// connect makes a client on one node of the Redis on another, as a user that may do all there.
// go-redis itself does not end a dial with its client.
func (st *stage) connect(from, to int, hungUp <-chan struct{}) (*redis.Client, error) {
	there, err := st.lab().Node(to).DB()
	if err != nil {
		return nil, err
	}
	o := there.Options()
	return redis.NewClient(&redis.Options{
		Addr:                     net.JoinHostPort(st.cluster.VPNAddress(to).String(), "6379"),
		Username:                 o.Username,
		Password:                 o.Password,
		Protocol:                 o.Protocol,
		DisableIdentity:          true,
		PoolSize:                 1,
		MaxRetries:               -1, // each attempt is to be known
		DialerRetries:            1,
		ReadTimeout:              answerTime,
		WriteTimeout:             answerTime,
		DialTimeout:              answerTime,
		MaintNotificationsConfig: o.MaintNotificationsConfig,
		Dialer:                   dialFrom(st.lab().Node(from), hungUp),
	}), nil
}

func dialFrom(n *lab.Node, hungUp <-chan struct{}) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		go func() {
			defer cancel()
			select {
			case <-hungUp:
			case <-ctx.Done():
			}
		}()
		return n.Dial(ctx, network, address)
	}
}
