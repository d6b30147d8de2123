// Package clitest calls a program within a test, and checks what every program of
// package cli has.
package clitest

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"cluster-agent/internal/cli"
)

// Said is what a call of a program came to.
type Said struct {
	Code           int // exit code
	Stdout, Stderr string
}

// Call calls a program, which returns its exit code, on the machine whose files
// are below root, with a text as its stdin.
func Call(root, stdin string, program func(cli.Environment) int) Said {
	var stdout, stderr bytes.Buffer
	code := program(cli.Environment{Root: root, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr})
	return Said{code, stdout.String(), stderr.String()}
}

// Want compares exit code and stdout, and looks for a text in stderr.
func (s Said) Want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if s.Code != code || s.Stdout != stdout || !strings.Contains(s.Stderr, stderr) {
		t.Errorf("exit code %d, want %d\nstdout %q, want %q\nstderr %q, want %q in it", s.Code, code, s.Stdout, stdout, s.Stderr, stderr)
	}
}

// CheckCompletion makes sure that a program has a script for each shell, which the
// shell can read where there is one.
func CheckCompletion(t *testing.T, program string, call func(args ...string) Said) {
	t.Helper()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		got := call("completion", shell)
		if got.Code != 0 || len(got.Stdout) < 1000 || !strings.Contains(got.Stdout, program) {
			t.Errorf("%s completion %s: exit code %d, %d bytes\n%s", program, shell, got.Code, len(got.Stdout), got.Stderr)
		}
		checkSyntax(t, shell, got.Stdout)
		for _, word := range []string{"source <(", "completion " + shell} {
			if help := call("completion", shell, "--help"); shell != "fish" && !strings.Contains(help.Stdout, word) {
				t.Errorf("%s completion %s --help does not tell of %q", program, shell, word)
			}
		}
	}
}

// checkSyntax lets the shell read its script, where there is one.
func checkSyntax(t *testing.T, shell, script string) {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		return
	}
	cmd := exec.CommandContext(t.Context(), path, "-n")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s -n: %v\n%s", shell, err, out)
	}
}
