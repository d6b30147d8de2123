// Package integration tests whole clusters, built by package lab on this machine.
package integration

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/lab"
	"cluster-agent/integration/testbed"
)

// built is where the programs under test are built, once for all tests, before the tests
// enter their namespaces, which have no network for modules.
const built = "../build/integration/"

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(m, func() error {
		return testbed.Build(built, "cmd/agent", "cmd/apply-vpn-routes", "integration/cmd/lab")
	}))
}

// patience is a time that is long on a usual machine, as the machine needs it that the tests
// run on: SLOWNESS says how many times slower it is, as the emulated one of make test-kernel.
func patience(d time.Duration) time.Duration {
	if factor, err := strconv.Atoi(os.Getenv("SLOWNESS")); err == nil && factor > 1 {
		return d * time.Duration(factor)
	}
	return d
}

// deadline is the time a test may take before it is called stuck.
func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience(d))
	t.Cleanup(cancel)
	return ctx
}

// programs returns the directory of the programs under test.
func programs(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(built)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// newLab makes machines; they go with the test.
func newLab(ctx context.Context, t *testing.T, cfg lab.Config) *lab.Lab {
	t.Helper()
	testbed.NeedLab(t)
	l, err := lab.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLab(context.WithoutCancel(ctx), t, l) })
	return l
}

// newCluster makes a cluster of all nodes, led by node 1, settled.
func newCluster(ctx context.Context, t *testing.T, nodes int) *lab.Cluster {
	t.Helper()
	l := newLab(ctx, t, lab.Config{Nodes: nodes, Programs: programs(t)})
	c := lab.NewCluster(l)
	if err := c.Up(ctx); err != nil {
		t.Fatal(err)
	}
	checkEngine(ctx, t, c)
	return c
}

// closeLab ends a test's lab. The agents' logs are read first: for data races, and for
// whoever has to find out why the test failed.
func closeLab(ctx context.Context, t *testing.T, l *lab.Lab) {
	t.Helper()
	if t.Failed() {
		logVPN(ctx, t, l)
	}
	for _, n := range l.Nodes {
		for _, unit := range []string{lab.ClusterAgent, lab.NodeAgent} {
			text, err := n.Service(unit).Log()
			if err != nil {
				t.Error(err)
			}
			if at := strings.Index(text, "WARNING: DATA RACE"); at >= 0 {
				t.Errorf("node %d: %s:\n%s", n.ID, unit, text[at:])
			} else if t.Failed() && text != "" {
				t.Logf("node %d: %s:\n%s", n.ID, unit, text)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// logVPN writes down how each node sees the VPN, where the nodes may not reach each other.
func logVPN(ctx context.Context, t *testing.T, l *lab.Lab) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, n := range l.Nodes {
		for _, command := range []string{"wg show wg0", "ip route show dev wg0"} {
			out, err := n.Run(ctx, strings.Fields(command)...)
			if err != nil {
				out += err.Error()
			}
			t.Logf("node %d: %s:\n%s", n.ID, command, out)
		}
	}
}
