package host

import (
	"path/filepath"
)

// Names that several files and services share.
const (
	// WireGuardInterface is the interface that carries every link of the cluster.
	WireGuardInterface = "wg0"
	// WireGuardPort is the UDP port the interface listens on.
	WireGuardPort = 55820
	// LeaderName is the name the leader's VPN address has in the hosts file.
	LeaderName = "cluster-leader"
	// LocalNodeName is the name of this node's own VPN address in the hosts file.
	LocalNodeName = "cluster-localnode"
)

// Units whose restart the cluster asks for, by the names that systemd and a
// supervisor's PID files use.
const (
	RedisUnit        = "redis-server"
	ClusterAgentUnit = "agent@cluster"
	NodeAgentUnit    = "agent@node"
)

// Agent is one of the two agents every node runs, by the name of its
// directory below /var/lib/nethserver.
type Agent string

// The agents of a node.
const (
	ClusterAgent Agent = "cluster"
	NodeAgent    Agent = "node"
)

// Files names every file of one machine that the cluster reads or writes.
// The zero value names those of "/".
type Files struct {
	root string
}

// NewFiles returns the files below root, "/" in production.
func NewFiles(root string) Files {
	return Files{root: root}
}

func (f Files) path(elems ...string) string {
	return filepath.Join("/", f.root, filepath.Join(elems...))
}

// Root is the directory all other paths are below.
func (f Files) Root() string { return f.path() }

// HostsFile is the hosts(5) file.
func (f Files) HostsFile() string { return f.path("etc/hosts") }

// NethserverDir holds the keys and the environment of all agents.
func (f Files) NethserverDir() string { return f.path("etc/nethserver") }

// AgentEnv is the environment of all agents; it holds no secret.
func (f Files) AgentEnv() string { return f.path("etc/nethserver/agent.env") }

// APIServerEnv is the environment of the API server: its Redis user and
// password, mode 0600.
func (f Files) APIServerEnv() string { return f.path("etc/nethserver/api-server.env") }

// PrivateKey is the node's WireGuard private key, mode 0600.
func (f Files) PrivateKey() string { return f.path("etc/nethserver/wg0.key") }

// PublicKey is the node's WireGuard public key.
func (f Files) PublicKey() string { return f.path("etc/nethserver/wg0.pub") }

// WireGuardConf is what wg-quick restores at boot, mode 0600.
func (f Files) WireGuardConf() string { return f.path("etc/wireguard/wg0.conf") }

// AgentDir holds the state, actions and events directories of an agent.
func (f Files) AgentDir(a Agent) string { return f.path("var/lib/nethserver", string(a)) }

// StateDir is an agent's working directory.
func (f Files) StateDir(a Agent) string { return filepath.Join(f.AgentDir(a), "state") }

// StateAgentEnv is an agent's own identity and password, mode 0600.
func (f Files) StateAgentEnv(a Agent) string { return filepath.Join(f.StateDir(a), "agent.env") }

// StateEnvironment is an agent's state file, which holds NODE_ID.
func (f Files) StateEnvironment(a Agent) string { return filepath.Join(f.StateDir(a), "environment") }

// RedisConf is the configuration of the local Redis.
func (f Files) RedisConf() string { return f.path("etc/redis/redis.conf") }

// RedisUsers is the ACL file of the local Redis.
func (f Files) RedisUsers() string { return f.path("etc/redis/users.acl") }

// PIDFile is where a supervisor tells the PID of a unit.
func (f Files) PIDFile(unit string) string { return f.path("run", unit+".pid") }

// UnitFile is a unit file, or a drop-in, of this machine's systemd: the name
// is relative to /etc/systemd/system.
func (f Files) UnitFile(name string) string { return f.path("etc/systemd/system", name) }

// lockFile guards the read-change-write of the files above between processes.
func (f Files) lockFile(name string) string { return f.path("run", "cluster-agent."+name+".lock") }

// systemdDir exists while systemd is PID 1, see sd_booted(3).
func (f Files) systemdDir() string { return f.path("run/systemd/system") }
