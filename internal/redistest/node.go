package redistest

import (
	"fmt"
	"os"
	"path/filepath"

	"cluster-agent/internal/host"
)

// Prepare writes the files of a prepared machine, by which node id finds this
// server: the agents' environments and credentials, keys and hosts.
func (s *Server) Prepare(files host.Files, id int) {
	s.t.Helper()
	name := fmt.Sprintf("node/%d", id)
	for path, text := range map[string]string{
		files.HostsFile():                         "127.0.0.1 localhost\n",
		files.AgentEnv():                          "REDIS_ADDRESS=" + s.Address() + "\nREDIS_REPLICA_ADDRESS=" + s.Address() + "\n",
		files.StateAgentEnv(host.ClusterAgent):    credentials("cluster", "cluster") + "REDIS_ADDRESS=" + s.Address() + "\n",
		files.StateAgentEnv(host.NodeAgent):       credentials(name, name),
		files.StateEnvironment(host.ClusterAgent): fmt.Sprintf("NODE_ID=%d\n", id),
		files.StateEnvironment(host.NodeAgent):    fmt.Sprintf("NODE_ID=%d\n", id),
	} {
		s.put(path, text)
	}
	if _, _, _, err := files.EnsureKeys(); err != nil {
		s.t.Fatal(err)
	}
}

func credentials(agent, user string) string {
	return fmt.Sprintf("AGENT_ID=%s\nREDIS_USER=%s\nREDIS_PASSWORD=%q\n", agent, user, Password)
}

func (s *Server) put(path, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
