package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/redistest"
	"cluster-agent/worker"
)

// module is the agent that most of these tests talk to.
const module = "module/t1"

// cleanUp is a step that says on the progress channel when it can be told to
// end, and then cleans up.
const cleanUp = `trap 'echo cleaned up >&2; exit 3' TERM
sleep 60 >/dev/null 2>&1 3>&- &
echo set-progress 50 >&3
wait`

// progress hands out what is published on a task's progress.
type progress <-chan *redis.Message

// watch begins to read the progress of all tasks.
func (m *machine) watch() progress {
	m.t.Helper()
	pubsub := m.redis.Client().PSubscribe(m.t.Context(), "progress/*")
	_, err := pubsub.Receive(m.t.Context())
	must(m.t, err)
	m.t.Cleanup(func() { must(m.t, pubsub.Close()) })
	return pubsub.Channel()
}

// await waits for a message with this text.
func (p progress) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case message := <-p:
			if strings.Contains(message.Payload, text) {
				return
			}
		case <-timeout:
			t.Fatalf("no task has told %s", text)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent(module, steps(t, map[string]string{
		"echo":    "cat",
		"hello":   "echo hello",
		"fail":    "echo why >&2; echo '{ \"a\" : 1 }'; exit 7",
		"invalid": "echo set-status validation-failed >&3; echo '[]'; exit 3",
		"half":    "echo set-progress 50 >&3",
		"env":     `echo "$AGENT_TASK_ACTION $AGENT_TASK_USER"`,
	}))
	for _, c := range []struct {
		name, stdin    string
		argv           []string
		code           int
		stdout, stderr string
	}{
		{"no data", "", []string{module + "/echo"}, 0, "null\n", ""},
		{"data", "", []string{module + "/echo", "--data", `{ "b": [1.50, "x"] }`}, 0, `{"b":[1.50,"x"]}` + "\n", ""},
		{"data of stdin", ` {"c": null}` + "\n", []string{module + "/echo", "--data", "-"}, 0, `{"c":null}` + "\n", ""},
		{"agent as a flag", "", []string{"echo", "-a", module, "--data=1"}, 0, "1\n", ""},
		{"agent as a long flag", "", []string{"--agent=" + module, "echo"}, 0, "null\n", ""},
		{"no JSON", "", []string{module + "/hello"}, 0, `"hello\n"` + "\n", ""},
		{"raw", "", []string{module + "/hello", "--raw"}, 0, "hello\n", ""},
		{"exit code", "", []string{module + "/fail"}, 7, `{"a":1}` + "\n", "why\n"},
		{"raw with an exit code", "", []string{module + "/fail", "--raw"}, 7, "{ \"a\" : 1 }\n", "why\n"},
		{"validation failed", "", []string{module + "/invalid"}, 3, "[]\n", ""},
		{"no such action", "", []string{module + "/bogus"}, worker.ExitUndefined, "", "Action bogus is not defined\n"},
		{"verbose", "", []string{module + "/half", "--verbose"}, 0, "", "completed, exit code 0\n"},
		{"who asks", "", []string{module + "/env"}, 0, `"env cluster\n"` + "\n", ""},
		{"unchecked", "", []string{module + "/echo", "--check-idle-time", "0"}, 0, "null\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := call(m.root, c.stdin, append([]string{"api-cli", "run"}, c.argv...)...)
			got.Want(t, c.code, c.stdout, c.stderr)
			if c.stderr == "" && got.Stderr != "" {
				t.Errorf("stderr %q", got.Stderr)
			}
		})
	}
}

// TestRunWithinAStep: a step runs a subtask, for which it needs no other slot than its own.
func TestRunWithinAStep(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	program, err := os.Executable()
	must(t, err)
	m.agent(module, steps(t, map[string]string{
		"parent": program + " api-cli run " + module + "/child --raw",
		"child":  "echo child",
	}), "MAX_CONCURRENCY=1")
	call(m.root, "", "api-cli", "run", module+"/parent", "--raw").Want(t, 0, "child\n", "")
}

