package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/cli/clitest"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	why := errors.New("why")
	for _, c := range []struct {
		err    error
		code   int
		stderr string
	}{
		{nil, 0, ""},
		{why, 1, "Error: why\n"},
		{cli.ExitError(42), 42, ""},
		{fmt.Errorf("run: %w", cli.ExitError(42)), 42, ""},
		{errors.Join(cli.ExitError(42), errors.New("close")), 42, ""},
		{cli.CodedError{Code: 124, Err: why}, 124, "Error: why\n"},
		{errors.Join(cli.CodedError{Code: 124, Err: why}), 124, "Error: why\n"},
		{cli.UsageError{Err: errors.New("no such flag")}, 2, "Error: no such flag\nSee --help for how to call it\n"},
	} {
		var stderr bytes.Buffer
		if code := cli.ExitCode(c.err, &stderr); code != c.code || stderr.String() != c.stderr {
			t.Errorf("%v: exit code %d, %q", c.err, code, stderr.String())
		}
	}
	for _, err := range []error{cli.CodedError{Code: 1, Err: why}, cli.UsageError{Err: why}} {
		if !errors.Is(err, why) || err.Error() != "why" {
			t.Errorf("%#v hides its reason", err)
		}
	}
}

func TestPlainLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	env := cli.Environment{Stderr: &out}
	env.PlainLogger().Debug("not wanted")
	env.PlainLogger().WithField("n", 1).Warn("for a person")
	if out.String() != "for a person\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestPrintLines(t *testing.T) {
	t.Parallel()
	for want, lines := range map[string][]string{"": nil, "\n": {""}, "a\n": {"a"}, "a\nb\n": {"a", "b"}} {
		var out bytes.Buffer
		if err := cli.PrintLines(&out, lines); err != nil || out.String() != want {
			t.Errorf("%q: %q, %v", lines, out.String(), err)
		}
	}
}

// program is a command with a subcommand, called with args.
func program(args ...string) clitest.Said {
	return clitest.Call("/", "", func(env cli.Environment) int {
		say := func(command *cobra.Command, _ []string) error {
			return cli.PrintLines(env.Stdout, []string{command.Name()})
		}
		root := &cobra.Command{Use: "program", Args: cli.Usage(cobra.NoArgs), RunE: say}
		root.AddCommand(&cobra.Command{Use: "part", Args: cli.Usage(cobra.NoArgs), RunE: say})
		_, err := cli.Execute(root, env, args)
		return cli.ExitCode(err, env.Stderr)
	})
}

// TestVersion: the flag does what cobra's own does, but for the words.
func TestVersion(t *testing.T) {
	t.Parallel()
	version := cli.Version() + "\n"
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{nil, 0, "program\n", ""},
		{[]string{"part"}, 0, "part\n", ""},
		{[]string{"--version"}, 0, version, ""},
		{[]string{"-v"}, 0, version, ""},
		{[]string{"--version", "now"}, 0, version, ""},
		{[]string{"now"}, cli.ExitUsage, "", `unknown command "now"`},
		{[]string{"--version=false"}, 0, "program\n", ""},
		{[]string{"--version", "--bogus"}, cli.ExitUsage, "", "unknown flag: --bogus"},
		{[]string{"part", "--version"}, cli.ExitUsage, "", "unknown flag: --version"},
		{[]string{"__complete", "--ver"}, 0, "--version\tversion for program\n:4\n", ""},
		{[]string{"__complete", "--version", ""}, 0, ":4\n", ""},
	} {
		program(c.args...).Want(t, c.code, c.stdout, c.stderr)
	}
	if help := program("--help").Stdout; !strings.Contains(help, "  -v, --version   version for program\n") {
		t.Errorf("help:\n%s", help)
	}
	if !strings.HasPrefix(version, "agent "+cli.SoftwareVersion) || strings.Count(version, "\n") != 1 {
		t.Errorf("version %q", version)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	clitest.CheckCompletion(t, "program", program)
	program("__completeNoDesc", "").Want(t, 0, "completion\nhelp\npart\n:4\n", "")
}
