package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cluster-agent/integration/lab"
)

const (
	// healTime is what a cluster has to become whole.
	healTime = time.Minute
	// lookInterval is the pause between two looks at all of it.
	lookInterval = 200 * time.Millisecond
	// lookTime bounds one look.
	lookTime = 10 * time.Second
	// pingTime is how long an answer may take.
	pingTime = 2 * time.Second
)

// heal waits until the cluster is whole, and notes who leads. The error says what it
// misses; say is told when that changes.
func heal(ctx context.Context, c *lab.Cluster, say func(format string, args ...any)) error {
	ctx, cancel := context.WithTimeout(ctx, healTime)
	defer cancel()
	said := ""
	return lab.Until(ctx, lookInterval, func(ctx context.Context) error {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
		defer stop()
		err := whole(ctx, c)
		if err != nil && err.Error() != said {
			said = err.Error()
			say("not whole yet: %s", said)
		}
		return err
	})
}

// whole is nil for a cluster that is as it should be. What costs least is looked at first.
func whole(ctx context.Context, c *lab.Cluster) error {
	leads, err := soleLeader(ctx, c)
	if err != nil {
		return err
	}
	c.MoveTo(leads)
	if err := sameEpoch(ctx, c); err != nil {
		return err
	}
	if found := append(c.Findings(ctx), lab.Unreached(c.PingAll(ctx, pingTime))...); len(found) > 0 {
		return errors.New(strings.Join(found, "\n"))
	}
	if err := agentsConnected(ctx, c); err != nil {
		return err
	}
	return replicates(ctx, c)
}

// soleLeader finds the one master, which has to say itself that it leads.
func soleLeader(ctx context.Context, c *lab.Cluster) (int, error) {
	leads := 0
	var errs []error
	for _, id := range c.Members {
		n := c.Lab.Node(id)
		role, err := n.Role(ctx)
		switch {
		case err != nil:
			errs = append(errs, err)
		case role.Master && leads != 0:
			errs = append(errs, fmt.Errorf("nodes %d and %d are both masters", leads, id))
		case role.Master:
			leads = id
		}
	}
	if leads == 0 {
		errs = append(errs, errors.New("no node is master"))
	}
	if len(errs) > 0 {
		return 0, errors.Join(errs...)
	}
	recorded, err := c.Lab.Node(leads).PublicDB().HGet(ctx, "cluster/environment", "NODE_ID").Result()
	if err == nil && recorded != strconv.Itoa(leads) {
		err = fmt.Errorf("node %d is master, and says that node %s leads", leads, recorded)
	}
	return leads, err
}

// sameEpoch compares what all nodes know of leaders, in Redis and on disk.
func sameEpoch(ctx context.Context, c *lab.Cluster) error {
	want, err := epochOf(ctx, c.Lab.Node(c.Leader))
	if err != nil {
		return err
	}
	if !strings.HasSuffix(want, " "+strconv.Itoa(c.Leader)) {
		return fmt.Errorf("node %d leads, and the epoch (and its leader) is %q", c.Leader, want)
	}
	for _, id := range c.Members {
		n := c.Lab.Node(id)
		got, err := epochOf(ctx, n)
		kept, fileErr := keptEpochOf(n)
		if err = errors.Join(err, fileErr); err != nil {
			return err
		}
		if got != want || kept != want {
			return fmt.Errorf("node %d: epoch and leader are %q in Redis and %q in leadership.json, not %q", id, got, kept, want)
		}
	}
	return nil
}

func epochOf(ctx context.Context, n *lab.Node) (string, error) {
	fields, err := n.PublicDB().HMGet(ctx, "cluster/leadership", "epoch", "node_id").Result()
	if err != nil {
		return "", fmt.Errorf("node %d: epoch: %w", n.ID, err)
	}
	return strings.TrimSpace(fmt.Sprintln(fields...)), nil
}

func keptEpochOf(n *lab.Node) (string, error) {
	text, err := n.ReadFile(stateDir + "leadership.json")
	if err != nil {
		return "", err
	}
	var kept struct {
		Epoch int64 `json:"epoch"`
		Node  int   `json:"node_id"`
	}
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return "", fmt.Errorf("node %d: leadership.json: %w", n.ID, err)
	}
	return fmt.Sprintf("%d %d", kept.Epoch, kept.Node), nil
}

// stateDir is the node agent's.
const stateDir = "/var/lib/nethserver/node/state/"

// agentsConnected is nil if tasks can be given to all agents.
func agentsConnected(ctx context.Context, c *lab.Cluster) error {
	n := c.Lab.Node(c.Leader)
	errs := make([]error, 0, 1+len(c.Members))
	errs = append(errs, n.Alive(ctx, "cluster"))
	for _, id := range c.Members {
		errs = append(errs, n.Alive(ctx, "node/"+strconv.Itoa(id)))
	}
	return errors.Join(errs...)
}

// replicates is nil if what the leader writes arrives at all nodes.
func replicates(ctx context.Context, c *lab.Cluster) error {
	const mark = "turmoil/mark"
	db, err := c.Lab.Node(c.Leader).DB()
	if err != nil {
		return err
	}
	value := strconv.FormatInt(time.Now().UnixNano(), 10)
	if err := db.Set(ctx, mark, value, 0).Err(); err != nil {
		return fmt.Errorf("write to the leader: %w", err)
	}
	if err := db.Wait(ctx, len(c.Members)-1, pingTime).Err(); err != nil {
		return fmt.Errorf("wait for the replicas: %w", err)
	}
	for _, id := range c.Members {
		replica, err := c.Lab.Node(id).DB()
		if err != nil {
			return err
		}
		if got, err := replica.Get(ctx, mark).Result(); err != nil || got != value {
			return fmt.Errorf("node %d does not have what the leader wrote: %q, %w", id, got, err)
		}
	}
	return nil
}
