package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// Place is a place in a replication stream.
type Place struct {
	Stream string `json:"replid"` // its replication id; empty: of no stream
	Offset int64  `json:"offset"` // bytes
}

// Origin is the place in the stream of the former leader up to which the present one has
// it. What the former one wrote after that, the cluster does not have.
type Origin = Place

// Covers tells whether all that stands before a place is in a cluster of this origin. Of
// another stream nothing is known.
func (p Place) Covers(other Place) bool {
	return p.Stream != "" && p.Stream == other.Stream && other.Offset <= p.Offset
}

// noStream is what Redis says where it has no replication id.
const noStream = "0000000000000000000000000000000000000000"

// ownOrigin is where this Redis, a master, left the stream of the master that it
// followed before (INFO replication: master_replid2, second_repl_offset); the zero
// Origin if it never did.
func (s *Store) ownOrigin(ctx context.Context) (Origin, error) {
	fields, err := s.replication(ctx)
	if err != nil {
		return Origin{}, err
	}
	next, err := strconv.ParseInt(fields["second_repl_offset"], 10, 64)
	if err != nil || next < 1 || fields["master_replid2"] == noStream {
		return Origin{}, nil //nolint:nilerr // there is none
	}
	return Origin{Stream: fields["master_replid2"], Offset: next - 1}, nil
}

// Place is how far this Redis has come: in its own stream as a master, in its master's
// as a replica (INFO replication: master_replid, master_repl_offset).
func (s *Store) Place(ctx context.Context) (Place, error) {
	fields, err := s.replication(ctx)
	if err != nil {
		return Place{}, err
	}
	offset, err := strconv.ParseInt(fields["master_repl_offset"], 10, 64)
	if err != nil {
		return Place{}, fmt.Errorf("ask Redis how far it has come: %w", err)
	}
	return Place{Stream: fields["master_replid"], Offset: offset}, nil
}

// LastHeard is how long ago a replica, whose link to its master is up, got something from
// there, in whole seconds (INFO replication: master_last_io_seconds_ago). A master sends
// something every 10 seconds, by default (repl-ping-replica-period). Redis takes the link for
// down after 60 seconds (repl-timeout).
func (s *Store) LastHeard(ctx context.Context) (time.Duration, error) {
	fields, err := s.replication(ctx)
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.Atoi(fields["master_last_io_seconds_ago"])
	if err != nil || seconds < 0 {
		return 0, nil //nolint:nilerr // it is a master, or its link is not up
	}
	return time.Duration(seconds) * time.Second, nil
}

func (s *Store) replication(ctx context.Context) (map[string]string, error) {
	info, err := s.redis.InfoMap(ctx, "replication").Result()
	if err != nil {
		return nil, fmt.Errorf("ask Redis about its replication: %w", err)
	}
	return info["Replication"], nil
}

// Origin reads where the recorded epoch began; the zero Origin if nobody has recorded it.
func (s *Store) Origin(ctx context.Context) (Origin, error) {
	fields, err := s.redis.HMGet(ctx, leadershipKey, "replid", "offset").Result()
	if isReply(err) {
		return Origin{}, nil
	}
	if err != nil {
		return Origin{}, fmt.Errorf("read %s: %w", leadershipKey, err)
	}
	offset, err := strconv.ParseInt(text(fields[1]), 10, 64)
	if err != nil {
		return Origin{}, nil //nolint:nilerr // not recorded
	}
	return Origin{Stream: text(fields[0]), Offset: offset}, nil
}

// DumpFile makes Redis write its data to disk, and returns the path of the file.
func (s *Store) DumpFile(ctx context.Context) (string, error) {
	if err := s.Persist(ctx); err != nil {
		return "", err
	}
	var path [2]string
	for i, name := range []string{"dir", "dbfilename"} {
		settings, err := s.redis.ConfigGet(ctx, name).Result()
		if err != nil {
			return "", fmt.Errorf("ask Redis where its file is: %w", err)
		}
		path[i] = settings[name]
	}
	return filepath.Join(path[0], path[1]), nil
}
