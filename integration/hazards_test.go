package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cluster-agent/integration/lab"
)

// Hazard 3: at boot the agent is there before the network. What is reached directly
// must not have gone into the tunnel, for ever, when the network comes.
func TestHazard03BootBeforeNetwork(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	n := c.Lab.Node(3)
	// An address in the local network of node 3, and the leader's own there.
	const local = "203.0.113.77"
	add := []map[string]any{{"ip_address": local, "node_id": 2}, {"ip_address": lab.Address4(1).String(), "node_id": 2}}
	if got, err := c.Lab.Node(1).Call(ctx, "update-routes", map[string]any{"add": add}); err != nil || got.Code != 0 {
		t.Fatalf("update-routes: %+v, %v", got, err)
	}
	if err := n.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"address flush dev eth0", "link set eth0 down"} {
		mustRun(ctx, t, n, append([]string{"ip"}, strings.Fields(line)...)...)
	}
	if err := n.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, time.Minute, "the agent has looked", func(context.Context) error {
		if said(t, n, "no network address yet") == 0 {
			return errors.New(logsOf(t, n))
		}
		return nil
	})
	for _, line := range []string{
		"link set eth0 up",
		"address add " + lab.Address4(3).String() + "/24 dev eth0",
		"-6 address add " + lab.Address6(3).String() + "/64 dev eth0 nodad",
		"route add default via 203.0.113.254",
	} {
		mustRun(ctx, t, n, append([]string{"ip"}, strings.Fields(line)...)...)
	}
	eventually(ctx, t, 20*time.Second, "the node is online", func(ctx context.Context) error {
		return pings(ctx, n, c.VPNAddress(1).String())
	})
	routes := mustRun(ctx, t, n, "ip", "route", "show", "dev", "wg0")
	for _, address := range []string{local, lab.Address4(1).String()} {
		if strings.Contains(routes, address) {
			t.Errorf("%s is in the tunnel:\n%s", address, routes)
		}
	}
	if !strings.Contains(routes, "10.5.4.2") {
		t.Errorf("the routes are not complete:\n%s", routes)
	}
	settleVPNOf(ctx, t, c, 3)
}

// settleVPNOf waits until a node's Redis is in sync and all nodes reach it.
func settleVPNOf(ctx context.Context, t *testing.T, c *lab.Cluster, id int) {
	t.Helper()
	eventually(ctx, t, time.Minute, "all is well", func(ctx context.Context) error {
		role, err := c.Lab.Node(id).Role(ctx)
		if err == nil && role.State != "connected" {
			err = fmt.Errorf("role %+v", role)
		}
		if lost := lab.Unreached(c.PingAll(ctx, time.Second)); len(lost) > 0 {
			err = errors.Join(err, errors.New(strings.Join(lost, "\n")))
		}
		return err
	})
}
