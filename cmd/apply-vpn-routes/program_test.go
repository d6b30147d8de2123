package main

import (
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/cli/clitest"
	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
)

func TestMain(m *testing.M) {
	// A pool that was closed while its Redis was off notices within a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// call calls the program within the test, on the machine below root.
func call(root string, args ...string) clitest.Said {
	return clitest.Call(root, "", func(env cli.Environment) int { return run(args, env) })
}

func TestHelp(t *testing.T) {
	t.Parallel()
	got := call(t.TempDir(), "--help")
	for _, text := range []string{
		"Reads the local Redis", "Exit code 0, or 2 if something failed.",
		"\nUsage:\n  apply-vpn-routes [flags]\n", "\nExamples:\n  apply-vpn-routes\n", "-v, --version   version for apply-vpn-routes\n",
	} {
		if !strings.Contains(got.Stdout, text) {
			t.Errorf("the help lacks %q:\n%s", text, got.Stdout)
		}
	}
	if got.Code != 0 || got.Stderr != "" {
		t.Errorf("%+v", got)
	}
	call(t.TempDir(), "--version").Want(t, 0, cli.Version()+"\n", "")
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--bogus": "unknown flag: --bogus",
		"-x":      "unknown shorthand flag: 'x' in -x",
		"now":     `unknown command "now" for "apply-vpn-routes"`,
	} {
		got := call(t.TempDir(), args)
		if got != (clitest.Said{Code: cli.ExitUsage, Stderr: "Error: " + want + "\nSee --help for how to call it\n"}) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	clitest.CheckCompletion(t, "apply-vpn-routes", func(args ...string) clitest.Said { return call(t.TempDir(), args...) })
	const noFiles = ":4\n"
	call(t.TempDir(), "__completeNoDesc", "").Want(t, 0, noFiles, "")
	call(t.TempDir(), "__completeNoDesc", "--v").Want(t, 0, "--version\n"+noFiles, "")
}

// TestUnpreparedMachine: it says what is missing, and where.
func TestUnpreparedMachine(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	call(root).Want(t, exitNotApplied, "", filepath.Join(root, "var/lib/nethserver/node/state/environment"))
}

// TestNodeWithoutCluster: there is nothing to do, until Redis cannot be asked.
func TestNodeWithoutCluster(t *testing.T) {
	t.Parallel()
	root, redis := t.TempDir(), redistest.Start(t)
	redis.Prepare(host.NewFiles(root), 1)
	if got := call(root); got != (clitest.Said{}) {
		t.Errorf("%+v", got)
	}
	redis.Kill()
	call(root).Want(t, exitNotApplied, "", "refused")
}
