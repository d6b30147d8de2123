package vpntest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// inside is the argument that tells a test binary that it runs in a namespace.
const inside = "in-namespace"

// InNamespace runs the calling test again, alone, in a process that has a
// network, a mount and a process namespace of its own: lo, eth0
// with 203.0.113.2/24 and 2001:db8:1::2/64, the other end of its cable, and
// empty /run/wireguard and /etc/wireguard. What the test leaves running ends with
// it. There it returns true. In the outer process
// it returns false when that is done, and has failed the test if it failed
// inside. Without root, or without one of the programs needed, it skips the
// test, or fails it if must is set, as it is in CI.
func InNamespace(t *testing.T, must bool, programs ...string) bool {
	t.Helper()
	if slices.Contains(os.Args, inside) {
		prepare(t)
		return true
	}
	if why := missing(append(programs, "ip", "mount")); why != "" {
		if must {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v=true", "--", inside)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in the namespace: %v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("the test did not run in the namespace:\n%s", out)
	}
	return false
}

// missing says what keeps a test from having a namespace.
func missing(programs []string) string {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return "needs root on Linux for a network namespace"
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return "needs the program " + program
		}
	}
	return ""
}

func prepare(t *testing.T) {
	t.Helper()
	Command(t, "mount", "--make-rprivate", "/")
	Command(t, "mount", "-t", "proc", "proc", "/proc")
	for _, dir := range []string{"/run/wireguard", "/etc/wireguard"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		Command(t, "mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", dir)
	}
	for _, line := range []string{
		"link set lo up",
		"link add eth0 type veth peer name cable",
		"address add 203.0.113.2/24 dev eth0",
		"-6 address add 2001:db8:1::2/64 dev eth0 nodad",
		"link set cable up",
		"link set eth0 up",
	} {
		Command(t, "ip", strings.Fields(line)...)
	}
}

// Command runs a program and returns what it says, on stdout and stderr. The
// test fails if the program does. It may be called in a cleanup.
func Command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
