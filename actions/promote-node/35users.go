package promotenode

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/node"
)

// users wants the candidate's Redis to have the cluster's users, since Redis does not
// replicate them: first of all that by which this node is to follow it.
func (s steps) users(ctx context.Context, in input) (finding, error) {
	candidate, err := s.candidate(ctx, in)
	if err != nil {
		return finding{}, err
	}
	unshared, err := s.share(ctx, in, candidate.Address)
	if err != nil {
		return finding{}, err
	}
	found, err := s.adopted(ctx, in)
	if err != nil {
		return finding{}, err
	}
	if in.DryRun && len(unshared) > 0 {
		found.detail += fmt.Sprintf("; the records lack %s, which the promotion will share", strings.Join(unshared, ", "))
	}
	switch err = s.machine.LetIn(ctx, candidate.Address); {
	case err == nil || ctx.Err() != nil:
		return found, err
	case errors.Is(err, node.ErrNotLetIn):
		return found, in.refuse(exitNoUsers, "node_users_incomplete",
			fmt.Errorf("%w: this node could not follow node %d; the agent there takes the users over from cluster/acls, see its log", err, in.NodeID))
	default:
		return found, in.refuse(exitNoReplica, "node_redis_not_reachable",
			fmt.Errorf("%w: nobody could follow node %d; see there whether Redis listens on the VPN address", err, in.NodeID))
	}
}

// share makes the records hold all users of this Redis, from which the candidate, at an
// address, takes them, and names those that they lacked.
func (s steps) share(ctx context.Context, in input, address netip.Addr) (unshared []string, err error) {
	err = s.machine.Redis(func(store *cluster.Store) error {
		unshared, err = store.UnsharedUsers(ctx)
		if err != nil || len(unshared) == 0 || in.DryRun {
			return err
		}
		unlock, lockErr := s.machine.Files.Lock(ctx, cluster.NodesLock)
		if lockErr != nil {
			return fmt.Errorf("wait for another change of the nodes to end: %w", lockErr)
		}
		return errors.Join(store.ShareACLs(ctx), unlock(), store.WaitReplica(ctx, address.String()))
	})
	return unshared, err
}

// Times for an agent to take a task, and to end it.
const (
	takeTime  = 1500 * time.Millisecond
	adoptTime = 5 * time.Second
)

// adopted asks the candidate's agent to take over the users that it has missed.
func (s steps) adopted(ctx context.Context, in input) (finding, error) {
	var found finding
	var answer struct {
		Missing []string `json:"missing"`
	}
	err := s.machine.Delegate(func(d *node.Delegate) error {
		return d.Ask(ctx, node.Question{
			Node: in.NodeID, Action: "adopt-users", Input: map[string]bool{"dry_run": in.DryRun}, Output: &answer,
			Taken: 2 * takeTime, Within: adoptTime,
		})
	})
	switch {
	case errors.Is(err, node.ErrCannotTell):
		found.detail = fmt.Sprintf("node %d lets this node in", in.NodeID)
		found.open = []string{fmt.Sprintf("whether node %d has the users of all others: %v", in.NodeID, err)}
		return found, nil
	case errors.Is(err, node.ErrNoAnswer):
		return found, in.refuse(exitNoAgent, "node_agent_not_alive",
			fmt.Errorf("the agent of node %d is connected and takes no tasks: see there whether it hangs, or has too much to do", in.NodeID))
	case err != nil:
		return found, err
	case len(answer.Missing) == 0:
		found.detail = fmt.Sprintf("the Redis of node %d has all users", in.NodeID)
		return found, nil
	case in.DryRun:
		found.detail = fmt.Sprintf("node %d takes %s over before it leads", in.NodeID, strings.Join(answer.Missing, ", "))
		return found, nil
	}
	return found, in.refuse(exitNoUsers, "node_users_incomplete",
		fmt.Errorf("the Redis of node %d lacks %s and could not take them over: see the log of its node agent",
			in.NodeID, strings.Join(answer.Missing, ", ")))
}
