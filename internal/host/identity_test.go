package host

import (
	"os"
	"strings"
	"testing"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	put(t, files.AgentEnv(), "REDIS_ADDRESS=cluster-leader:6379\nREDIS_REPLICA_ADDRESS=127.0.0.1:6379\n")
	put(t, files.StateAgentEnv(ClusterAgent),
		"AGENT_ID=cluster\nREDIS_USER=cluster\nREDIS_PASSWORD=c1\nREDIS_ADDRESS=127.0.0.1:6379\n")
	put(t, files.StateAgentEnv(NodeAgent), "AGENT_ID=node/3\nREDIS_PASSWORD=\"n 3\"\n")
	for agent, want := range map[Agent]Credentials{
		ClusterAgent: {"cluster", "cluster", "c1", "127.0.0.1:6379", "127.0.0.1:6379"},
		NodeAgent:    {"node/3", "node/3", "n 3", "cluster-leader:6379", "127.0.0.1:6379"},
	} {
		got, err := files.Credentials(agent)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", agent, got, err)
		}
	}
}

func TestCredentialsWithoutPassword(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	if _, err := files.Credentials(NodeAgent); err == nil {
		t.Error("missing file: no error")
	}
	put(t, files.StateAgentEnv(NodeAgent), "AGENT_ID=node/3\n")
	if _, err := files.Credentials(NodeAgent); err == nil || !strings.Contains(err.Error(), "no REDIS_PASSWORD in ") {
		t.Errorf("no password: %v", err)
	}
}

func TestNodeID(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	if _, err := files.NodeID(); err == nil {
		t.Error("missing file: no error")
	}
	for _, bad := range []string{"", "0", "-1", "one"} {
		put(t, files.StateEnvironment(NodeAgent), "NODE_ID="+bad+"\n")
		if id, err := files.NodeID(); err == nil {
			t.Errorf("NODE_ID=%s gives %d", bad, id)
		}
	}
	put(t, files.StateEnvironment(NodeAgent), "X=1\nNODE_ID=1\n")
	outcome, err := files.SetNodeID(t.Context(), 12)
	if err != nil || !outcome.Changed() {
		t.Fatalf("%s, %v", outcome, err)
	}
	if id, idErr := files.NodeID(); id != 12 || idErr != nil {
		t.Errorf("id %d, %v", id, idErr)
	}
	if got := content(t, files.StateEnvironment(NodeAgent)); got != "X=1\nNODE_ID=12\n" {
		t.Errorf("node: %q", got)
	}
	if got := content(t, files.StateEnvironment(ClusterAgent)); got != "NODE_ID=12\n" {
		t.Errorf("cluster: %q", got)
	}
	if outcome, err = files.SetNodeID(t.Context(), 12); err != nil || outcome != Kept {
		t.Errorf("second time: %s, %v", outcome, err)
	}
}

func TestSetNodeAgentID(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	path := files.StateAgentEnv(NodeAgent)
	put(t, path, "AGENT_ID=node/1\nREDIS_USER=node/1\nREDIS_PASSWORD=s\n")
	_, err := files.SetNodeAgentID(t.Context(), 4)
	must(t, err)
	if got := content(t, path); got != "AGENT_ID=node/4\nREDIS_USER=node/4\nREDIS_PASSWORD=s\n" {
		t.Errorf("got %q", got)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v: a password must not be readable for others", info.Mode())
	}
}

func TestSetAgentAddresses(t *testing.T) {
	t.Parallel()
	files := tempFiles(t)
	_, err := files.SetAgentAddresses(t.Context(), "cluster-leader:6379", "127.0.0.1:6379")
	must(t, err)
	if got := content(t, files.AgentEnv()); got != "REDIS_ADDRESS=cluster-leader:6379\nREDIS_REPLICA_ADDRESS=127.0.0.1:6379\n" {
		t.Errorf("got %q", got)
	}
}
