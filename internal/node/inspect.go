package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/worker/redisq"
)

// ErrNotLetIn says that a node's Redis refuses the user by which this node follows it.
var ErrNotLetIn = errors.New("its Redis does not let this node in")

// loginTime bounds the question to the Redis of another node.
const loginTime = 3 * time.Second

// LetIn asks the Redis at an address whether this node could follow it: whether it
// answers, and lets the user in by which this node's Redis logs in with a master. The
// error is ErrNotLetIn if it does not.
func (m *Machine) LetIn(ctx context.Context, address netip.Addr) error {
	server, err := m.followLogin(ctx)
	if err != nil {
		return err
	}
	server.Address = net.JoinHostPort(address.String(), strconv.Itoa(cluster.RedisPort))
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	let, err := admits(ctx, server)
	if err == nil && !let {
		err = fmt.Errorf("%w as user %s", ErrNotLetIn, server.User)
	}
	return err
}

// followLogin is how this node's Redis logs in with a master; without a setting, how
// its agent does.
func (m *Machine) followLogin(ctx context.Context) (redisq.Server, error) {
	var server redisq.Server
	err := m.with(func(s *session) (err error) {
		server.User, server.Password, err = s.LoginUsed(ctx)
		return err
	})
	if err != nil || server.User != "" {
		return server, err
	}
	credentials, err := m.Files.Credentials(host.NodeAgent)
	server.User, server.Password = credentials.User, credentials.Password
	return server, err
}
