package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cluster-agent/integration/lab"
)

// Hazard 11: an address moves from one peer of the hub to another, and back, while
// packets are on their way to it. Each arrives at one of the two.
func TestHazard11AllowedIPsMove(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	const moving = "192.0.2.200"
	s := &stream{arrived: map[string]int{}}
	for _, id := range []int{2, 3} {
		mustRun(ctx, t, c.Lab.Node(id), "ip", "address", "add", moving+"/32", "dev", "lo")
		s.listen(ctx, t, c.Lab.Node(id))
	}
	reach(ctx, t, c, map[string]int{moving: 2})
	eventually(ctx, t, 20*time.Second, "the address is reached", func(ctx context.Context) error {
		return pings(ctx, c.Lab.Node(1), moving)
	})
	mustRun(ctx, t, c.Lab.Node(1), "ip", "link", "set", "wg0", "txqueuelen", "20000") // busy machines make queues
	sending, stop := context.WithCancel(ctx)
	sent := s.send(sending, t, c.Lab.Node(1), moving)
	from, to := 2, 3
	for range 6 {
		change := map[string]any{
			"remove": []map[string]any{{"ip_address": moving, "node_id": from}},
			"add":    []map[string]any{{"ip_address": moving, "node_id": to}},
		}
		before := s.at(to)
		if got, err := c.Lab.Node(1).Call(ctx, "update-routes", change); err != nil || got.Code != 0 {
			t.Errorf("update-routes: %+v, %v", got, err)
		}
		eventually(ctx, t, 20*time.Second, fmt.Sprintf("packets arrive at node %d", to), func(context.Context) error {
			if s.at(to) < before+20 {
				return fmt.Errorf("%d packets", s.at(to)-before)
			}
			return nil
		})
		from, to = to, from
	}
	stop()
	total := <-sent
	eventually(ctx, t, 20*time.Second, fmt.Sprintf("all of %d packets arrived", total), func(context.Context) error {
		return s.lost(total)
	})
}

// stream is numbered packets, and where they arrived.
type stream struct {
	mu      sync.Mutex
	arrived map[string]int // by number: at which node
	count   [4]int         // by node
}

const (
	streamPort = "7000"
	// streamInterval is short, since the gap that is looked for is.
	streamInterval = 400 * time.Microsecond
)

// listen notes what arrives at a node until the test ends.
func (s *stream) listen(ctx context.Context, t *testing.T, n *lab.Node) {
	t.Helper()
	conn, err := n.ListenPacket(ctx, "udp4", "0.0.0.0:"+streamPort)
	if err != nil {
		t.Fatal(err)
	}
	patient(t, conn)
	done := make(chan struct{})
	t.Cleanup(func() {
		if closeErr := conn.Close(); closeErr != nil {
			t.Error(closeErr)
		}
		<-done
	})
	go func() {
		defer close(done)
		packet := make([]byte, 32)
		for {
			size, _, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.arrived[string(packet[:size])] = n.ID
			s.count[n.ID]++
			s.mu.Unlock()
		}
	}()
}

// patient lets a socket keep what arrives while a busy machine does not look.
func patient(t *testing.T, conn net.PacketConn) {
	t.Helper()
	raw, err := conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	setErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
	})
	if err = errors.Join(err, setErr); err != nil {
		t.Fatal(err)
	}
}

// send sends one packet after the other until ctx ends, and then tells how many.
func (s *stream) send(ctx context.Context, t *testing.T, n *lab.Node, to string) <-chan int {
	t.Helper()
	conn, err := n.Dial(ctx, "udp4", net.JoinHostPort(to, streamPort))
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan int, 1)
	go func() {
		tick := time.NewTicker(streamInterval)
		defer tick.Stop()
		number := 0
		for ctx.Err() == nil {
			if _, err := conn.Write([]byte(strconv.Itoa(number))); err != nil {
				t.Errorf("packet %d: %v", number, err)
			}
			number++
			<-tick.C
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		sent <- number
	}()
	return sent
}

// at is how many packets arrived at a node.
func (s *stream) at(node int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[node]
}

