package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/testbed"
	"cluster-agent/worker/redisq/redistest"
)

// agentFile is the binary under test, built once for all tests.
var agentFile string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	redistest.Quiet()
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	agentFile = filepath.Join(dir, "agent")
	if err := testbed.Build(agentFile, "cmd/agent"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const agentID = "module/m1"

// node is a machine with one Redis and the folders of one agent.
type node struct {
	t     *testing.T
	id    string // of the agent
	redis *redistest.Server
	dir   string
	terse bool // a test that fails does not print what its agents say
}

func newNode(t *testing.T) *node {
	t.Helper()
	return newNodeOf(t, agentID)
}

// newNodeOf is a machine of any agent, with more lines in its redis.conf.
func newNodeOf(t *testing.T, id string, lines ...string) *node {
	t.Helper()
	n := &node{t: t, id: id, redis: redistest.Start(t, lines...), dir: t.TempDir()}
	for _, folder := range []string{"actions", "events", "state"} {
		must(t, os.Mkdir(filepath.Join(n.dir, folder), 0o755))
	}
	// Some steps outlive their agents, by what the test does to these.
	t.Cleanup(func() { killAll(t, processes(t, within(n.dir))) })
	return n
}

// file writes one below the node's folder, while nothing forks: a process that
// is forked meanwhile would hold it open for writing, and running it would fail.
func (n *node) file(path string, mode os.FileMode, content string) {
	n.t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	path = filepath.Join(n.dir, path)
	must(n.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(n.t, os.WriteFile(path, []byte(content), mode))
	must(n.t, os.Chmod(path, mode))
}

// step makes a shell script a step of an action.
func (n *node) step(path, content string) {
	n.t.Helper()
	n.file("actions/"+path, 0o755, "#!/bin/sh\n"+content+"\n")
}

// process is a running agent.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *journal
	ended  chan struct{}
	err    error // how it ended; to be read when ended is closed
}

// start runs the agent until the test ends, with more environment variables.
func (n *node) start(env map[string]string) *process {
	n.t.Helper()
	return n.launch(env, "--agentid="+n.id, "--actionsdir", filepath.Join(n.dir, "actions"), "--eventsdir="+filepath.Join(n.dir, "events"))
}

// command is an agent that is yet to be started, with arguments of the test's choice.
func (n *node) command(env map[string]string, args ...string) *exec.Cmd {
	n.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(n.t.Context()), agentFile, args...)
	cmd.Dir = n.dir
	cmd.Env = n.environment(env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// launch runs the agent until the test ends.
func (n *node) launch(env map[string]string, args ...string) *process {
	n.t.Helper()
	cmd := n.command(env, args...)
	p := &process{t: n.t, cmd: cmd, stderr: &journal{}, ended: make(chan struct{})}
	cmd.Stderr = p.stderr
	must(n.t, cmd.Start())
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	n.t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		if n.t.Failed() && !n.terse {
			n.t.Logf("stderr of the agent:\n%s", p.stderr)
		}
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			n.t.Errorf("the agent has a data race:\n%s", p.stderr)
		}
	})
	return p
}

// environment is that of an agent: the node's own, and over it env, in which an
// empty value takes a variable away.
func (n *node) environment(env map[string]string) []string {
	all := map[string]string{
		"PATH": os.Getenv("PATH"), "REDIS_ADDRESS": n.redis.Address,
		"AGENT_STATE_DIR": filepath.Join(n.dir, "state"),
		"GORACE":          "atexit_sleep_ms=0", // or a race detector sleeps for a second at the end
	}
	maps.Copy(all, env)
	var lines []string
	for name, value := range all {
		if value != "" {
			lines = append(lines, name+"="+value)
		}
	}
	return lines
}

func (p *process) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("send %v to the agent: %v", signal, err)
	}
}

// end waits until the agent has ended and returns how long it took, and the
// signal that killed it, or 0, and its exit code.
func (p *process) end() (took time.Duration, signal syscall.Signal, code int) {
	p.t.Helper()
	began := time.Now()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("the agent does not end")
	}
	state, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && state.Signaled() {
		signal = state.Signal()
	}
	return time.Since(began), signal, p.cmd.ProcessState.ExitCode()
}

// patience bounds everything the tests wait for.
const patience = 20 * time.Second

// push gives a task to the agent.
func (n *node) push(task any) {
	n.t.Helper()
	payload, err := json.Marshal(task)
	must(n.t, err)
	n.redis.Do(n.t, "lpush", n.id+"/tasks", payload)
}

// do gives a task and waits for its final status, as a client does.
func (n *node) do(id, action string) {
	n.t.Helper()
	finished := n.watch(id)
	n.push(map[string]any{"id": id, "action": action, "data": nil})
	finished()
}

// watch subscribes to a task's progress; the function returned waits for one of
// the words, or for the final status if there are none.
func (n *node) watch(id string) func(words ...string) string {
	n.t.Helper()
	news := n.redis.Admin().Subscribe(n.t.Context(), "progress/"+n.id+"/task/"+id)
	n.t.Cleanup(func() { must(n.t, news.Close()) })
	_, err := news.Receive(n.t.Context())
	must(n.t, err)
	return func(words ...string) string {
		n.t.Helper()
		if words == nil {
			words = []string{"completed", "aborted", "validation-failed"}
		}
		for deadline := time.Now().Add(patience); ; {
			received, err := news.ReceiveTimeout(n.t.Context(), max(time.Until(deadline), time.Millisecond))
			must(n.t, err)
			message, ok := received.(*redis.Message)
			if ok && slices.ContainsFunc(words, func(word string) bool { return strings.Contains(message.Payload, word) }) {
				return message.Payload
			}
		}
	}
}

// get reads one part of a task's record.
func (n *node) get(id, part string) string {
	n.t.Helper()
	text, err := n.redis.Admin().Get(n.t.Context(), "task/"+n.id+"/"+id+"/"+part).Result()
	must(n.t, err)
	return text
}

// journal is the agent's stderr.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
