package userspace_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cluster-agent/vpn/userspace"
	"cluster-agent/vpn/vpntest"
)

// TestMain lets the test binary be the command, and the engine that it starts.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == userspace.Name {
		os.Exit(userspace.Main(context.Background(), os.Args[1:], os.Stderr))
	}
	os.Exit(m.Run())
}

func mustRun() bool { return os.Getenv("CI") == "true" }

// engine returns the command line of the engine.
func engine(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Args = append([]string{userspace.Name}, args...)
	return cmd
}

// within polls until a condition holds.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(limit)
	for !holds() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

const socket = "/run/wireguard/wg7.sock"

func gone(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat(socket)
	_, noLink := net.InterfaceByName("wg7")
	return os.IsNotExist(err) && noLink != nil && process(t) == 0
}

func answers(t *testing.T) bool {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
	return err == nil && c.Close() == nil
}

// start runs the engine as wg-quick does, and expects it to be ready and cut
// off when the command returns.
func start(t *testing.T) {
	t.Helper()
	out, err := engine(t, "wg7").CombinedOutput() // waits for the end of the pipe
	if err != nil || len(out) > 0 {
		t.Fatalf("start: %v\n%s", err, out)
	}
	if shows := vpntest.Command(t, "wg", "show", "wg7"); !strings.Contains(shows, "interface: wg7") {
		t.Fatalf("wg show: %s", shows)
	}
}

// process finds the engine in the background by its arguments; 0: there is none.
func process(t *testing.T) int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	want := []byte(userspace.Name + "\x00--ready-fd=3\x00wg7\x00")
	for _, path := range dirs {
		line, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(line, want) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	return 0
}

func engineOf(t *testing.T) int {
	t.Helper()
	pid := process(t)
	if pid == 0 {
		t.Fatal("no engine in the background")
	}
	return pid
}

func TestBackground(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, mustRun(), "wg") {
		return
	}
	start(t)
	pid := engineOf(t)
	if session, err := syscall.Getpgid(pid); err != nil || session != pid {
		t.Errorf("process group %d of engine %d, %v", session, pid, err)
	}
	for fd := range 3 {
		if to, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + strconv.Itoa(fd)); err != nil || to != os.DevNull {
			t.Errorf("file %d is %s, %v", fd, to, err)
		}
	}
	out, err := engine(t, "wg7").CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "wireguard-go: create interface wg7: ") {
		t.Errorf("a second engine: %v, %s", err, out)
	}
	if vpntest.Command(t, "wg", "show", "wg7") == "" {
		t.Error("the second engine has harmed the first")
	}
	vpntest.Command(t, "ip", "link", "delete", "wg7")
	within(t, 5*time.Second, "the engine ends when its interface is deleted", func() bool { return gone(t) })

	start(t)
	if err := syscall.Kill(engineOf(t), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "the engine ends at SIGTERM", func() bool { return gone(t) })

	start(t)
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "the engine ends when its socket is removed", func() bool { return gone(t) })

	start(t)
	if err := syscall.Kill(engineOf(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "the interface goes with the engine", func() bool {
		_, err := net.InterfaceByName("wg7")
		return err != nil && process(t) == 0
	})
	start(t)      // although the socket of the one that was killed is still there
	for range 5 { // at once after one another, as wg-quick down and up
		vpntest.Command(t, "ip", "link", "delete", "wg7")
		start(t)
	}
	vpntest.Command(t, "ip", "link", "delete", "wg7")
	within(t, 5*time.Second, "the engine ends", func() bool { return gone(t) })
	start(t)
}

func TestForeground(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, mustRun(), "wg") {
		return
	}
	for _, flag := range []string{"-f", "--foreground"} {
		cmd := engine(t, flag, "wg7")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		within(t, 5*time.Second, "the socket is there", func() bool { return answers(t) })
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", flag, err, stderr.String())
		}
		within(t, time.Second, "all is gone", func() bool { return gone(t) })
	}
}

// Run in this process, as a program may that has a context of its own.
func TestRunInProcess(t *testing.T) {
	t.Parallel()
	if !vpntest.InNamespace(t, mustRun(), "wg") {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- userspace.Run(ctx, userspace.Options{Name: "wg7", Foreground: true}) }()
	within(t, 5*time.Second, "the socket is there", func() bool { return answers(t) })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	within(t, time.Second, "all is gone", func() bool { return gone(t) })
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"a", "b"}, {"--nonsense", "wg7"}, {""}} {
		var stderr bytes.Buffer
		if code := userspace.Main(t.Context(), args, &stderr); code != 2 || !strings.Contains(stderr.String(), "usage: wireguard-go [-f|--foreground] INTERFACE") {
			t.Errorf("%q: exit code %d\n%s", args, code, stderr.String())
		}
	}
}
