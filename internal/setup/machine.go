package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"cluster-agent/internal/host"
)

// directory is one that has to exist; an existing one keeps its mode.
type directory struct {
	path string
	mode fs.FileMode
}

// directories makes those of VPN.md and of the agents. /etc/nethserver and
// /var/lib/nethserver can be entered by all, since programs that do not run as
// root have their own files below; the agents' state is for root alone.
func (r *run) directories(context.Context) error {
	for _, dir := range slices.Concat(
		[]directory{{r.Files.NethserverDir(), 0o755}, {filepath.Dir(r.Files.WireGuardConf()), 0o700}},
		agentDirectories(r.Files, host.ClusterAgent),
		agentDirectories(r.Files, host.NodeAgent),
	) {
		_, err := os.Stat(dir.path)
		outcome := host.Kept
		if errors.Is(err, fs.ErrNotExist) {
			outcome, err = host.Created, os.MkdirAll(dir.path, dir.mode)
		}
		if err != nil {
			return err
		}
		r.report.note(outcome, dir.path)
	}
	return nil
}

func agentDirectories(files host.Files, a host.Agent) []directory {
	top := files.AgentDir(a)
	return []directory{
		{top, 0o755},
		{files.StateDir(a), 0o700},
		{filepath.Join(top, "actions"), 0o755},
		{filepath.Join(top, "events"), 0o755},
	}
}

func (r *run) keys(context.Context) error {
	_, private, public, err := r.Files.EnsureKeys()
	if err != nil {
		return err
	}
	r.report.note(private, r.Files.PrivateKey())
	r.report.note(public, r.Files.PublicKey())
	return nil
}

// environment writes what is missing in the files of the agents, and learns
// who this node is from what they say then.
func (r *run) environment(ctx context.Context) error {
	id, err := r.ensureNodeID(ctx)
	if err != nil {
		return err
	}
	local := "127.0.0.1:" + r.redisPort
	nodeName := "node/" + strconv.Itoa(id)
	for _, file := range []struct {
		path string
		attr host.Attr
		vars []host.Var
	}{
		{r.Files.AgentEnv(), host.Public(), []host.Var{
			{Name: "REDIS_ADDRESS", Value: host.LeaderName + ":" + r.redisPort},
			{Name: "REDIS_REPLICA_ADDRESS", Value: local},
		}},
		{r.Files.StateAgentEnv(host.ClusterAgent), host.Secret(), []host.Var{
			{Name: "AGENT_ID", Value: "cluster"},
			{Name: "REDIS_USER", Value: "cluster"},
			{Name: "REDIS_PASSWORD", Value: rand.Text()},
			{Name: "REDIS_ADDRESS", Value: local},
		}},
		{r.Files.StateAgentEnv(host.NodeAgent), host.Secret(), []host.Var{
			{Name: "AGENT_ID", Value: nodeName},
			{Name: "REDIS_USER", Value: nodeName},
			{Name: "REDIS_PASSWORD", Value: rand.Text()},
		}},
	} {
		if err = r.ensureVars(ctx, file.path, file.attr, file.vars); err != nil {
			return err
		}
	}
	if r.cluster, err = r.Files.Credentials(host.ClusterAgent); err != nil {
		return err
	}
	r.node, err = r.Files.Credentials(host.NodeAgent)
	r.nodeID = id
	return err
}

// ensureNodeID keeps the id that the node agent has, for it is known to the
// cluster, and gives the same to the cluster agent; a new machine is node 1.
func (r *run) ensureNodeID(ctx context.Context) (int, error) {
	id, err := r.Files.NodeID()
	if errors.Is(err, fs.ErrNotExist) {
		id, err = 1, nil
	}
	if err != nil {
		return 0, err
	}
	for _, a := range []host.Agent{host.ClusterAgent, host.NodeAgent} {
		vars := []host.Var{{Name: "NODE_ID", Value: strconv.Itoa(id)}}
		if err = r.ensureVars(ctx, r.Files.StateEnvironment(a), host.Public(), vars); err != nil {
			return 0, err
		}
	}
	return id, nil
}

// ensureVars sets those of the variables that the file lacks or has empty.
func (r *run) ensureVars(ctx context.Context, path string, attr host.Attr, vars []host.Var) error {
	have, err := host.ReadEnv(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var missing []host.Var
	for _, v := range vars {
		if have[v.Name] == "" {
			missing = append(missing, v)
		}
	}
	// Called also when nothing is missing: it narrows the mode of a secret.
	outcome, err := r.Files.UpdateEnv(ctx, path, attr, missing...)
	if err != nil {
		return err
	}
	r.report.note(outcome, path)
	return nil
}

// hosts gives both names of the cluster to this machine, unless they have an
// address: that of a leader, on a node that joined.
func (r *run) hosts(ctx context.Context) error {
	for _, name := range []string{host.LeaderName, host.LocalNodeName} {
		_, found, err := r.Files.Host(name)
		if err != nil {
			return err
		}
		outcome := host.Kept
		if !found {
			if _, err = r.Files.SetHost(ctx, name, netip.AddrFrom4([4]byte{127, 0, 0, 1})); err != nil {
				return err
			}
			outcome = host.Created
		}
		r.report.note(outcome, fmt.Sprintf("%s: %s", r.Files.HostsFile(), name))
	}
	return nil
}
