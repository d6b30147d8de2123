package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Listen makes Redis accept connections on loopback and on the node's VPN
// address. Addresses with a dash may be absent when Redis starts.
func (s *Store) Listen(ctx context.Context, address netip.Addr) error {
	have, wanted, err := s.bind(ctx, address)
	if err != nil || have == wanted {
		return err
	}
	return s.setBind(ctx, wanted)
}

// ListenAnew is Listen for a Redis that does not accept connections on an address
// although it is told to, since the address was absent when it started: a bind
// setting makes it open its sockets again, also if it is the one that it has.
func (s *Store) ListenAnew(ctx context.Context, address netip.Addr) error {
	have, wanted, err := s.bind(ctx, address)
	if err != nil {
		return err
	}
	if err = s.setBind(ctx, wanted); err != nil || have == wanted {
		return err
	}
	return s.Remember(ctx)
}

// bind returns Redis' setting and what it has to be for an address.
func (s *Store) bind(ctx context.Context, address netip.Addr) (have, wanted string, err error) {
	settings, err := s.redis.ConfigGet(ctx, "bind").Result()
	if err != nil {
		return "", "", fmt.Errorf("read the addresses Redis listens on: %w", err)
	}
	return settings["bind"], bindWith(settings["bind"], address), nil
}

func (s *Store) setBind(ctx context.Context, bind string) error {
	if err := s.redis.ConfigSet(ctx, "bind", bind).Err(); err != nil {
		return fmt.Errorf("make Redis listen on %s: %w", bind, err)
	}
	return nil
}

// bindWith adds a VPN address to Redis' setting bind.
// Empty means all addresses, and stays.
func bindWith(bind string, address netip.Addr) string {
	words := strings.Fields(bind)
	if len(words) == 0 || slices.Contains(words, "*") {
		return bind
	}
	optional := "-" + address.String()
	if slices.Contains(words, address.String()) || slices.Contains(words, optional) {
		return bind
	}
	return strings.Join(append(words, optional), " ")
}
