package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
	"cluster-agent/vpn"
	"cluster-agent/worker/redisq"
)

// askRedis asks the local Redis for all that it knows, and closes the session. Reading
// the records of a large cluster leaves the other questions their time.
func (m *Machine) askRedis(ctx context.Context, s *session, facts *vpn.Facts) {
	reading, cancel := context.WithTimeout(ctx, localTime)
	defer cancel()
	records, warnings, err := s.records(reading)
	switch {
	case errors.Is(err, cluster.ErrNoNetwork):
	case err != nil:
		facts.Failed[vpn.AskRecords] = err
	default:
		m.askMember(ctx, s, records, facts)
	}
	facts.Cluster, facts.Warnings = records, warnings
	if err := s.close(); err != nil {
		m.Log.Debugf("close connection to Redis: %v", err)
	}
}

// askMember asks for what only a member of a cluster has.
func (m *Machine) askMember(ctx context.Context, s *session, records vpn.Cluster, facts *vpn.Facts) {
	ctx, cancel := context.WithTimeout(ctx, localTime)
	defer cancel()
	names, err := s.UINames(ctx, records.Nodes)
	if err != nil {
		facts.Failed[vpn.AskNames] = err
	}
	facts.Names = names.Nodes
	client, err := m.localRedis()
	if err != nil {
		facts.Failed[vpn.AskReplication] = err
		return
	}
	if facts.Replication, err = askReplication(ctx, client); err != nil {
		facts.Failed[vpn.AskReplication] = err
	}
	if facts.Agents, err = askAgents(ctx, client, records.Self == records.Leader); err != nil {
		facts.Failed[vpn.AskAgents] = err
	}
	if err := client.Close(); err != nil {
		m.Log.Debugf("close connection to Redis: %v", err)
	}
}

// localRedis is a connection beside the session's, for what is no record.
func (m *Machine) localRedis() (*redis.Client, error) {
	credentials, err := m.Files.Credentials(host.ClusterAgent)
	if err != nil {
		return nil, err
	}
	return redisq.Connect(redisq.Server{
		Address: credentials.Address, User: credentials.User, Password: credentials.Password,
	}, 1), nil
}

func askReplication(ctx context.Context, client *redis.Client) (vpn.Replication, error) {
	info, err := client.InfoMap(ctx, "replication").Result()
	if err != nil {
		return vpn.Replication{}, fmt.Errorf("ask for its replication: %w", err)
	}
	return parseReplication(info["Replication"]), nil
}

// parseReplication reads the section replication of INFO. What a version of
// Redis does not tell has the zero value.
func parseReplication(fields map[string]string) vpn.Replication {
	r := vpn.Replication{
		Master:  fields["role"] == "master",
		Offset:  cluster.Number(fields["master_repl_offset"]),
		LinkUp:  fields["master_link_status"] == "up",
		Copying: fields["master_sync_in_progress"] == "1",
		Down:    cluster.Seconds(fields["master_link_down_since_seconds"]),
		Silence: cluster.Seconds(fields["master_last_io_seconds_ago"]),

		Replicas: cluster.ReplicaLinks(fields),
	}
	if source, err := netip.ParseAddr(fields["master_host"]); err == nil {
		r.Source = source
	}
	return r
}

// agentIdle is how long a connection of an agent may be idle to count as alive.
const agentIdle = 8 * time.Second

// askAgents lists the agents that are connected: on the leader those that wait
// for tasks. On a worker no agent does, since its Redis is a replica; but its own
// agents listen there for events.
func askAgents(ctx context.Context, client *redis.Client, leads bool) ([]string, error) {
	if leads {
		return redisq.NewClient(client).Agents(ctx, agentIdle)
	}
	list, err := client.Do(ctx, "CLIENT", "LIST", "TYPE", "pubsub").Text()
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	var agents []string
	for line := range strings.Lines(list) {
		for word := range strings.FieldsSeq(line) {
			if name, found := strings.CutPrefix(word, "name="); found && name != "" {
				agents = append(agents, name)
			}
		}
	}
	slices.Sort(agents)
	return slices.Compact(agents), nil
}

// lookAtLeader asks the leader's Redis, on a worker: as a stranger for its role and
// this node's record, and by this node's user whether it is let in. nil on the
// leader, and if the leader has no address.
func (m *Machine) lookAtLeader(ctx context.Context, c vpn.Cluster) (*vpn.LeaderView, error) {
	leader, found := c.Node(c.Leader)
	if c.Self == c.Leader || !found || !leader.Address.IsValid() {
		return nil, nil //nolint:nilnil // nobody is asked, and that is no error
	}
	ctx, cancel := context.WithTimeout(ctx, leaderTime)
	defer cancel()
	server := redisq.Server{Address: net.JoinHostPort(leader.Address.String(), strconv.Itoa(cluster.RedisPort))}
	view, err := askAsStranger(ctx, server, c.Self)
	if err != nil {
		return nil, err
	}
	credentials, err := m.Files.Credentials(host.NodeAgent)
	if err != nil {
		return nil, err
	}
	server.User, server.Password = credentials.User, credentials.Password
	if view.Admits, err = admits(ctx, server); err != nil {
		return nil, err
	}
	return &view, nil
}

func askAsStranger(ctx context.Context, server redisq.Server, self int) (vpn.LeaderView, error) {
	client := redisq.Connect(server, 1)
	master, err := redisq.IsMaster(ctx, client)
	var found int64
	if err == nil {
		found, err = client.Exists(ctx, cluster.VPNKey(self)).Result()
	}
	return vpn.LeaderView{Master: master, Recorded: found > 0}, errors.Join(err, client.Close())
}

// admits says whether a Redis accepts the user and password.
func admits(ctx context.Context, server redisq.Server) (bool, error) {
	client := redisq.Connect(server, 1)
	err := client.Ping(ctx).Err()
	if _, refused := errors.AsType[redis.Error](err); refused {
		return false, client.Close()
	}
	return err == nil, errors.Join(err, client.Close())
}
