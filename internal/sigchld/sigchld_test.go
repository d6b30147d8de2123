package sigchld

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The signal is neither caught nor ignored, and children are waited for as ever.
func TestOff(t *testing.T) { //nolint:paralleltest // the signal is the process's
	if !stands(t, "SigCgt") {
		t.Skip("SIGCHLD was turned off in this process before")
	}
	if err := Off(); err != nil {
		t.Fatal(err)
	}
	if stands(t, "SigCgt") || stands(t, "SigIgn") {
		t.Error("SIGCHLD does not have its default action")
	}
	var exit *exec.ExitError
	if err := exec.CommandContext(t.Context(), "sh", "-c", "exit 3").Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("a child that exits with 3: %v", err)
	}
}

// stands tells whether SIGCHLD is in one of the sets of proc_pid_status(5).
func stands(t *testing.T, set string) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), set+":\t")
	text, _, _ := strings.Cut(after, "\n")
	mask, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mask>>(syscall.SIGCHLD-1)&1 == 1
}
