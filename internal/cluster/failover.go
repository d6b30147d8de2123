package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// HandOver makes the replica at address master and this Redis its replica,
// without losing an acknowledged write (command FAILOVER, Redis 6.2): writes
// pause until the replica has all of them. If it does not come about within the
// time given, this Redis stays master.
func (s *Store) HandOver(ctx context.Context, address netip.Addr, timeout time.Duration) error {
	replica, err := s.replicaAt(ctx, address)
	if err != nil {
		return err
	}
	// One half of the time is for the replica to catch up, the rest, which Redis
	// itself does not limit, for its acceptance. A replica acknowledges once a
	// second, which is what takes the time; WAIT would ask for it at once, but its
	// question counts as a write that is not acknowledged.
	err = s.do(ctx, "FAILOVER", "TO", replica.Host, replica.Port, "TIMEOUT", (timeout / 2).Milliseconds())
	if err == nil {
		err = s.waitHandOver(ctx, timeout)
	}
	if err != nil {
		return fmt.Errorf("hand over to %s: %w", address, err)
	}
	return nil
}

// waitHandOver waits until this Redis is a replica that the new master has
// accepted, or has given up to become one. It calls itself a replica long
// before: if the new master hangs, or does not let it in, the cluster has none.
func (s *Store) waitHandOver(ctx context.Context, timeout time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		state, err := s.failoverState(waiting)
		if err == nil && state == noFailover {
			return s.handOverResult(ctx)
		}
		if !pause(waiting) {
			break
		}
	}
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), s.abandon(ctx))
	}
	// The replica has been silent for half of the time given: that it accepts
	// just now, which would make two masters, is not to be expected.
	if err := s.abort(ctx); err != nil {
		return err
	}
	return s.handOverResult(ctx)
}

// abandonTime bounds the end of a failover whose caller has gone: an agent that is stopped
// has a second in all.
const abandonTime = 300 * time.Millisecond

// abandon ends a failover that nobody waits for any more, as long as the replica has not
// been told of it. From then on it may lead at any moment, and to abort could make two
// masters: see [Store.EndHandOver].
func (s *Store) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTime)
	defer cancel()
	state, err := s.failoverState(ctx)
	if err != nil || state != failoverWaits {
		return err
	}
	return s.abort(ctx)
}

// HandOverBegun tells whether this Redis calls itself a replica of one that it has told to
// lead, and that has not accepted yet. Redis itself does not limit that.
func (s *Store) HandOverBegun(ctx context.Context) (bool, error) {
	state, err := s.failoverState(ctx)
	return state == failoverAccepts, err
}

// EndHandOver makes this Redis the master again if the one that it has told to lead does not
// accept, and tells whether that was so.
func (s *Store) EndHandOver(ctx context.Context) (bool, error) {
	begun, err := s.HandOverBegun(ctx)
	if err != nil || !begun {
		return false, err
	}
	return true, s.abort(ctx)
}

// abort ends a failover. Redis refuses to end what has ended a moment ago.
func (s *Store) abort(ctx context.Context) error {
	if err := s.do(ctx, "FAILOVER", "ABORT"); err != nil && !isReply(err) {
		return fmt.Errorf("abort the failover: %w", err)
	}
	return nil
}

// handOverResult tells what a failover that has ended came to.
func (s *Store) handOverResult(ctx context.Context) error {
	role, err := s.Role(ctx)
	if err != nil {
		return err
	}
	if role.Master {
		return errors.New("the replica did not catch up, or did not accept, in time: this Redis is still the master")
	}
	return nil
}

// The states of a failover, the field master_failover_state of INFO.
const (
	noFailover      = "no-failover"
	failoverWaits   = "waiting-for-sync"     // writes pause until the replica has all of them
	failoverAccepts = "failover-in-progress" // the replica was told to lead
)

// failoverState is one of those. A Redis before 6.2 has none.
func (s *Store) failoverState(ctx context.Context) (string, error) {
	info, err := s.redis.InfoMap(ctx, "replication").Result()
	if err != nil {
		return "", fmt.Errorf("ask for the state of the failover: %w", err)
	}
	return cmp.Or(info["Replication"]["master_failover_state"], noFailover), nil
}

// replicaAt finds a connected replica of this master, as ROLE names it.
func (s *Store) replicaAt(ctx context.Context, address netip.Addr) (Replica, error) {
	role, err := s.Role(ctx)
	if err != nil {
		return Replica{}, err
	}
	return role.replicaAt(address)
}

func (r Role) replicaAt(address netip.Addr) (Replica, error) {
	for _, replica := range r.Replicas {
		if replica.Host == address.String() {
			return replica, nil
		}
	}
	return Replica{}, noReplica(address)
}

func noReplica(address netip.Addr) error {
	return fmt.Errorf("no replica at %s is connected to this Redis", address)
}

// Lead makes this Redis a master, whatever it was.
func (s *Store) Lead(ctx context.Context) error {
	if err := s.do(ctx, "REPLICAOF", "NO", "ONE"); err != nil {
		return fmt.Errorf("make Redis a master: %w", err)
	}
	return nil
}

// Follow makes this Redis a replica of the one at address.
func (s *Store) Follow(ctx context.Context, address netip.Addr) error {
	if err := s.do(ctx, "REPLICAOF", address.String(), strconv.Itoa(RedisPort)); err != nil {
		return fmt.Errorf("make Redis a replica of %s: %w", address, err)
	}
	return nil
}

// FollowAnew makes this Redis, a replica that waits for its master at address, try again at
// once: by itself it does so each second. Redis takes no notice of being told to follow whom
// it follows, so it is told another spelling of the address first.
func (s *Store) FollowAnew(ctx context.Context, address netip.Addr) error {
	spelled := netip.AddrFrom16(address.As16()) // ::ffff:10.5.4.3
	if err := s.Follow(ctx, spelled); err != nil {
		return err
	}
	return s.Follow(ctx, address)
}

// Login sets the user and password by which this Redis follows a master.
func (s *Store) Login(ctx context.Context, user, password string) error {
	if err := s.do(ctx, "CONFIG", "SET", "masteruser", user, "masterauth", password); err != nil {
		return fmt.Errorf("set the credentials for replication: %w", err)
	}
	return nil
}

// Remember makes Redis keep its present configuration over a restart.
func (s *Store) Remember(ctx context.Context) error {
	if err := s.redis.ConfigRewrite(ctx).Err(); err != nil {
		return fmt.Errorf("save the configuration of Redis: %w", err)
	}
	return nil
}

// ConfigFile is the path of the file that Redis was started with, and that Remember
// writes; empty if there is none.
func (s *Store) ConfigFile(ctx context.Context) (string, error) {
	info, err := s.redis.InfoMap(ctx, "server").Result()
	if err != nil {
		return "", fmt.Errorf("ask Redis for its configuration file: %w", err)
	}
	return info["Server"]["config_file"], nil
}

// LoginUsed returns the user and password by which this Redis follows a master, when
// it is told to; both empty if none were set.
func (s *Store) LoginUsed(ctx context.Context) (user, password string, err error) {
	for name, value := range map[string]*string{"masteruser": &user, "masterauth": &password} {
		settings, err := s.redis.ConfigGet(ctx, name).Result()
		if err != nil {
			return "", "", fmt.Errorf("ask Redis for its credentials for replication: %w", err)
		}
		*value = settings[name]
	}
	return user, password, nil
}
