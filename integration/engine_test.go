package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cluster-agent/integration/lab"
)

// checkEngine makes sure that a cluster has the WireGuard that its machine offers: the
// kernel's wherever the kernel has it, and then no engine runs beside it; or else the
// engine compiled into the agent.
func checkEngine(ctx context.Context, t *testing.T, c *lab.Cluster) {
	t.Helper()
	kind := "tun"
	if kernelHasWireGuard() {
		kind = "wireguard"
		if engines := enginesRunning(t, c); len(engines) > 0 {
			t.Errorf("the kernel has WireGuard, and yet these run: %s", engines)
		}
	}
	for _, n := range c.Lab.Nodes {
		if got := mustRun(ctx, t, n, "ip", "link", "show", "type", kind); !strings.Contains(got, ": wg0: ") {
			t.Errorf("wg0 of node %d is no interface of type %s, these are: %q", n.ID, kind, got)
		}
	}
}

// kernelHasWireGuard is what wg-quick goes by, too.
func kernelHasWireGuard() bool {
	_, err := os.Stat("/sys/module/wireguard")
	return err == nil
}

// enginesRunning lists the processes on the nodes of a cluster that are WireGuard engines,
// by their command lines. Those of other tests, at the same time, may want to have some.
func enginesRunning(t *testing.T, c *lab.Cluster) []string {
	t.Helper()
	own := map[string]bool{}
	for _, n := range c.Lab.Nodes {
		network, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", n.Holder()))
		if err != nil {
			t.Fatal(err)
		}
		own[network] = true
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var engines []string
	for _, process := range processes {
		line, err := os.ReadFile(filepath.Join(process, "cmdline")) // what has ended meanwhile cannot be read
		network, networkErr := os.Readlink(filepath.Join(process, "ns/net"))
		name, _, _ := strings.Cut(string(line), "\x00")
		if errors.Join(err, networkErr) == nil && own[network] && filepath.Base(name) == "wireguard-go" {
			engines = append(engines, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return engines
}
