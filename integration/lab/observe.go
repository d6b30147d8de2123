package lab

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// View is what one node says about the cluster, each part as it was found.
type View struct {
	Node   int
	Leader string // field NODE_ID of cluster/environment, by its own Redis, as anybody may read it
	Role   Role
	Link   string            // master_link_status of INFO replication; empty for a master
	Stands bool              // its own record has an endpoint: unless it leads, it stands by to lead, or soon will
	Device Device            // wg0
	Conf   Device            // wg0.conf
	Hosts  map[string]string // addresses of cluster-leader and cluster-localnode in /etc/hosts
	IDs    map[string]string // NODE_ID in the state files of the agents cluster and node
	Errors []string          // what could not be found out
}

// View asks a node.
func (n *Node) View(ctx context.Context) View {
	v := n.redisView(ctx)
	v.Hosts, v.IDs = map[string]string{}, map[string]string{}
	var err error
	v.Device, err = n.WireGuard(ctx)
	v.note("wg0 cannot be read", err)
	v.Conf, err = n.Conf()
	v.note("wg0.conf cannot be read", err)
	hosts, err := n.ReadFile("/etc/hosts")
	v.note("hosts cannot be read", err)
	v.readHosts(hosts)
	for _, agent := range []string{"cluster", "node"} {
		env, err := n.envFile("/var/lib/nethserver/" + agent + "/state/environment")
		v.note("the state of its agents cannot be read", err)
		v.IDs[agent] = lookupEnv(env, "NODE_ID")
	}
	return v
}

// redisView is the part of a View that Redis knows.
func (n *Node) redisView(ctx context.Context) View {
	v := View{Node: n.ID}
	var err error
	v.Leader, err = n.PublicDB().HGet(ctx, "cluster/environment", "NODE_ID").Result()
	v.note("its Redis does not say who leads", err)
	v.Role, err = n.Role(ctx)
	v.note("its Redis has no role", err)
	endpoint, err := n.PublicDB().HGet(ctx, "node/"+strconv.Itoa(n.ID)+"/vpn", "endpoint").Result()
	v.note("its Redis has no record of it", err)
	v.Stands = endpoint != ""
	v.Link, err = n.replicationLink(ctx)
	v.note("its Redis says nothing of replication", err)
	return v
}

func (v *View) note(what string, err error) {
	if err != nil {
		v.Errors = append(v.Errors, fmt.Sprintf("%s: %v", what, err))
	}
}

// readHosts collects all addresses of the cluster's two names, space-separated: there
// should be one each.
func (v *View) readHosts(text string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		for _, name := range fields[1:] {
			if name == "cluster-leader" || name == "cluster-localnode" {
				v.Hosts[name] = strings.TrimSpace(v.Hosts[name] + " " + fields[0])
			}
		}
	}
}

func (n *Node) replicationLink(ctx context.Context) (string, error) {
	db, err := n.DB()
	if err != nil {
		return "", err
	}
	info, err := db.Info(ctx, "replication").Result()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(info) {
		if status, ok := strings.CutPrefix(strings.TrimSpace(line), "master_link_status:"); ok {
			return status, nil
		}
	}
	return "", nil
}

// Views asks all members that are on, at the same time.
func (c *Cluster) Views(ctx context.Context) []View {
	views := make([]View, 0, len(c.Members))
	answers := make(chan View)
	on := c.On()
	for _, id := range on {
		go func() { answers <- c.Lab.Node(id).View(ctx) }()
	}
	for range on {
		views = append(views, <-answers)
	}
	slices.SortFunc(views, func(a, b View) int { return a.Node - b.Node })
	return views
}