func TestRunVerbose(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent(module, steps(t, map[string]string{"half": "echo set-progress 50 >&3"}), "AGENT_POLLING_INTERVAL=1m") // no heartbeat repeats the last news
	got := call(m.root, "", "api-cli", "run", module+"/half", "--verbose")
	if want := "pending 0%\nrunning 0%\nrunning 50%\nrunning 100%\ncompleted 100%\ncompleted, exit code 0\n"; got.Stderr != want {
		t.Errorf("stderr %q, want %q", got.Stderr, want)
	}
}

// TestRunOfTheClusterAgent: the compiled-in actions are there, and their codes
// come through.
func TestRunOfTheClusterAgent(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent("cluster", steps(t, map[string]string{"of-a-directory": "true"}))
	call(m.root, "", "api-cli", "run", "of-a-directory").Want(t, 0, "", "")
	got := call(m.root, "", "api-cli", "run", "create-cluster", "--data", `{"network":"10.5.4.1/24","endpoint":"h:1"}`)
	got.Want(t, 3, `[{"field":"network","parameter":"network","value":"10.5.4.1/24","error":"not_a_valid_ipv4_network"}]`+"\n", "did you mean 10.5.4.0/24?")
	call(m.root, "", "api-cli", "run", "create-cluster", "--data", `{}`).
		Want(t, worker.ExitInvalid, "[{\"parameter\":\"(root)\",\"error\":\"(root)_required\",\"value\":{},\"field\":\"(root)\"},"+
			"{\"parameter\":\"(root)\",\"error\":\"(root)_required\",\"value\":{},\"field\":\"(root)\"}]\n", "Validation errors: ")
}

func TestNoWait(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent(module, steps(t, map[string]string{"hello": "echo hello"}))
	watch := m.watch()
	got := call(m.root, "", "api-cli", "run", module+"/hello", "--nowait")
	id := strings.TrimSpace(got.Stdout)
	got.Want(t, 0, id+"\n", "")
	watch.await(t, "completed")
	if output := m.redis.Client().Get(t.Context(), "task/"+module+"/"+id+"/output").Val(); output != "hello\n" {
		t.Errorf("output of task %q: %q", id, output)
	}
}

func TestNoLiveAgent(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	started := time.Now()
	for agent, argv := range map[string][]string{
		"cluster": {"add-node"}, "node/2": {"node/2/list-actions"}, module: {"list-actions", "-a", module},
	} {
		call(m.root, "", append([]string{"api-cli", "run"}, argv...)...).
			Want(t, cli.ExitFailure, "", "agent "+agent+" is not connected")
		if m.redis.Client().Exists(t.Context(), agent+"/tasks").Val() != 0 {
			t.Errorf("a task waits for agent %s", agent)
		}
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	call(m.root, "", "api-cli", "list-actions").Want(t, 0, "", "No agent is connected")
	m.redis.Kill()
	call(m.root, "", "api-cli", "run", "add-node").Want(t, cli.ExitFailure, "", "refused")
}

// TestRunOnAWorker: tasks are given on the leader, and that is what is said.
func TestRunOnAWorker(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.redis.Follow(redistest.Start(t))
	got := call(m.root, "", "api-cli", "run", "add-node", "--check-idle-time", "0")
	got.Want(t, cli.ExitFailure, "", "this node is a worker, tasks are given on the leader (cluster-leader in /etc/hosts)")
}

func TestListActions(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent("cluster", steps(t, map[string]string{"of-a-directory": "true"}))
	m.agent(module, steps(t, map[string]string{"hello": "true", "bye": "true"}))
	ofModule := []string{module + "/bye", module + "/cancel-task", module + "/hello", module + "/list-actions"}
	ofCluster := []string{
		"add-node", "cancel-task", "create-cluster", "get-cluster-status", "join-node", "list-actions", "of-a-directory",
		"promote-node", "remove-node", "set-node-endpoint", "update-routes",
	}
	all := slices.Sorted(slices.Values(append(append([]string(nil), ofCluster...), ofModule...)))
	list := func(names []string) string { return strings.Join(names, "\n") + "\n" }
	call(m.root, "", "api-cli", "list-actions").Want(t, 0, list(all), "")
	call(m.root, "", "api-cli", "list-actions", "module/").Want(t, 0, list(ofModule), "")
	call(m.root, "", "api-cli", "list-actions", module+"/h").Want(t, 0, module+"/hello\n", "")
	call(m.root, "", "api-cli", "list-actions", "no").Want(t, 0, "", "")
	call(m.root, "", "api-cli", "list-actions", "module/t1x").Want(t, 0, "", "")
}

// TestCtrlC cancels the task, and waits for what it comes to.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent(module, steps(t, map[string]string{"slow": cleanUp}))
	watch := m.watch()
	caller := start(t, m.root, nil, "api-cli", "run", module+"/slow")
	watch.await(t, `"progress":50`)
	caller.signal(syscall.SIGINT)
	caller.said().Want(t, 3, "", "cleaned up\n")
}

