package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/cli/clitest"
	"cluster-agent/internal/redistest"
	"cluster-agent/worker/redisq"
)

// TestComplete asks as the scripts of the shells do.
func TestComplete(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent("cluster", steps(t, map[string]string{"monitor": "true"}))
	m.agent(module, steps(t, map[string]string{"hello": "true", "help": "true"}))
	const files, nothing, noSpace, dirs = ":0", ":4", ":6", ":16"
	for _, c := range []struct {
		argv []string
		want string // words, and the directive
	}{
		{[]string{"api-cli", "run", "c"}, "cancel-task create-cluster " + nothing},
		{[]string{"api-cli", "run", "create-cluster"}, "create-cluster " + nothing},
		{[]string{"api-cli", "run", "x"}, nothing},
		{[]string{"api-cli", "run", "mo"}, "module/t1/ monitor " + noSpace},
		{[]string{"api-cli", "run", module}, module + "/ " + noSpace},
		{[]string{"api-cli", "run", module + "/"}, module + "/cancel-task " + module + "/hello " + module + "/help " + module + "/list-actions " + nothing},
		{[]string{"api-cli", "run", module + "/he"}, module + "/hello " + module + "/help " + nothing},
		{[]string{"api-cli", "run", "module/t2/"}, nothing},
		{[]string{"api-cli", "run", "cluster/mo"}, "cluster/monitor " + nothing},
		{[]string{"api-cli", "run", "--raw", "mon"}, "monitor " + nothing},
		{[]string{"api-cli", "run", "create-cluster", ""}, nothing},
		{[]string{"api-cli", "run", "-a", ""}, "cluster " + module + " " + nothing},
		{[]string{"api-cli", "run", "--agent=m"}, module + " " + nothing},
		{[]string{"api-cli", "run", "-a", module, "h"}, "hello help " + nothing},
		{[]string{"api-cli", "run", "-a", "cluster", "m"}, "monitor " + nothing},
		{[]string{"api-cli", "run", "--data", ""}, nothing},
		{[]string{"api-cli", "run", "--ti"}, "--timeout " + nothing},
		{[]string{"api-cli", "list-actions", module + "/l"}, module + "/list-actions " + nothing},
		{[]string{"api-cli", "l"}, "list-actions " + nothing},
		{[]string{"agent", "api-cli", "run", "mon"}, "monitor " + nothing},
		{[]string{"agent", "--agentid", ""}, nothing},
		{[]string{"agent", "--actionsdir", ""}, dirs},
		{[]string{"agent", "--actionsdir=/x", "--eventsdir=/"}, dirs},
		{[]string{"agent", "setup-node", ""}, nothing},
		{[]string{"switch-leader", "--node", ""}, nothing},
		{[]string{"switch-leader", "--en"}, "--endpoint " + nothing},
	} {
		argv := append([]string{c.argv[0], "__completeNoDesc"}, c.argv[1:]...)
		got := call(m.root, "", argv...)
		if words := strings.Join(strings.Fields(got.Stdout), " "); got.Code != 0 || words != c.want || strings.HasSuffix(words, files) {
			t.Errorf("%v: %q, want %q", c.argv, words, c.want)
		}
	}
}

func TestCompletionWithoutRedis(t *testing.T) {
	t.Parallel()
	for _, argv := range [][]string{{"run", ""}, {"run", "-a", ""}, {"run", "-a", module, ""}, {"list-actions", ""}} {
		got := call(t.TempDir(), "", append([]string{"api-cli", "__complete"}, argv...)...)
		got.Want(t, 0, ":1\n", "") // an error, without a word on the terminal that is being typed on
	}
}

// TestCompletionWithAnAgentThatDoesNotAnswer does not keep the shell waiting.
func TestCompletionWithAnAgentThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.deaf("module/deaf")
	started := time.Now()
	call(m.root, "", "api-cli", "__complete", "run", "module/deaf/").Want(t, 0, ":1\n", "")
	if took := time.Since(started); took > completionTime+2*time.Second {
		t.Errorf("took %s", took)
	}
}

