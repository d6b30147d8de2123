package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/redistest"
)

// allCommands lists how each command is called: as a subcommand of agent and,
// where it has a name of its own, by that.
func allCommands() [][]string {
	calls := [][]string{{"agent"}}
	var walk func(call []string, command *cobra.Command)
	walk = func(call []string, command *cobra.Command) {
		for _, child := range command.Commands() {
			deeper := append(append([]string(nil), call...), child.Name())
			calls = append(calls, deeper)
			walk(deeper, child)
		}
	}
	env := &environment{}
	walk([]string{"agent"}, commandNamed("agent", env))
	for _, own := range subcommands(env) {
		calls = append(calls, []string{own.Name()})
		walk([]string{own.Name()}, own)
	}
	return calls
}

func TestHelp(t *testing.T) {
	t.Parallel()
	calls := allCommands()
	if len(calls) < 15 {
		t.Errorf("only %d calls: %v", len(calls), calls)
	}
	for _, argv := range calls {
		got := call(t.TempDir(), "", append(argv, "--help")...)
		name := strings.Join(argv, " ")
		if got.Code != 0 || got.Stderr != "" || !strings.Contains(got.Stdout, "Usage:\n  "+argv[0]) {
			t.Errorf("%s --help: %+v", name, got)
		}
		_, examples, found := strings.Cut(got.Stdout, "\nExamples:\n")
		last := argv[len(argv)-1]
		if first, _, _ := strings.Cut(examples, "\n\n"); !found || !strings.Contains(first, last) {
			t.Errorf("%s --help has no example of %s:\n%s", name, last, got.Stdout)
		}
	}
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		argv []string
		want string // of the clear line
	}{
		{[]string{"agent", "setup-node", "--bogus"}, "unknown flag: --bogus"},
		{[]string{"agent", "setup-node", "now"}, `unknown command "now"`},
		{[]string{"agent", "join-request", "--endpoint"}, "flag needs an argument"},
		{[]string{"agent", "version", "-x"}, "unknown shorthand flag"},
		{[]string{"api-cli"}, "run or list-actions"},
		{[]string{"api-cli", "bogus"}, `unknown command "bogus"`},
		{[]string{"agent", "api-cli"}, "run or list-actions"},
		{[]string{"api-cli", "--bogus"}, "unknown flag"},
		{[]string{"api-cli", "run"}, "accepts 1 arg(s), received 0"},
		{[]string{"api-cli", "run", "a", "b"}, "accepts 1 arg(s), received 2"},
		{[]string{"api-cli", "run", "--bogus", "a"}, "unknown flag: --bogus"},
		{[]string{"api-cli", "run", "a", "--check-idle-time", "soon"}, "invalid argument"},
		{[]string{"api-cli", "run", "a", "--data", "{"}, "--data is not JSON: unexpected end of JSON input"},
		{[]string{"api-cli", "run", "a", "--data="}, "--data is not JSON"},
		{[]string{"api-cli", "run", "a", "--data", "{} {}"}, "--data is not JSON"},
		{[]string{"api-cli", "run", "a", "--timeout", "90"}, "missing unit"},
		{[]string{"api-cli", "run", "a", "--timeout", "-1s"}, "less than nothing"},
		{[]string{"api-cli", "run", "a", "--check-idle-time", "-1"}, "less than nothing"},
		{[]string{"api-cli", "run", "node/2/"}, "the action's name is missing"},
		{[]string{"api-cli", "run", ""}, "the action's name is missing"},
		{[]string{"api-cli", "run", "node/2/a", "--agent", "node/3"}, "named twice"},
		{[]string{"api-cli", "list-actions", "a", "b"}, "at most 1 arg"},
		{[]string{"switch-leader"}, "--node N is missing"},
		{[]string{"switch-leader", "--node", "0"}, "--node N is missing"},
		{[]string{"switch-leader", "--node", "three"}, "invalid argument"},
		{[]string{"switch-leader", "3"}, "unknown command"},
		{[]string{"switch-leader", "--node", "3", "--wait", "10"}, "missing unit"},
	} {
		got := call(t.TempDir(), "", c.argv...)
		if got.Code != cli.ExitUsage || got.Stdout != "" || !strings.Contains(got.Stderr, c.want) {
			t.Errorf("%v: %+v, want exit code 2 and %q", c.argv, got, c.want)
		}
		if lines := strings.Split(strings.TrimSpace(got.Stderr), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], "Error: ") || !strings.Contains(lines[1], "--help") {
			t.Errorf("%v says:\n%s", c.argv, got.Stderr)
		}
	}
}

// TestWrongCallOfTheAgent: it is found in the journal, where the agent's log is.
func TestWrongCallOfTheAgent(t *testing.T) {
	t.Parallel()
	for want, argv := range map[string][]string{
		"unknown flag: --bogus":             {"agent", "--agentid=node/1", "--actionsdir=/x", "--bogus"},
		"flag needs an argument: --agentid": {"agent", "--actionsdir=/x", "--agentid"},
		`unknown command "bogus"`:           {"agent", "bogus"},
	} {
		call(t.TempDir(), "", argv...).Want(t, cli.ExitUsage, "", "<0>Error: "+want)
		got := call(t.TempDir(), "", argv...)
		if lines := strings.SplitAfter(got.Stderr, "\n"); len(lines) != 3 || lines[1] != "<0>See --help for how to call it\n" || lines[2] != "" {
			t.Errorf("%v says:\n%s", argv, got.Stderr)
		}
	}
}

