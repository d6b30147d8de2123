package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"cluster-agent/internal/wait"
)

// hurryInterval is how often a replica acknowledges that is in a hurry.
const hurryInterval = 10 * time.Millisecond

// HurryAcks makes this Redis, a replica, tell its master all the time how far it has come,
// until ctx ends. By itself it does so once a second, and a hand-over waits for it. (WAIT on
// the master asks for it, too, but writes its question into the stream, so that something is
// never acknowledged.)
//
// The command for it, REPLCONF GETACK, has no reply at all, so that it needs a connection
// of its own.
func (s *Store) HurryAcks(ctx context.Context) (err error) {
	conn, err := s.dialRaw(ctx)
	if err != nil {
		return fmt.Errorf("make Redis acknowledge at once: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for {
		if _, err = conn.Write(request("REPLCONF", "GETACK", "*")); err != nil {
			return fmt.Errorf("make Redis acknowledge at once: %w", err)
		}
		if !wait.For(ctx, hurryInterval) {
			return nil
		}
	}
}

// rawTime bounds all that is written to a raw connection, and read from it.
const rawTime = 30 * time.Second

// dialRaw connects to this Redis, and logs in.
func (s *Store) dialRaw(ctx context.Context) (net.Conn, error) {
	options := s.redis.Options()
	conn, err := options.Dialer(ctx, "tcp", options.Addr)
	if err != nil {
		return nil, err
	}
	if err = logIn(conn, options.Username, options.Password); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func logIn(conn net.Conn, user, password string) error {
	if err := conn.SetDeadline(time.Now().Add(rawTime)); err != nil {
		return err
	}
	if password == "" {
		return nil
	}
	if _, err := conn.Write(request("AUTH", user, password)); err != nil {
		return err
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(reply, "+OK") {
		err = errors.New(strings.TrimSpace(reply))
	}
	return err
}

// request is a command as Redis reads it (RESP, https://redis.io/docs/reference/protocol-spec).
func request(words ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	return []byte(b.String())
}
