package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// maxBehind is how many bytes a replica in sync may be behind: writes wait for
// what is missing when it is to take over.
const maxBehind = 1 << 20

// Lag is how far a connected replica is behind its master.
type Lag struct {
	Bytes   int64         // of the replication stream that it has not acknowledged
	Silence time.Duration // since it last acknowledged, in whole seconds; it does each second
	Online  bool          // it gets the stream; else it is still being copied to
}

// inSync says whether the replica could take over at once.
func (l Lag) inSync() bool {
	return l.Online && l.Bytes <= maxBehind && l.Silence <= maxLag*time.Second
}

// String says it for a person.
func (l Lag) String() string {
	if !l.Online {
		return "is still being copied to"
	}
	return fmt.Sprintf("is %d bytes behind, and acknowledged last %d s ago", l.Bytes, int(l.Silence.Seconds()))
}

// ReplicaInSync waits until the replica at address receives what is written
// here and is hardly behind, and returns how far. It fails at once if no replica is
// connected there, and with the lag if ctx ends before.
//
// To be not behind at all is not asked for: a replica acknowledges once a
// second, and a cluster at work writes more often.
func (s *Store) ReplicaInSync(ctx context.Context, address netip.Addr) (Lag, error) {
	var late error
	for {
		lag, err := s.replicaLag(ctx, address)
		if err == nil && lag.inSync() {
			return lag, nil
		}
		if err == nil {
			late = fmt.Errorf("the replica at %s %s", address, lag)
			if pause(ctx) {
				continue
			}
			err = ctx.Err()
		}
		if late != nil {
			err = fmt.Errorf("%w: %w", late, err)
		}
		return lag, err
	}
}

// replicaLag is how far the replica at address is behind.
func (s *Store) replicaLag(ctx context.Context, address netip.Addr) (Lag, error) {
	if _, err := s.replicaAt(ctx, address); err != nil {
		return Lag{}, err
	}
	info, err := s.redis.InfoMap(ctx, "replication").Result()
	if err != nil {
		return Lag{}, fmt.Errorf("ask how far replicas are behind: %w", err)
	}
	lag, found := parseLag(info["Replication"], address)
	if !found {
		return Lag{}, noReplica(address)
	}
	return lag, nil
}

// parseLag reads master_repl_offset, and what is said of the replica at an address. One that
// has come back is there twice for a moment.
func parseLag(fields map[string]string, address netip.Addr) (best Lag, found bool) {
	written, err := strconv.ParseInt(fields["master_repl_offset"], 10, 64)
	if err != nil {
		return Lag{}, false
	}
	for _, link := range ReplicaLinks(fields) {
		lag := Lag{Bytes: max(0, written-link.Offset), Silence: link.Silence, Online: link.Online}
		if link.Address == address && (!found || lag.Bytes < best.Bytes) {
			best, found = lag, true
		}
	}
	return best, found
}
