package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/cli/clitest"
	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
)

// rootVariable, set by a test, makes the test binary the program itself, on
// the machine whose files are below the variable's value.
const rootVariable = "TEST_PROGRAM_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(rootVariable); root != "" {
		os.Exit(run(os.Args, processEnvironment(root)))
	}
	// A pool that was closed while its Redis was off notices within a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// said is what a call of the program came to.
type said = clitest.Said

// call calls the program within the test, on the machine below root.
func call(root, stdin string, argv ...string) said {
	return clitest.Call(root, stdin, func(env cli.Environment) int { return run(argv, &environment{Environment: env}) })
}

// patience bounds what tests wait for, on a busy machine.
const patience = 30 * time.Second

// process is the program in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer
	log    *record
	ended  chan struct{}
}

// start starts it, with more variables of the environment.
func start(t *testing.T, root string, variables []string, argv ...string) *process {
	t.Helper()
	p := &process{t: t, log: newRecord(), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "/proc/self/exe")
	p.cmd.Args = argv
	p.cmd.Env = append([]string{
		rootVariable + "=" + root, "PATH=" + os.Getenv("PATH"),
		"GORACE=halt_on_error=1 atexit_sleep_ms=0", // it would sleep for a second before the process ends
		"GOCOVERDIR=" + t.TempDir(),                // without it, go test -cover says so in the log
	}, variables...)
	p.cmd.Dir = filepath.Dir(t.TempDir()) // the same for all of a test, as an agent's state is
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, p.cmd.Start())
	go func() {
		var exit *exec.ExitError
		if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Errorf("%v: %v", argv, err)
		}
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		if t.Failed() {
			t.Logf("log of %v:\n%s", argv, p.log)
		}
	})
	return p
}

func (p *process) signal(number syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(number); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
}

// wait waits for the end and returns how the process ended.
func (p *process) wait() syscall.WaitStatus {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%v does not end\n%s", p.cmd.Args, p.log)
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		p.t.Fatal("the system tells no status")
	}
	return status
}

// said is what an ended process came to.
func (p *process) said() said {
	p.t.Helper()
	return said{Code: p.wait().ExitStatus(), Stdout: p.stdout.String(), Stderr: p.log.String()}
}

// record is a log that can be waited on. It is an [io.Writer].
type record struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

var _ io.Writer = (*record)(nil)

func newRecord() *record { return &record{changed: make(chan struct{})} }

// Write implements [io.Writer].
func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
	return r.text.Write(p)
}

// String returns what was written so far.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// lines returns the lines so far that hold a text.
func (r *record) lines(text string) []string {
	var found []string
	for lines := bufio.NewScanner(strings.NewReader(r.String())); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			found = append(found, lines.Text())
		}
	}
	return found
}

// await waits until a text has been written.
func (r *record) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		found, changed := bytes.Contains(r.text.Bytes(), []byte(text)), r.changed
		r.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%q does not appear in\n%s", text, r)
		}
	}
}

// machine is a prepared one: files below a directory, and a Redis.
type machine struct {
	t     *testing.T
	root  string
	files host.Files
	redis *redistest.Server
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), redis: redistest.Start(t)}
	m.files = host.NewFiles(m.root)
	m.redis.Prepare(m.files, 1)
	return m
}

// agent starts an agent with the steps in a directory, and waits until others
// see it for good, by the connection that waits in BRPOP: that of its events bears
// the name as well, and counts until it has subscribed.
func (m *machine) agent(id, actionsDir string, variables ...string) *process {
	m.t.Helper()
	p := start(m.t, m.root, append(variables,
		"REDIS_ADDRESS="+m.redis.Address(), "REDIS_USER=cluster", "REDIS_PASSWORD="+redistest.Password,
	), "agent", "--agentid", id, "--actionsdir="+actionsDir)
	client := m.redis.Client()
	m.redis.Eventually("see agent "+id, func() bool {
		list := client.Do(m.t.Context(), "CLIENT", "LIST", "TYPE", "normal").String()
		return slices.ContainsFunc(strings.Split(list, "\n"), func(line string) bool {
			fields := strings.Fields(line)
			return slices.Contains(fields, "name="+id) && slices.Contains(fields, "cmd=brpop")
		})
	})
	return p
}

// steps makes a directory of actions with one step each: name to shell script.
func steps(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for action, script := range scripts {
		folder := filepath.Join(dir, action)
		must(t, os.Mkdir(folder, 0o750))
		must(t, os.WriteFile(filepath.Join(folder, "10step"), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	}
	return dir
}