// TestCtrlCTwice: who does not want to wait for the end need not.
func TestCtrlCTwice(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	busy := filepath.Join(t.TempDir(), "busy")
	must(t, os.WriteFile(busy, nil, 0o600))
	m.agent(module, steps(t, map[string]string{
		"stubborn": fmt.Sprintf("trap '' TERM\necho set-progress 50 >&3\nwhile [ -e %s ]; do sleep 0.1; done", busy),
	}))
	watch := m.watch()
	caller := start(t, m.root, nil, "api-cli", "run", module+"/stubborn")
	watch.await(t, `"progress":50`)
	caller.signal(syscall.SIGINT)
	watch.await(t, "completed") // the task that cancels the other
	caller.signal(syscall.SIGINT)
	if status := caller.wait(); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("status %v: %s", status, caller.log)
	}
	must(t, os.Remove(busy))
	watch.await(t, "completed")
}

// TestAgentStopsDuringRun: the client gets its answer.
func TestAgentStopsDuringRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	agent := m.agent(module, steps(t, map[string]string{"slow": cleanUp}))
	watch := m.watch()
	caller := start(t, m.root, nil, "api-cli", "run", module+"/slow")
	watch.await(t, `"progress":50`)
	agent.signal(syscall.SIGTERM)
	caller.said().Want(t, worker.ExitStopped, "", "cleaned up\n")
}

// TestRunEndsWithItsContext: a call that was given up gives no task.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	env := &environment{Environment: cli.Environment{Root: m.root}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runTask(ctx, env, runOptions{agent: "cluster", action: "a", data: "null", idleTime: 8}); err == nil {
		t.Error("a task was given")
	}
	if m.redis.Client().Exists(t.Context(), "cluster/tasks").Val() != 0 {
		t.Error("a task waits")
	}
}

// TestJournalOfAnAgent: the lines that operators look for, each with its level.
func TestJournalOfAnAgent(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	agent := m.agent(module, steps(t, map[string]string{"hello": "true", "fail": "echo a word of the step >&2; exit 7"}))
	ok := taskID(t, m, "hello")
	bad := taskID(t, m, "fail")
	for _, want := range []string{
		fmt.Sprintf("<6>task/%s/%s: hello/10step is starting", module, ok),
		fmt.Sprintf(`<6>task/%s/%s: action "hello" status is "completed" (0) at step 10step`, module, ok),
		fmt.Sprintf(`<3>task/%s/%s: action "fail" status is "aborted" (7) at step 10step`, module, bad),
		"a word of the step",
	} {
		agent.log.await(t, want+"\n")
		if lines := agent.log.lines(want); !slices.Contains(lines, want) {
			t.Errorf("no line is %q: %q", want, lines)
		}
	}
	if strings.Contains(agent.log.String(), redistest.Password) {
		t.Errorf("the password is in the log:\n%s", agent.log)
	}
}

// taskID gives a task, waits for it, and returns its id.
func taskID(t *testing.T, m *machine, action string) string {
	t.Helper()
	watch := m.watch()
	got := call(m.root, "", "api-cli", "run", module+"/"+action, "--nowait")
	got.Want(t, 0, got.Stdout, "")
	watch.await(t, "progress")
	return strings.TrimSpace(got.Stdout)
}

// TestDataIsJSON: whatever JSON is, is sent as it is.
func TestDataIsJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`null`, `1`, `"a"`, `[]`, ` {"a":1} `, "\n{}\n"} {
		if err := checkData([]byte(text)); err != nil || !json.Valid([]byte(text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", " ", "{", "nul", "{'a':1}", "1 2", "\x00"} {
		if err := checkData([]byte(text)); err == nil {
			t.Errorf("%q is JSON", text)
		}
	}
}