// TestWrongDataFromStdin: what comes through a pipe is checked, too.
func TestWrongDataFromStdin(t *testing.T) {
	t.Parallel()
	call(t.TempDir(), `{"a":`, "api-cli", "run", "a", "--data", "-").Want(t, cli.ExitUsage, "", "--data is not JSON")
}

// TestNames: the name by which the binary is called tells what it is.
func TestNames(t *testing.T) {
	t.Parallel()
	for argv0, want := range map[string]string{
		"/usr/local/bin/api-cli": "api-cli", "./switch-leader": "switch-leader",
		"agent": "agent", "/opt/another-name": "agent",
	} {
		got := call(t.TempDir(), "", argv0, "--help")
		if got.Code != 0 || !strings.Contains(got.Stdout, "Usage:\n  "+want+" ") {
			t.Errorf("%s: %+v", argv0, got)
		}
	}
	for _, argv := range [][]string{{"wireguard-go", "--bogus"}, {"agent", "wireguard-go", "--bogus"}} {
		if got := call(t.TempDir(), "", argv...); got.Code == 0 || got.Stderr == "" {
			t.Errorf("%v: %+v", argv, got)
		}
	}
}

// TestMovedProgram: a link of an older installation, or a habit, ends with what to
// do, and not as something else.
func TestMovedProgram(t *testing.T) {
	t.Parallel()
	const link = "/usr/local/bin/apply-vpn-routes"
	for _, argv := range [][]string{{link}, {link, "--help"}, {link, "completion", "bash"}, {link, "--agentid=node/1", "--actionsdir=/x"}} {
		call(t.TempDir(), "", argv...).Want(t, cli.ExitUsage, "", "put the file build/apply-vpn-routes in place of the link "+link+", or run make install")
	}
	for _, argv := range [][]string{{"agent", "apply-vpn-routes"}, {"/opt/another-name", "apply-vpn-routes", "--help"}} {
		call(t.TempDir(), "", argv...).Want(t, cli.ExitUsage, "", "is a program of its own: run it as apply-vpn-routes, without agent before it\n")
	}
	call(t.TempDir(), "", "api-cli", "apply-vpn-routes").Want(t, cli.ExitUsage, "", "unknown command")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := call(t.TempDir(), "", "agent", "version")
	if got.Code != 0 || !strings.HasPrefix(got.Stdout, "agent "+cli.SoftwareVersion) || strings.Count(got.Stdout, "\n") != 1 {
		t.Errorf("%+v", got)
	}
	for _, argv := range [][]string{{"agent", "--version"}, {"api-cli", "--version"}, {"switch-leader", "--version"}, {"agent", "-v"}} {
		call(t.TempDir(), "", argv...).Want(t, 0, got.Stdout, "")
	}
	for variable, want := range map[string]string{"": cli.SoftwareVersion, "3.2.1": "3.2.1"} {
		if got := coreVersion(func(string) string { return variable }); got != want {
			t.Errorf("core version %q, want %q", got, want)
		}
	}
}

// TestUnpreparedMachine: every command says what is missing, and where.
func TestUnpreparedMachine(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	state := filepath.Join(root, "var/lib/nethserver")
	call(root, "", "api-cli", "run", "a").Want(t, cli.ExitFailure, "", state+"/cluster/state/agent.env")
	call(root, "", "api-cli", "list-actions").Want(t, cli.ExitFailure, "", "is this root, on a prepared node?")
	call(root, "", "switch-leader", "--node", "3").Want(t, cli.ExitFailure, "", state+"/node/state/environment")
	call(root, "", "agent", "join-request").Want(t, cli.ExitFailure, "", root)
}

func TestJoinRequest(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	got := call(m.root, "", "agent", "join-request", "--endpoint", "node2.example.com:55820")
	var request map[string]string
	must(t, json.Unmarshal([]byte(got.Stdout), &request))
	key, err := m.files.Keys()
	must(t, err)
	if got.Code != 0 || len(request) != 4 || request["core_version"] != cli.SoftwareVersion || request["endpoint"] != "node2.example.com:55820" ||
		request["public_key"] != key.PublicKey().String() || request["node_pwh"] != redistest.PasswordHash() {
		t.Errorf("%+v", got)
	}
}

// TestCommandsOfANode on a node that is in no cluster, or in one with a leader
// that cannot be switched to.
func TestCommandsOfANode(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	call(m.root, "", "switch-leader", "--node", "3").Want(t, cli.ExitFailure, "", "run create-cluster first")
	client := m.redis.Client()
	must(t, client.Set(t.Context(), "cluster/network", "10.5.4.0/24", 0).Err())
	must(t, client.HSet(t.Context(), "cluster/environment", "NODE_ID", 1).Err())
	call(m.root, "", "switch-leader", "--node", "3").Want(t, cli.ExitFailure, "", "Error: switch to node 3 as leader: no such node")
	must(t, client.HSet(t.Context(), "node/3/vpn", "ip_address", "10.5.4.3", "endpoint", "").Err())
	call(m.root, "", "switch-leader", "--node", "3").Want(t, cli.ExitFailure, "", "--endpoint HOST:PORT")
	call(m.root, "", "switch-leader", "--node=3", "--endpoint=node3").Want(t, cli.ExitFailure, "", "missing port")
	m.redis.Kill()
	call(m.root, "", "switch-leader", "--node", "3").Want(t, cli.ExitFailure, "", "refused")
}
