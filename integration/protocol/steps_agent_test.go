package protocol

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startAs runs an agent of any id, with folders of the node.
func (n *node) startAs(agent string, flags []string, env map[string]string) *process {
	n.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(n.t.Context()), agentFile, append([]string{"--agentid=" + agent}, flags...)...)
	cmd.Dir = n.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "REDIS_ADDRESS=" + n.redis.Address,
		"AGENT_STATE_DIR=" + filepath.Join(n.dir, "state"), "GORACE=atexit_sleep_ms=0",
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	p := &process{t: n.t, cmd: cmd, stderr: &journal{}, ended: make(chan struct{})}
	cmd.Stderr = p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(n.t, cmd.Start())
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	n.t.Cleanup(p.kill)
	return p
}

// kill ends the process and shows what it said, if the test failed.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
	if p.t.Failed() {
		p.t.Logf("stderr of the agent:\n%s", p.stderr)
	}
	if strings.Contains(p.stderr.String(), "DATA RACE") {
		p.t.Error("the agent has a data race")
	}
}

// shows waits until the agent's stderr holds a text.
func (p *process) shows(t *testing.T, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q on the agent's stderr", text), func() bool {
		return strings.Contains(p.stderr.String(), text)
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	const interval = 5 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// path is the place of a file below the node's folder.
func (n *node) path(elements ...string) string {
	return filepath.Join(append([]string{n.dir}, elements...)...)
}

// isFile tells whether there is a file below the node's folder.
func (n *node) isFile(path string) bool {
	_, err := os.Stat(n.path(path))
	return err == nil
}

// content returns the content of a file below the node's folder.
func (n *node) content(path string) string {
	n.t.Helper()
	content, err := os.ReadFile(n.path(path))
	must(n.t, err)
	return string(content)
}

// proc reads what the kernel tells of the agent.
func (p *process) proc(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	must(t, err)
	return string(content)
}