func (s *stream) lost(total int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lost []string
	for number := range total {
		if _, found := s.arrived[strconv.Itoa(number)]; !found {
			lost = append(lost, strconv.Itoa(number))
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d packets got lost: %s", len(lost), strings.Join(lost, " "))
	}
	return nil
}

// Hazard 12: the kernel has no WireGuard, or the machine is made to look so, and the
// engine is the one that WG_QUICK_USERSPACE_IMPLEMENTATION names. All else is as ever.
func TestHazard12KernelWithoutWireGuard(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := lab.NewCluster(newLab(ctx, t, lab.Config{Nodes: 2, Programs: programs(t)}))
	if err := c.Lab.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Lab.Nodes {
		withoutWireGuard(ctx, t, n)
	}
	if err := errors.Join(c.Create(ctx), c.Join(ctx, 2)); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	for _, n := range c.Lab.Nodes {
		if got := mustRun(ctx, t, n, "cat", "/run/engine"); !strings.HasPrefix(got, "wg0") {
			t.Errorf("node %d: the engine was called with %q", n.ID, got)
		}
		if got := mustRun(ctx, t, n, "ip", "-details", "link", "show", "wg0"); !strings.Contains(got, "tun") {
			t.Errorf("node %d: another engine serves wg0: %s", n.ID, got)
		}
	}
	worker := c.Lab.Node(2)
	mustRun(ctx, t, worker, "ip", "link", "delete", "wg0") // and so ends the engine
	eventually(ctx, t, settleTime, "it was started again", func(context.Context) error {
		calls, err := worker.ReadFile("/run/engine")
		if err == nil && strings.Count(calls, "wg0") < 2 {
			err = errors.New(calls)
		}
		return err
	})
	settleVPNOf(ctx, t, c, 2)
}

// withoutWireGuard takes the kernel's WireGuard, if there is one, out of a node's
// sight, and names another engine to its agents.
func withoutWireGuard(ctx context.Context, t *testing.T, n *lab.Node) {
	t.Helper()
	ip := mustRun(ctx, t, n, "sh", "-c", "readlink -f $(command -v ip)")
	mustRun(ctx, t, n, "cp", ip, "/usr/local/bin/ip-of-the-machine")
	for path, script := range map[string]string{
		"/usr/local/bin/ip-without": "case \"$*\" in *'type wireguard'*) echo 'Unknown device type.' >&2; exit 2;; esac\nexec ip-of-the-machine \"$@\"\n",
		"/usr/local/bin/engine":     "echo \"$*\" >>/run/engine\nexec wireguard-go \"$@\"\n",
	} {
		if err := n.WriteFile(path, "#!/bin/sh\n"+script, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(ctx, t, n, "mount", "--bind", "/usr/local/bin/ip-without", ip)
	mustRun(ctx, t, n, "mount", "-t", "tmpfs", "tmpfs", "/sys/module")
	mustRun(ctx, t, n, "sh", "-c", "echo WG_QUICK_USERSPACE_IMPLEMENTATION=/usr/local/bin/engine >>/etc/nethserver/agent.env")
	for _, unit := range []string{lab.ClusterAgent, lab.NodeAgent} {
		if err := n.Service(unit).Restart(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, agent := range []string{"cluster", "node/1"} {
		eventually(ctx, t, settleTime, "agent "+agent+" is back", func(ctx context.Context) error { return n.Alive(ctx, agent) })
	}
}

// Hazard 14: a cloned machine has the keys of another node. It is refused, and nothing
// changes for that node; with keys of its own it is let in.
func TestHazard14DuplicateKeys(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := lab.NewCluster(newLab(ctx, t, lab.Config{Nodes: 3, Programs: programs(t)}))
	if err := c.Lab.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Create(ctx), c.Join(ctx, 2)); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
	before := state(ctx, t, c)
	clone := c.Lab.Node(3)
	for _, from := range []int{2, 1} {
		for path, mode := range map[string]os.FileMode{"/etc/nethserver/wg0.key": 0o600, "/etc/nethserver/wg0.pub": 0o644} {
			key, err := c.Lab.Node(from).ReadFile(path)
			if err = errors.Join(err, clone.WriteFile(path, key, mode)); err != nil {
				t.Fatal(err)
			}
		}
		request := mustRun(ctx, t, clone, "agent", "join-request")
		got, err := c.Lab.Node(1).Exec(ctx, "api-cli", "run", "add-node", "--data", request)
		if err != nil || got.Code != 4 || !strings.Contains(got.Stdout, `"error":"public_key_matches_existing_node"`) ||
			!strings.Contains(got.Stdout, fmt.Sprintf(`"value":%d`, from)) {
			t.Errorf("a clone of node %d: %+v, %v", from, got, err)
		}
		settle(ctx, t, c)
		if after := state(ctx, t, c); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("a clone of node %d changed something from\n%v\nto\n%v", from, before, after)
		}
	}
	mustRun(ctx, t, clone, "sh", "-c", "wg genkey >/etc/nethserver/wg0.key && wg pubkey </etc/nethserver/wg0.key >/etc/nethserver/wg0.pub")
	if err := c.Join(ctx, 3); err != nil {
		t.Fatal(err)
	}
	settle(ctx, t, c)
}

// Hazard 16: while a run is under way, or held up, many events arrive, more than are
// handled at the same time. One more run serves them all; all of them are answered,
// and the node is as it should be.
func TestHazard16BurstOfEvents(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 3*time.Minute)
	c := newCluster(ctx, t, 2)
	settle(ctx, t, c)
	n := c.Lab.Node(2)
	calm(ctx, t, []*lab.Node{n})
	burst(ctx, t, c, n, 25, 5)
	burst(ctx, t, c, n, 300, 5)
	settle(ctx, t, c)
}

// burst announces a change many times while a run is held up on node n. The runs are
// that one, those of the events, and some for which the agent has other reasons.
func burst(ctx context.Context, t *testing.T, c *lab.Cluster, n *lab.Node, events, most int) {
	t.Helper()
	const begun, ended = "vpn-changed/10apply_routes is starting", "Handler of cluster/event/vpn-changed exited"
	const rejected = "Event cluster/event/vpn-changed rejected"
	started, answered, before := said(t, n, begun), said(t, n, ended)+said(t, n, rejected), runs(ctx, t, n)
	release := hold(ctx, t, n)
	db, err := c.Lab.Node(1).DB()
	if err != nil {
		t.Fatal(err)
	}
	pipe := db.Pipeline()
	for range events {
		pipe.Publish(ctx, "cluster/event/vpn-changed", "{}")
	}
	if _, err = pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	awaitSaid(ctx, t, n, begun, started+min(events, 25))
	release()
	eventually(ctx, t, settleTime, fmt.Sprintf("%d events are answered", events), func(context.Context) error {
		// Those that a slow machine lets wait for more than half a second are rejected: a run that
		// began after they came serves them as well.
		if got := said(t, n, ended) + said(t, n, rejected) - answered; got < events {
			return fmt.Errorf("%d are", got)
		}
		return nil
	})
	more := runs(ctx, t, n) - before
	t.Logf("%d events cost %d runs", events, more)
	if more < 1 || more > most {
		t.Errorf("%d events cost %d runs, more than %d", events, more, most)
	}
}

func awaitSaid(ctx context.Context, t *testing.T, n *lab.Node, text string, count int) {
	t.Helper()
	eventually(ctx, t, settleTime, fmt.Sprintf("%d times %q", count, text), func(context.Context) error {
		if got := said(t, n, text); got < count {
			return fmt.Errorf("%d times", got)
		}
		return nil
	})
}

// runs counts how often a node's records were listed, which each run does once.
func runs(ctx context.Context, t *testing.T, n *lab.Node) int {
	t.Helper()
	_, stats, _ := strings.Cut(mustCLI(ctx, t, n, "INFO", "commandstats"), "cmdstat_scan:calls=")
	calls, _, _ := strings.Cut(stats, ",")
	count, err := strconv.Atoi(calls)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// hold takes the lock under which the VPN is changed, until the function returned is
// called.
func hold(ctx context.Context, t *testing.T, n *lab.Node) (release func()) {
	t.Helper()
	stdin, end := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := n.RunInput(ctx, stdin, "flock", "/run/cluster-agent.vpn.lock", "sh", "-c", "touch /run/held; cat; rm /run/held")
		done <- err
	}()
	eventually(ctx, t, settleTime, "the lock is held", func(context.Context) error {
		held, err := n.HasFile("/run/held")
		if err == nil && !held {
			err = errors.New("not yet")
		}
		return err
	})
	return func() {
		if err := errors.Join(end.Close(), <-done); err != nil {
			t.Fatal(err)
		}
	}
}