// deaf connects what others take for an agent.
func (m *machine) deaf(id string) {
	m.t.Helper()
	connection := redisq.Connect(redisq.Server{Address: m.redis.Address(), User: "cluster", Password: redistest.Password, Name: id}, 1)
	m.t.Cleanup(func() { must(m.t, connection.Close()) })
	must(m.t, connection.Ping(m.t.Context()).Err())
}

// TestListActionsOfWhoAnswers: an agent that does not answer costs only its own.
func TestListActionsOfWhoAnswers(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent(module, steps(t, map[string]string{"hello": "true"}))
	m.deaf("module/deaf")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	names, err := listAll(ctx, &environment{Environment: cli.Environment{Root: m.root, Stderr: io.Discard}}, "")
	if want := []string{module + "/cancel-task", module + "/hello", module + "/list-actions"}; !slices.Equal(names, want) {
		t.Errorf("names %v", names)
	}
	if err == nil || !strings.Contains(err.Error(), "list actions of agent module/deaf: it does not answer") {
		t.Errorf("error %v", err)
	}
}

// TestBashCompletes drives a real bash, as a person does who has not installed
// the package bash-completion; README says that this works.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent("cluster", steps(t, map[string]string{"monitor": "true"}))
	m.agent(module, steps(t, map[string]string{"hello": "true", "bye": "true"}))
	term := onTerminal(t, interactiveBash(t, m))
	for _, program := range []string{"api-cli", "agent", "switch-leader"} {
		term.typed("source <("+program+" completion bash); echo loaded $((1+1)) "+program+"\n", "loaded 2 "+program+"\r\n")
	}
	for _, c := range []struct{ keys, want string }{
		{"api-cli ru\t", "api-cli run "},
		{"api-cli run mon\t", "api-cli run monitor "},
		{"api-cli run mod\t", "api-cli run " + module + "/"},
		{"api-cli run " + module + "/h\t", "api-cli run " + module + "/hello "},
		{"api-cli run --agent=mod\t", "api-cli run --agent=" + module + " "},
		{"api-cli run -a " + module + " b\t", "api-cli run -a " + module + " bye "},
		{`api-cli run --data '{"a b": [1]}' crea` + "\t", `api-cli run --data '{"a b": [1]}' create-cluster `},
		{"agent api-cli run " + module + "/b\t", "agent api-cli run " + module + "/bye "},
		{"agent join-r\t", "agent join-request "},
		{"agent --actionsdir fol\t", "agent --actionsdir folder/"},
		{"switch-leader --en\t", "switch-leader --endpoint "},
	} {
		term.typed("\x15"+c.keys, c.want) // Ctrl-U takes the line before back
	}
	if strings.Contains(term.screen.String(), "not found") {
		t.Error("the script needs what is not there")
	}
}

// interactiveBash is a bash with the program under its names in PATH, in a
// directory with a folder and a file.
func interactiveBash(t *testing.T, m *machine) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("bash")
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	bin, here := t.TempDir(), t.TempDir()
	for _, name := range []string{"agent", "api-cli", "switch-leader"} {
		must(t, os.Symlink(self, filepath.Join(bin, name)))
	}
	must(t, os.Mkdir(filepath.Join(here, "folder"), 0o750))
	must(t, os.WriteFile(filepath.Join(here, "file"), nil, 0o600))
	cmd := program(t, m.root, "bash", "--norc", "--noprofile", "-i")
	cmd.Path, cmd.Dir = path, here
	cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"), "TERM=dumb", "PS1=$ ", "HISTFILE=", "INPUTRC=/dev/null")
	return cmd
}

// TestCompletionScripts: each program has one for each shell.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"agent", "api-cli", "switch-leader"} {
		clitest.CheckCompletion(t, program, func(args ...string) said {
			return call(t.TempDir(), "", append([]string{program}, args...)...)
		})
	}
}
