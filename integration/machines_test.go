package integration

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/lab"
)

// bare is a lab without agents: what the lab itself does can be tested with Redis alone.
func bare(ctx context.Context, t *testing.T, nodes int) *lab.Lab {
	t.Helper()
	return newLab(ctx, t, lab.Config{Nodes: nodes})
}

func mustRun(ctx context.Context, t *testing.T, n *lab.Node, argv ...string) string {
	t.Helper()
	out, err := n.Run(ctx, argv...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func TestNodesAreMachines(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, time.Minute)
	l := bare(ctx, t, 3)
	for _, n := range l.Nodes {
		if got := mustRun(ctx, t, n, "hostname"); got != n.Name() {
			t.Errorf("host name of node %d is %s", n.ID, got)
		}
		if err := n.WriteFile("/etc/nethserver/mark", n.Name(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range l.Nodes {
		if got := mustRun(ctx, t, n, "cat", "/etc/nethserver/mark"); got != n.Name() {
			t.Errorf("node %d reads the file of %s", n.ID, got)
		}
		for _, path := range []string{"/run/systemd", "/etc/redis/users.acl", "/run/lab"} {
			if has, err := n.HasFile(path); err != nil || has {
				t.Errorf("node %d: %s: %v, %v", n.ID, path, has, err)
			}
		}
	}
}

func TestNodesReachEachOther(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, time.Minute)
	l := bare(ctx, t, 2)
	for _, address := range []string{lab.Address4(2).String(), lab.Address6(2).String()} {
		if rtt, err := l.Node(1).Ping(ctx, address, time.Second); err != nil || rtt <= 0 {
			t.Errorf("ping %s: %v, %v", address, rtt, err)
		}
	}
}

func TestCutLink(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, time.Minute)
	l := bare(ctx, t, 3)
	one, two, three := l.Node(1), l.Node(2), l.Node(3)
	reach := func(from, to *lab.Node, want bool) {
		t.Helper()
		_, err := from.Ping(ctx, lab.Address4(to.ID).String(), 200*time.Millisecond)
		if (err == nil) != want {
			t.Errorf("ping from %d to %d: %v", from.ID, to.ID, err)
		}
	}
	reach(one, two, true)
	if err := two.CutLink(); err != nil {
		t.Fatal(err)
	}
	reach(one, two, false)
	if err := two.RestoreLink(ctx); err != nil {
		t.Fatal(err)
	}
	reach(one, two, true)
	if err := one.Block(ctx, 2); err != nil {
		t.Fatal(err)
	}
	reach(one, two, false)
	reach(one, three, true)
	if err := one.Block(ctx); err != nil {
		t.Fatal(err)
	}
	reach(one, two, true)
}

func TestSupervisorRestarts(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, time.Minute)
	n := bare(ctx, t, 1).Node(1)
	redis := n.Service(lab.Redis)
	if err := redis.Start(ctx); err != nil {
		t.Fatal(err)
	}
	first := redis.Status().PID
	checkPIDFile(t, n, first)
	if got := mustRun(ctx, t, n, "stat", "-c", "%U", "/proc/"+strconv.Itoa(first)); got != "redis" {
		t.Errorf("Redis runs as %q", got)
	}
	mustRun(ctx, t, n, "redis-cli", "set", "k", "v")
	mustRun(ctx, t, n, "redis-cli", "save")
	for _, end := range []func(context.Context) error{redis.Kill, redis.Restart} {
		before := redis.Status().PID
		if err := end(ctx); err != nil {
			t.Fatal(err)
		}
		after := redis.Status().PID
		if before == after {
			t.Errorf("process %d is still the one", before)
		}
		checkPIDFile(t, n, after)
	}
	if got := mustRun(ctx, t, n, "redis-cli", "get", "k"); got != "v" {
		t.Errorf("Redis lost a saved key: %q", got)
	}
	redis.Stop()
	if has, err := n.HasFile("/run/redis-server.pid"); err != nil || has {
		t.Errorf("pid file of a stopped service: %v, %v", has, err)
	}
}

func checkPIDFile(t *testing.T, n *lab.Node, want int) {
	t.Helper()
	text, err := n.ReadFile("/run/redis-server.pid")
	if err != nil || strings.TrimSpace(text) != strconv.Itoa(want) {
		t.Errorf("pid file: %q, %v; want %d", text, err, want)
	}
}

func TestPauseIsNotAnEnd(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, time.Minute)
	n := bare(ctx, t, 1).Node(1)
	redis := n.Service(lab.Redis)
	if err := redis.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	got, err := n.Exec(ctx, "timeout", "0.3", "redis-cli", "ping")
	if err != nil || got.Code != 124 {
		t.Errorf("a paused Redis answers: %+v, %v", got, err)
	}
	if err := redis.Continue(); err != nil {
		t.Fatal(err)
	}
	if got := mustRun(ctx, t, n, "redis-cli", "ping"); got != "PONG" {
		t.Errorf("a continued Redis says %q", got)
	}
	if redis.Status().Starts != 1 {
		t.Errorf("started %d times", redis.Status().Starts)
	}
}

func TestPowerOff(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, time.Minute)
	l := bare(ctx, t, 2)
	n, other := l.Node(1), l.Node(2)
	for _, boot := range l.Nodes {
		if err := boot.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(ctx, t, n, "redis-cli", "set", "k", "v")
	mustRun(ctx, t, n, "redis-cli", "save")
	// A daemon that nobody supervises, as the userspace WireGuard.
	mustRun(ctx, t, n, "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $! >/run/daemon.pid")
	daemon, err := n.ReadFile("/run/daemon.pid")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := other.Exec(ctx, "kill", "-0", strings.TrimSpace(daemon)); err != nil || got.Code == 0 {
		t.Errorf("the daemon outlived a power cut: %+v, %v", got, err)
	}
	if has, err := n.HasFile("/run/daemon.pid"); err != nil || has {
		t.Errorf("/run outlived a power cut: %v, %v", has, err)
	}
	if got := mustRun(ctx, t, other, "redis-cli", "ping"); got != "PONG" {
		t.Errorf("the other node's Redis says %q", got)
	}
	if err := n.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	if got := mustRun(ctx, t, n, "redis-cli", "get", "k"); got != "v" {
		t.Errorf("the disk lost a key in a power cut: %q", got)
	}
}

func TestBootAppliesSettings(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, time.Minute)
	n := bare(ctx, t, 1).Node(1)
	const forward = "/proc/sys/net/ipv4/ip_forward"
	if got := mustRun(ctx, t, n, "cat", forward); got != "0" {
		t.Errorf("a machine forwards by itself: %s", got)
	}
	if err := n.WriteFile("/etc/sysctl.d/90-lab.conf", "# forward\nnet.ipv4.ip_forward = 1\nkernel.panic = 7\n", 0o644); err != nil {
		t.Fatal(err)
	}
	if err := n.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	if got := mustRun(ctx, t, n, "cat", forward); got != "1" {
		t.Errorf("ip_forward after boot: %s", got)
	}
	if got := mustRun(ctx, t, n, "cat", "/proc/sys/kernel/panic"); got == "7" {
		t.Error("a node changed a setting of the machine")
	}
}
