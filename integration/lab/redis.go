package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// clusterEnv is where the password of the Redis user cluster is kept.
const clusterEnv = "/var/lib/nethserver/cluster/state/agent.env"

// DB returns a client of the node's Redis, dialled within the node, as user cluster,
// who may do everything. It lives as long as the lab; do not close it.
func (n *Node) DB() (*redis.Client, error) {
	env, err := n.envFile(clusterEnv)
	if err != nil {
		return nil, err
	}
	return n.client("cluster", lookupEnv(env, "REDIS_PASSWORD")), nil
}

// PublicDB is DB as user default, who may read the cluster's records with any password.
func (n *Node) PublicDB() *redis.Client { return n.client("default", "lab") }

func (n *Node) client(user, password string) *redis.Client {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, ok := n.clients[user]; ok {
		return c
	}
	c := redis.NewClient(&redis.Options{
		Addr:                     "127.0.0.1:6379",
		Username:                 user,
		Password:                 password,
		Protocol:                 2,
		DisableIdentity:          true,
		PoolSize:                 4,
		MaxRetries:               -1, // the lab looks again by itself, and wants to see failures
		Dialer:                   func(ctx context.Context, network, addr string) (net.Conn, error) { return n.Dial(ctx, network, addr) },
		DialerRetries:            1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	n.clients[user] = c
	return c
}

// RedisCLI runs redis-cli in the node as user cluster, as an administrator would.
func (n *Node) RedisCLI(ctx context.Context, args ...string) (string, error) {
	env, err := n.envFile(clusterEnv)
	if err != nil {
		return "", err
	}
	// On the command line of "env" and not of redis-cli: it hides the password from its title.
	argv := append([]string{
		"env", "REDISCLI_AUTH=" + lookupEnv(env, "REDIS_PASSWORD"), "redis-cli", "-e", "--user", "cluster",
	}, args...)
	out, err := n.Run(ctx, argv...)
	if err != nil {
		return "", fmt.Errorf("node %d: redis-cli %s: %w", n.ID, args[0], err)
	}
	return strings.TrimSpace(out), nil
}

// Alive is nil when an agent with this id is connected to the node's Redis, as clients
// decide it: by its name in the list of clients.
func (n *Node) Alive(ctx context.Context, agentID string) error {
	db, err := n.DB()
	if err != nil {
		return err
	}
	list, err := db.Do(ctx, "CLIENT", "LIST", "TYPE", "normal").Text()
	if err != nil {
		return fmt.Errorf("node %d: list clients: %w", n.ID, err)
	}
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if slices.Contains(fields, "name="+agentID) && slices.Contains(fields, "cmd=brpop") {
			return nil
		}
	}
	return fmt.Errorf("node %d: agent %s is not connected", n.ID, agentID)
}

// AgentsAlive waits until the leader's cluster agent, and the node agents of all members
// that are on, are connected to the leader's Redis, and tasks can be given to them.
func (c *Cluster) AgentsAlive(ctx context.Context) error {
	leader := c.Lab.Node(c.Leader)
	return Until(ctx, pollInterval, func(ctx context.Context) error {
		for _, id := range c.On() {
			if err := leader.Alive(ctx, "node/"+strconv.Itoa(id)); err != nil {
				return err
			}
		}
		return leader.Alive(ctx, "cluster")
	})
}

// Role is what a Redis says of itself.
type Role struct {
	Master   bool
	Replicas []string // of a master: addresses of the replicas that are connected
	Host     string   // of a replica: where its master is, as it was told
	State    string   // of a replica: connect, connecting, sync or connected
}

// Role asks the node's Redis for its role.
func (n *Node) Role(ctx context.Context) (Role, error) {
	db, err := n.DB()
	if err != nil {
		return Role{}, err
	}
	answer, err := db.Do(ctx, "ROLE").Slice()
	if err != nil {
		return Role{}, fmt.Errorf("node %d: ask for role: %w", n.ID, err)
	}
	role, err := parseRole(answer)
	if err != nil {
		return Role{}, fmt.Errorf("node %d: ask for role: %w", n.ID, err)
	}
	return role, nil
}

func errRole() error { return errors.New("an answer of unknown form") }

// parseRole reads the answer to ROLE: ["master", offset, [[ip, port, offset], …]] or
// ["slave", host, port, state, offset].
func parseRole(answer []any) (Role, error) {
	if len(answer) == 3 && answer[0] == "master" {
		replicas, ok := answer[2].([]any)
		if !ok {
			return Role{}, errRole()
		}
		role := Role{Master: true}
		for _, r := range replicas {
			fields, ok := r.([]any)
			if !ok || len(fields) == 0 {
				return Role{}, errRole()
			}
			role.Replicas = append(role.Replicas, fmt.Sprint(fields[0]))
		}
		return role, nil
	}
	if len(answer) == 5 && answer[0] == "slave" {
		return Role{Host: fmt.Sprint(answer[1]), State: fmt.Sprint(answer[3])}, nil
	}
	return Role{}, errRole()
}
