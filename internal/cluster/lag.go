package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
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

// parseLag reads master_repl_offset, and of the fields slaveN:ip=…,state=online,offset=…,lag=…
// the one of an address. A replica that has come back is there twice for a moment.
func parseLag(fields map[string]string, address netip.Addr) (best Lag, found bool) {
	written, err := strconv.ParseInt(fields["master_repl_offset"], 10, 64)
	if err != nil {
		return Lag{}, false
	}
	for i := range len(fields) {
		about := replicaFields(fields[fmt.Sprintf("slave%d", i)])
		at, err := netip.ParseAddr(about["ip"])
		if err != nil || at != address {
			continue
		}
		lag := Lag{Bytes: written, Online: about["state"] == "online"}
		if acknowledged, err := strconv.ParseInt(about["offset"], 10, 64); err == nil {
			lag.Bytes = max(0, written-acknowledged)
		}
		if seconds, err := strconv.Atoi(about["lag"]); err == nil && seconds > 0 {
			lag.Silence = time.Duration(seconds) * time.Second
		}
		if !found || lag.Bytes < best.Bytes {
			best, found = lag, true
		}
	}
	return best, found
}

// replicaFields splits ip=…,port=…,state=online.
func replicaFields(line string) map[string]string {
	about := map[string]string{}
	for part := range strings.SplitSeq(line, ",") {
		name, value, _ := strings.Cut(part, "=")
		about[name] = value
	}
	return about
}
