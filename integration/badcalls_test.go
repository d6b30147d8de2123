package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cluster-agent/integration/lab"
)

// badCall is a command that must be refused.
type badCall struct {
	on     int // the node
	action string
	data   string
	code   int    // 0: any but 0
	says   string // part of what is printed
	spoil  func(ctx context.Context, c *lab.Cluster) error
	mend   func(ctx context.Context, c *lab.Cluster) error
}

// promoteThird is a good call of promote-node.
const promoteThird = `{"node_id":3,"endpoint_address":"203.0.113.3","endpoint_port":55820}`

// answering makes node 3's cluster-admin answer in some way, until it is mended.
func answering(answer lab.Answer) badCall {
	set := func(a lab.Answer) func(context.Context, *lab.Cluster) error {
		return func(_ context.Context, c *lab.Cluster) error {
			c.Lab.Node(3).Admin.SetAnswer(a)
			return nil
		}
	}
	return badCall{
		action: "promote-node", data: promoteThird, code: 4, says: "endpoint_address_not_reachable",
		spoil: set(answer), mend: set(lab.AnswerRight),
	}
}

func badCalls() map[string]badCall {
	return map[string]badCall{
		"wrong JSON":    {action: "promote-node", data: `{"node_id":3,`, says: "JSON"},
		"no JSON":       {action: "promote-node", data: `node 3`, says: "JSON"},
		"missing field": {action: "promote-node", data: `{"node_id":3}`, code: 10, says: `(root)_required`},
		"wrong type": {
			action: "promote-node", data: `{"node_id":"3","endpoint_address":"203.0.113.3","endpoint_port":55820}`,
			code: 10, says: "node_id_invalid_type",
		},
		"port too high": {
			action: "promote-node", data: `{"node_id":3,"endpoint_address":"203.0.113.3","endpoint_port":65536}`,
			code: 10, says: "endpoint_port_number_lte",
		},
		"unknown node": {
			action: "promote-node", data: `{"node_id":9,"endpoint_address":"203.0.113.3","endpoint_port":55820}`,
			code: 5, says: "node_replica_not_found",
		},
		"leader already": {
			action: "promote-node", data: `{"node_id":1,"endpoint_address":"203.0.113.1","endpoint_port":55820}`,
			code: 3, says: "node_is_already_leader",
		},
		"nobody at the endpoint": {
			action: "promote-node", data: `{"node_id":3,"endpoint_address":"203.0.113.99","endpoint_port":55820}`,
			code: 4, says: "endpoint_address_not_reachable",
		},
		"endpoint of unknown name": {
			action: "promote-node", data: `{"node_id":3,"endpoint_address":"nowhere.example.com","endpoint_port":55820}`,
			code: 4, says: "endpoint_address_not_reachable",
		},
		"endpoint without the header":    answering(lab.AnswerNoHeader),
		"endpoint of another web server": answering(lab.AnswerOther),
		"endpoint that redirects":        answering(lab.AnswerRedirect),
		"endpoint that stops half-way":   answering(lab.AnswerHalf),
		"endpoint that keeps silent":     answering(lab.AnswerNever),
		"endpoint without a web server": {
			action: "promote-node", data: promoteThird, code: 4, says: "endpoint_address_not_reachable",
			spoil: func(_ context.Context, c *lab.Cluster) error { return c.Lab.Node(3).Admin.Stop() },
			mend:  func(ctx context.Context, c *lab.Cluster) error { return c.Lab.Node(3).Admin.Start(ctx) },
		},
		"replica that is not connected": {
			action: "promote-node", data: promoteThird, code: 5, says: "node_replica_not_found",
			spoil: func(_ context.Context, c *lab.Cluster) error { c.Lab.Node(3).Service(lab.Redis).Stop(); return nil },
			mend:  func(ctx context.Context, c *lab.Cluster) error { return c.Lab.Node(3).Service(lab.Redis).Start(ctx) },
		},
		"on a worker":    {on: 2, action: "promote-node", data: promoteThird},
		"cluster twice":  {action: "create-cluster", data: `{"network":"10.9.0.0/24","endpoint":"203.0.113.1:55820"}`, code: 2, says: "cluster_network_already_set"},
		"no such action": {action: "conquer-world", data: `{}`, code: 8, says: "Action conquer-world is not defined"},
		"no such agent":  {action: "node/9/list-actions", data: `{}`, says: "node/9"},
		"join without a hash": {
			action: "add-node", data: `{"public_key":"jNQKmw+IF4llmxbT8tRhfZpvHqGvrU8bV0yHqAwqFWg=","endpoint":""}`,
			code: 10, says: "(root)_required",
		},
		"no agent alive": {
			action: "promote-node", data: promoteThird, says: "cluster",
			spoil: func(_ context.Context, c *lab.Cluster) error {
				c.Lab.Node(1).Service(lab.ClusterAgent).Stop()
				return nil
			},
			mend: func(ctx context.Context, c *lab.Cluster) error {
				if err := c.Lab.Node(1).Service(lab.ClusterAgent).Start(ctx); err != nil {
					return err
				}
				return lab.Until(ctx, 20*time.Millisecond, func(ctx context.Context) error { return c.Lab.Node(1).Alive(ctx, "cluster") })
			},
		},
	}
}

