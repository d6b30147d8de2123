package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/exec"
	"strings"
	"time"
)

// The services of a node, by the names of their units.
const (
	Redis        = "redis-server"
	ClusterAgent = "agent@cluster"
	NodeAgent    = "agent@node"
)

func units() []unit {
	return []unit{
		{name: Redis, command: redisCommand, ready: redisReady},
		{name: ClusterAgent, command: func(n *Node) (*exec.Cmd, error) { return agentCommand(n, "cluster") }},
		{name: NodeAgent, command: func(n *Node) (*exec.Cmd, error) { return agentCommand(n, "node") }},
	}
}

// redisCommand runs Debian's redis-server with Debian's settings, as Debian's unit does,
// but in the foreground and without its notifications to systemd.
func redisCommand(n *Node) (*exec.Cmd, error) {
	return n.serviceCommand("/", nil, "setpriv", "--reuid=redis", "--regid=redis", "--init-groups",
		"/usr/bin/redis-server", "/etc/redis/redis.conf", "--daemonize", "no", "--supervised", "no"), nil
}

// redisReady is nil once Redis has loaded its data, which is when Debian's unit counts
// as started. Being denied is an answer too.
func redisReady(ctx context.Context, n *Node) (err error) {
	conn, err := n.Dial(ctx, "tcp", "127.0.0.1:6379")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return ping(conn)
}

func ping(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 128)
	size, err := conn.Read(answer)
	if err != nil {
		return err
	}
	if text := string(answer[:size]); strings.HasPrefix(text, "-LOADING") {
		return errors.New(strings.TrimSpace(text))
	}
	return nil
}

// agentCommand does what the unit agent@.service says, for the instance cluster or node.
func agentCommand(n *Node, instance string) (*exec.Cmd, error) {
	common, err := n.envFile("/etc/nethserver/agent.env")
	if err != nil {
		return nil, err
	}
	state := "/var/lib/nethserver/" + instance + "/state"
	own, err := n.envFile(state + "/agent.env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // EnvironmentFile=-…
		return nil, err
	}
	env := append(append([]string{"AGENT_STATE_DIR=" + state}, common...), own...)
	return n.serviceCommand(state, env, "/usr/local/bin/agent",
		"--agentid="+lookupEnv(env, "AGENT_ID"),
		"--actionsdir=/usr/local/agent/actions",
		"--actionsdir=/var/lib/nethserver/"+instance+"/actions",
		"--eventsdir=/var/lib/nethserver/"+instance+"/events"), nil
}

// envFile reads a file of assignments as systemd's EnvironmentFile= does.
func (n *Node) envFile(path string) ([]string, error) {
	text, err := n.ReadFile(path)
	if err != nil {
		return nil, err
	}
	env, err := parseEnv(text)
	if err != nil {
		return nil, fmt.Errorf("node %d: %s: %w", n.ID, path, err)
	}
	return env, nil
}

// parseEnv understands NAME=value lines, empty lines, comments, and values in quotes.
func parseEnv(text string) ([]string, error) {
	var env []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			return nil, errors.New("a line is no NAME=value") // the line may hold a secret
		}
		env = append(env, strings.TrimSpace(name)+"="+unquote(strings.TrimSpace(value)))
	}
	return env, nil
}

func unquote(value string) string {
	if size := len(value); size > 1 && (value[0] == '"' || value[0] == '\'') && value[size-1] == value[0] {
		return value[1 : size-1]
	}
	return value
}

// lookupEnv returns the last value of a name, as for environments.
func lookupEnv(env []string, name string) string {
	var value string
	for _, e := range env {
		if rest, ok := strings.CutPrefix(e, name+"="); ok {
			value = rest
		}
	}
	return value
}
