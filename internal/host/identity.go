package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
)

// Credentials are what an agent needs to speak to Redis.
type Credentials struct {
	// AgentID is cluster or node/N.
	AgentID string
	// User and Password are the Redis user's.
	User, Password string
	// Address is host:port of the Redis that tasks come from.
	Address string
	// ReplicaAddress is host:port of the Redis that events are heard from.
	ReplicaAddress string
}

// defaultRedis is the address that agents use when they are told none.
const defaultRedis = "127.0.0.1:6379"

// Credentials reads those of an agent: the environment of all agents, and over
// it the agent's own. An agent without a password is an error.
func (f Files) Credentials(a Agent) (Credentials, error) {
	vars, err := ReadEnv(f.AgentEnv())
	if errors.Is(err, fs.ErrNotExist) {
		vars, err = make(map[string]string), nil
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials of agent %s: %w", a, err)
	}
	own, err := ReadEnv(f.StateAgentEnv(a))
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials of agent %s: %w", a, err)
	}
	maps.Copy(vars, own)
	if vars["REDIS_PASSWORD"] == "" {
		return Credentials{}, fmt.Errorf("read credentials of agent %s: no REDIS_PASSWORD in %s", a, f.StateAgentEnv(a))
	}
	return credentialsOf(vars), nil
}

func credentialsOf(vars map[string]string) Credentials {
	c := Credentials{
		AgentID:        vars["AGENT_ID"],
		User:           vars["REDIS_USER"],
		Password:       vars["REDIS_PASSWORD"],
		Address:        vars["REDIS_ADDRESS"],
		ReplicaAddress: vars["REDIS_REPLICA_ADDRESS"],
	}
	if c.User == "" {
		c.User = c.AgentID
	}
	if c.Address == "" {
		c.Address = defaultRedis
	}
	if c.ReplicaAddress == "" {
		c.ReplicaAddress = c.Address
	}
	return c
}

// NodeID is this node's id, from the node agent's state file.
func (f Files) NodeID() (int, error) {
	path := f.StateEnvironment(NodeAgent)
	vars, err := ReadEnv(path)
	if err != nil {
		return 0, fmt.Errorf("read node id: %w", err)
	}
	id, err := strconv.Atoi(vars["NODE_ID"])
	if err != nil || id < 1 {
		return 0, fmt.Errorf("read node id: %s has NODE_ID=%q, not a number from 1", path, vars["NODE_ID"])
	}
	return id, nil
}

// SetNodeID writes NODE_ID to the state files of both agents.
func (f Files) SetNodeID(ctx context.Context, id int) (Outcome, error) {
	outcome := Kept
	for _, a := range []Agent{ClusterAgent, NodeAgent} {
		one, err := f.UpdateEnv(ctx, f.StateEnvironment(a), Public(), Var{"NODE_ID", strconv.Itoa(id)})
		if err != nil {
			return "", fmt.Errorf("set node id: %w", err)
		}
		if one.Changed() {
			outcome = one
		}
	}
	return outcome, nil
}

// SetNodeAgentID makes the node agent the one of that node: AGENT_ID and
// REDIS_USER become node/ID. The password stays; the agent sees it when it is
// restarted.
func (f Files) SetNodeAgentID(ctx context.Context, id int) (Outcome, error) {
	name := "node/" + strconv.Itoa(id)
	outcome, err := f.UpdateEnv(ctx, f.StateAgentEnv(NodeAgent), Secret(),
		Var{"AGENT_ID", name}, Var{"REDIS_USER", name})
	if err != nil {
		return "", fmt.Errorf("set node agent id: %w", err)
	}
	return outcome, nil
}

// SetAgentAddresses writes REDIS_ADDRESS and REDIS_REPLICA_ADDRESS, host:port,
// to the environment of all agents.
func (f Files) SetAgentAddresses(ctx context.Context, leader, replica string) (Outcome, error) {
	return f.UpdateEnv(ctx, f.AgentEnv(), Public(),
		Var{"REDIS_ADDRESS", leader}, Var{"REDIS_REPLICA_ADDRESS", replica})
}