// Each bad call gets a clear answer and changes nothing.
func TestBadCalls(t *testing.T) { //nolint:tparallel // its parts share the cluster
	t.Parallel()
	ctx := deadline(t, 5*time.Minute)
	c := newCluster(ctx, t, 3)
	if err := c.SetEndpoint(ctx, 3, c.Endpoint(3)); err != nil {
		t.Fatal(err)
	}
	calls := badCalls()
	settle(ctx, t, c)
	third := c.Lab.Node(3)
	eventually(ctx, t, time.Minute, "its Redis has its endpoint", func(ctx context.Context) error {
		if view := third.View(ctx); !view.Stands {
			return fmt.Errorf("node 3 is %+v", view)
		}
		return nil
	})
	mustRun(ctx, t, third, "apply-vpn-routes") // it stands by from now on
	before := state(ctx, t, c)
	// One after the other: what one changes the next would see.
	for name, call := range calls {
		if !t.Run(name, func(t *testing.T) { refused(ctx, t, c, call) }) {
			t.Log("the answer is wrong: did the call do something?")
		}
		settle(ctx, t, c)
		if diff := cmp.Diff(before, state(ctx, t, c)); diff != "" {
			t.Fatalf("%s changed something (-before +after):\n%s", name, diff)
		}
	}
}

// refused makes a bad call and looks at the answer.
func refused(ctx context.Context, t *testing.T, c *lab.Cluster, call badCall) {
	t.Helper()
	if call.spoil != nil {
		if err := call.spoil(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	got, err := c.Lab.Node(max(call.on, 1)).Exec(ctx, "api-cli", "run", call.action, "--data", call.data)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("exit code %d after %v\n%s%s", got.Code, time.Since(began), got.Stdout, got.Stderr)
	if got.Code == 0 || call.code != 0 && got.Code != call.code {
		t.Errorf("exit code %d, want %d", got.Code, call.code)
	}
	if got.Stderr == "" || !strings.Contains(got.Stdout+got.Stderr, call.says) {
		t.Errorf("%q is not said, or nothing on stderr", call.says)
	}
	if call.mend != nil {
		if err := call.mend(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
}

// state is all that a refused call must not change: what Redis holds but the records of
// tasks, and what the nodes look like.
func state(ctx context.Context, t *testing.T, c *lab.Cluster) map[string]string {
	t.Helper()
	all := map[string]string{}
	db, err := c.Lab.Node(1).DB()
	if err != nil {
		t.Fatal(err)
	}
	keys := db.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		if key := keys.Val(); !strings.HasPrefix(key, "task/") {
			all[key] = value(ctx, t, c, key)
		}
	}
	if err = keys.Err(); err != nil {
		t.Fatal(err)
	}
	users, err := db.Do(ctx, "ACL", "LIST").StringSlice()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(users)
	all["users"] = strings.Join(users, "\n")
	for _, v := range c.Views(ctx) {
		for _, d := range []*lab.Device{&v.Device, &v.Conf} {
			for i := range d.Peers {
				d.Peers[i].Handshake = time.Time{}
			}
		}
		// Where workers are is learned from their packets, and saved when a loop comes by.
		for i := range v.Conf.Peers {
			v.Conf.Peers[i].Endpoint = ""
		}
		v.Role.Replicas = slices.Sorted(slices.Values(v.Role.Replicas))
		all[fmt.Sprintf("node %d", v.Node)] = fmt.Sprintf("%+v", v)
	}
	return all
}

// value is a key of any type as text.
func value(ctx context.Context, t *testing.T, c *lab.Cluster, key string) string {
	t.Helper()
	db, err := c.Lab.Node(1).DB()
	if err != nil {
		t.Fatal(err)
	}
	kind, err := db.Type(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}
	var got any
	switch kind {
	case "string":
		got, err = db.Get(ctx, key).Result()
	case "hash":
		got, err = db.HGetAll(ctx, key).Result() // fmt prints maps in order
	case "list":
		got, err = db.LRange(ctx, key, 0, -1).Result()
	case "set":
		var members []string
		members, err = db.SMembers(ctx, key).Result()
		slices.Sort(members)
		got = members
	default:
		t.Fatalf("key %s is a %s", key, kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(got)
}
