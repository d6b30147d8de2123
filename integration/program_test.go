package integration

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cluster-agent/integration/lab"
	"cluster-agent/integration/testbed"
)

// traces is what programs could leave on a machine. The machine, here, is the tests' own
// namespaces: processes of a lab within are seen from outside by their pid namespace.
type traces struct{ processes, mounts, links string }

func look(t *testing.T) traces {
	t.Helper()
	mine, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var now traces
	for _, e := range entries {
		now.processes += elsewhere(e.Name(), mine)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	now.mounts = string(mounts)
	// Of this thread: the first thread may be on a visit to a node.
	devices, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(devices)) {
		name, _, _ := strings.Cut(line, ":") // the rest are counters
		now.links += name + "\n"
	}
	return now
}

// elsewhere describes a process if it is in another pid namespace than mine.
func elsewhere(pid, mine string) string {
	if _, err := strconv.Atoi(pid); err != nil {
		return ""
	}
	// What has ended meanwhile cannot be read.
	ns, err := os.Readlink("/proc/" + pid + "/ns/pid")
	if err != nil || ns == mine {
		return ""
	}
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil {
		return ""
	}
	return pid + " " + strings.ReplaceAll(string(line), "\x00", " ") + "\n"
}

// nothingLeft waits until the machine is as it was.
func nothingLeft(ctx context.Context, t *testing.T, before traces) {
	t.Helper()
	err := lab.Until(ctx, 10*time.Millisecond, func(context.Context) error {
		if now := look(t); now != before {
			return errors.New("left behind: " + now.processes)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// start runs the lab program and returns its output, line by line.
func start(ctx context.Context, t *testing.T, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(programs(t), "lab"), args...)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	})
	return cmd, bufio.NewScanner(out)
}

// TestProgram runs the lab's program as people do. One after the other: each wants to see
// that nothing is left of it, and only one lab can be kept.
func TestProgram(t *testing.T) { //nolint:paralleltest // see above
	testbed.NeedLab(t)
	t.Run("demo", demoEnds)           //nolint:paralleltest // see above
	t.Run("interrupted", demoStopped) //nolint:paralleltest // see above
	t.Run("kept", demoKept)           //nolint:paralleltest // see above
}

func demoEnds(t *testing.T) {
	ctx := deadline(t, 2*time.Minute)
	before := look(t)
	cmd, out := start(ctx, t, "demo", "--nodes", "4")
	var text strings.Builder
	for out.Scan() {
		text.WriteString(out.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &text)
	}
	for _, part := range []string{"Before", "After", "The switch took", "Packets between two workers"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the demo does not say %q:\n%s", part, &text)
		}
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Error("colour, where no terminal is")
	}
	nothingLeft(ctx, t, before)
}

// demoStopped ends the demo, in the middle, in the ways a program can be ended.
func demoStopped(t *testing.T) {
	for name, test := range map[string]struct {
		signal syscall.Signal
		keep   bool
		code   int
	}{
		"Ctrl-C":         {syscall.SIGINT, false, 130},
		"TERM":           {syscall.SIGTERM, false, 130},
		"KILL":           {syscall.SIGKILL, false, -1},
		"Ctrl-C of kept": {syscall.SIGINT, true, 130},
		"KILL of kept":   {syscall.SIGKILL, true, -1},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := deadline(t, time.Minute)
			before := look(t)
			cmd, out := start(ctx, t, "demo", "--keep="+strconv.FormatBool(test.keep))
			for out.Scan() && !strings.Contains(out.Text(), "create-cluster") {
				continue
			}
			if err := cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			var rest strings.Builder
			for out.Scan() {
				rest.WriteString(out.Text() + "\n")
			}
			if _, ended := errors.AsType[*exec.ExitError](cmd.Wait()); !ended || cmd.ProcessState.ExitCode() != test.code {
				t.Errorf("exit code %d, want %d\n%s", cmd.ProcessState.ExitCode(), test.code, &rest)
			}
			nothingLeft(ctx, t, before)
		})
	}
}

// demoKept keeps a lab, uses it, and takes it down.
func demoKept(t *testing.T) {
	ctx := deadline(t, 2*time.Minute)
	before := look(t)
	cmd, out := start(ctx, t, "demo", "--keep")
	var text strings.Builder
	for out.Scan() { // to the end of the output: the lab in the background must not hold it
		text.WriteString(out.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(text.String(), "shell 2") {
		t.Errorf("%v\n%s", err, &text)
	}
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"exec", "2", "--", "hostname"}, 0, "node2"},
		{[]string{"exec", "3", "sh", "-c", "exit 7"}, 7, ""},
		{[]string{"exec", "8", "--", "true"}, 1, "no node 8"},
		{[]string{"demo", "--keep"}, 1, "running already"},
		{[]string{"status"}, 0, "master of 2"},
		{[]string{"off", "2"}, 0, ""},
		{[]string{"status"}, 0, "off: 2"},
		{[]string{"on", "2"}, 0, ""},
		{[]string{"down"}, 0, ""},
		{[]string{"status"}, 1, "no lab is running"},
	} {
		said, code := ran(ctx, t, test.args...)
		if code != test.code || !strings.Contains(said, test.says) {
			t.Errorf("lab %s: exit code %d, want %d with %q:\n%s", strings.Join(test.args, " "), code, test.code, test.says, said)
		}
	}
	nothingLeft(ctx, t, before)
}

// ran runs the lab program to its end.
func ran(ctx context.Context, t *testing.T, args ...string) (string, int) {
	t.Helper()
	out, err := exec.CommandContext(ctx, filepath.Join(programs(t), "lab"), args...).CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), ended.ExitCode()
	}
	return string(out), 0
}
