package main

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/lab"
)

// view is what the Redis of one node says of its part.
type view struct {
	info   map[string]string // INFO replication
	leader string            // whom the records name
}

// lookAtRedis asks in one round trip.
func lookAtRedis(ctx context.Context, n *lab.Node) (view, error) {
	db, err := n.DB()
	if err != nil {
		return view{}, err
	}
	pipe := db.Pipeline()
	info, leader := pipe.Info(ctx, "replication"), pipe.HGet(ctx, "cluster/environment", "NODE_ID")
	if _, err = pipe.Exec(ctx); err != nil {
		return view{}, fmt.Errorf("node %d: ask Redis: %w", n.ID, err)
	}
	return view{parseInfo(info.Val()), leader.Val()}, nil
}

// parseInfo reads the lines name:value of INFO.
func parseInfo(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// master tells whether this is one, and its records say so.
func (v view) master(self int) bool {
	return v.info["role"] == "master" && v.leader == strconv.Itoa(self)
}

// online counts the replicas of this master, among those at the addresses given, that get
// its stream.
func (v view) online(addresses []netip.Addr) int {
	found := 0
	for i := 0; ; i++ {
		line, there := v.info["slave"+strconv.Itoa(i)]
		if !there {
			return found
		}
		for _, address := range addresses {
			if strings.HasPrefix(line, "ip="+address.String()+",") && strings.Contains(line, ",state=online,") {
				found++
			}
		}
	}
}

// told tells whether this is a replica that has been told to follow the node at an address.
func (v view) told(address netip.Addr) bool {
	// By name, too: what the name means is looked at in the hosts file.
	host := v.info["master_host"]
	return v.info["role"] == "slave" && (host == address.String() || host == "cluster-leader")
}

// follows tells whether this is a replica, in sync with the node at an address.
func (v view) follows(address netip.Addr) bool {
	return v.told(address) && v.info["master_link_status"] == "up"
}

// replicated waits until each replica has all that the leader has.
func (st *stage) replicated(ctx context.Context) error {
	const pause = lab.ProbeInterval
	return lab.Until(ctx, pause, func(ctx context.Context) error {
		leader := st.cluster.Leader
		want, err := lookAtRedis(ctx, st.lab().Node(leader))
		if err != nil {
			return err
		}
		for _, id := range st.cluster.On() {
			v, err := lookAtRedis(ctx, st.lab().Node(id))
			if err != nil {
				return err
			}
			if id != leader && (!v.follows(st.cluster.VPNAddress(leader)) || offset(v, "slave_repl_offset") < offset(want, "master_repl_offset")) {
				return fmt.Errorf("node %d is behind node %d", id, leader)
			}
		}
		return nil
	})
}

func offset(v view, name string) int64 {
	value, err := strconv.ParseInt(v.info[name], 10, 64)
	if err != nil {
		return 0
	}
	return value
}

// syncs counts what Redis has done for its replicas.
type syncs struct {
	Full      int // resyncs by a copy of all data
	Partial   int
	NotServed int // partial ones that were asked for in vain
}

func (s syncs) plus(o syncs, sign int) syncs {
	return syncs{s.Full + sign*o.Full, s.Partial + sign*o.Partial, s.NotServed + sign*o.NotServed}
}

// syncsOf adds the counts of some nodes up.
func (st *stage) syncsOf(ctx context.Context, nodes []int) (syncs, error) {
	var sum syncs
	for _, id := range nodes {
		db, err := st.lab().Node(id).DB()
		if err != nil {
			return sum, err
		}
		s, err := readSyncs(ctx, db)
		if err != nil {
			return sum, fmt.Errorf("node %d: %w", id, err)
		}
		sum = sum.plus(s, 1)
	}
	return sum, nil
}

func readSyncs(ctx context.Context, db *redis.Client) (syncs, error) {
	text, err := db.Info(ctx, "stats").Result()
	if err != nil {
		return syncs{}, fmt.Errorf("ask Redis for its counts: %w", err)
	}
	var s syncs
	info := parseInfo(text)
	for name, count := range map[string]*int{
		"sync_full": &s.Full, "sync_partial_ok": &s.Partial, "sync_partial_err": &s.NotServed,
	} {
		if *count, err = strconv.Atoi(info[name]); err != nil {
			return s, fmt.Errorf("INFO: %s: %w", name, err)
		}
	}
	return s, nil
}
