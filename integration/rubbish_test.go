package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"cluster-agent/integration/lab"
)

// rubbish is a key in Redis that holds what it should not, and the words that name it
// on every node, in the log and by vpn-status.
type rubbish struct {
	key   string
	write []any // the command that writes it
	says  string
}

// badRecord is a VPN record with one field that is wrong.
func badRecord(t *testing.T, id int, field, value, says string) rubbish {
	t.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{
		"public_key": key.PublicKey().String(), "ip_address": "10.5.4." + strconv.Itoa(id), "destinations": "", "endpoint": "",
	}
	fields[field] = value
	name := fmt.Sprintf("node/%d/vpn", id)
	return rubbish{name, []any{"HSET", name, fields}, says}
}

// flat puts the fields of a hash after one another.
func flat(command []any) []any {
	args := make([]any, 0, 2*len(command)+8)
	for _, arg := range command {
		fields, ok := arg.(map[string]string)
		if !ok {
			args = append(args, arg)
		}
		for name, value := range fields {
			args = append(args, name, value)
		}
	}
	return args
}

// allRubbish is what a Redis full of it holds, beside the records of nodes 1 to 3.
func allRubbish(ctx context.Context, t *testing.T, c *lab.Cluster) []rubbish {
	t.Helper()
	clone, err := c.Lab.Node(1).PublicDB().HGet(ctx, "node/2/vpn", "public_key").Result()
	if err != nil {
		t.Fatal(err)
	}
	const megabyte, binary = 1 << 20, "\x00\xff\x1b[2J\r\n10.5.4.3"
	long := strings.Repeat("x", megabyte)
	return []rubbish{
		{"node/10/vpn", []any{"SET", "node/10/vpn", "10.5.4.10"}, "node/10/vpn is of type string"},
		{"node/11/vpn", []any{"RPUSH", "node/11/vpn", "10.5.4.11"}, "node/11/vpn is of type list"},
		{"node/12/vpn", []any{"SADD", "node/12/vpn", "10.5.4.12"}, "node/12/vpn is of type set"},
		badRecord(t, 13, "public_key", "no key", `public_key "no key"`),
		badRecord(t, 14, "public_key", clone, "public_key "+clone+" is also the key of node 2"),
		badRecord(t, 15, "ip_address", "10.5.4.555", `ip_address "10.5.4.555"`),
		badRecord(t, 16, "ip_address", "", `ip_address ""`),
		badRecord(t, 17, "ip_address", "192.0.2.17", "ip_address 192.0.2.17 is outside"),
		badRecord(t, 18, "ip_address", "10.5.4.2", "ip_address 10.5.4.2 is also the address of node 2"),
		badRecord(t, 19, "destinations", "10.5.4.3 10.5.4.1 there", `destination "there"`),
		badRecord(t, 20, "destinations", "10.5.4.2", "destination 10.5.4.2 belongs to node 2"),
		badRecord(t, 21, "endpoint", "192.0.2.21", `endpoint "192.0.2.21"`),
		badRecord(t, 22, "endpoint", "10.5.4.3:55820", ""),
		badRecord(t, 23, "endpoint", "nowhere.example.com:55820", ""),
		badRecord(t, 24, "endpoint", long, `endpoint "xxxx`),
		badRecord(t, 25, "public_key", long, `public_key "xxxx`),
		badRecord(t, 26, "destinations", strings.Repeat("x ", megabyte/2), `destination "x"`),
		badRecord(t, 27, "endpoint", binary, `endpoint "\x00\xff\x1b[2J\r\n`),
		badRecord(t, 28, "public_key", binary, `public_key "\x00\xff\x1b[2J\r\n`),
		badRecord(t, 29, "destinations", binary, `destination "\x00\xff\x1b[2J`),
	}
}

// oddKeys are keys that look like those of records, and belong to no node.
func oddKeys() []rubbish {
	names := []string{"node/abc/vpn", "node/-1/vpn", "node/0/vpn", "node/007/vpn", "node/99999999999999999999/vpn", "node//vpn"}
	all := make([]rubbish, 0, len(names))
	for _, name := range names {
		all = append(all, rubbish{name, []any{"HSET", name, "ip_address", "10.5.4.2", "destinations", "10.5.4.3"}, name})
	}
	return all
}

// A Redis full of rubbish: each bad record is named on the nodes and costs only
// itself; the nodes whose records are good reach each other, also one that joins
// meanwhile. When the rubbish is gone, nothing is left of it.
func TestRedisFullOfRubbish(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 4*time.Minute)
	c := newCluster(ctx, t, 3)
	settle(ctx, t, c)
	db, err := c.Lab.Node(1).DB()
	if err != nil {
		t.Fatal(err)
	}
	all := append(allRubbish(ctx, t, c), oddKeys()...)
	for _, r := range append(all, rubbish{"", []any{"SADD", "cluster/acls", "", "user", "no line of ACL LIST", "\x00\xff"}, ""}) {
		if err = db.Do(ctx, flat(r.write)...).Err(); err != nil {
			t.Fatalf("write %s: %v", r.key, err)
		}
	}
	const destination = "192.0.2.200"
	mustRun(ctx, t, c.Lab.Node(3), "ip", "address", "add", destination+"/32", "dev", "lo")
	add := map[string]any{"add": []map[string]any{{"ip_address": destination, "node_id": 3}}}
	if got, callErr := c.Lab.Node(1).Call(ctx, "update-routes", add); callErr != nil || got.Code != 0 {
		t.Fatalf("update-routes: %+v, %v", got, callErr)
	}
	for _, id := range []int{1, 2} {
		n := c.Lab.Node(id)
		eventually(ctx, t, settleTime, fmt.Sprintf("node %d names all rubbish", id), func(context.Context) error {
			return names(logsOf(t, n), all)
		})
		eventually(ctx, t, settleTime, "what came after the rubbish is reached", func(ctx context.Context) error {
			return pings(ctx, n, destination)
		})
		eventually(ctx, t, settleTime, fmt.Sprintf("vpn-status of node %d names all rubbish", id), func(ctx context.Context) error {
			said := askStatus(ctx, t, n)
			return errors.Join(said.says(1), names(said.Stdout, all))
		})
		if size := len(logsOf(t, n)); size > 1<<18 {
			t.Errorf("the log of node %d has %d bytes", id, size)
		}
	}
	hub := logsOf(t, c.Lab.Node(1))
	for _, text := range []string{`"nowhere.example.com:55820": look up name`, `"10.5.4.3:55820": address inside the cluster network`} {
		if !strings.Contains(hub, text) {
			t.Errorf("the hub does not say %q", text)
		}
	}
	if lost := lab.Unreached(c.PingAll(ctx, 6*time.Second)); len(lost) > 0 {
		t.Error(strings.Join(lost, "\n"))
	}
	cleaned(ctx, t, c, db, all)
}

// names is nil if a text names each piece of rubbish.
func names(text string, all []rubbish) error {
	var errs []error
	for _, r := range all {
		if !strings.Contains(text, r.says) {
			errs = append(errs, fmt.Errorf("nothing is said of %s: %q", r.key, r.says))
		}
	}
	return errors.Join(errs...)
}

// cleaned takes the rubbish away, and waits for the cluster to be as before.
func cleaned(ctx context.Context, t *testing.T, c *lab.Cluster, db *redis.Client, all []rubbish) {
	t.Helper()
	for _, r := range all {
		if err := db.Del(ctx, r.key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	back := map[string]any{"remove": []map[string]any{{"ip_address": "192.0.2.200", "node_id": 3}}}
	if got, err := c.Lab.Node(1).Call(ctx, "update-routes", back); err != nil || got.Code != 0 {
		t.Fatalf("update-routes: %+v, %v", got, err)
	}
	settle(ctx, t, c)
	for _, n := range c.Lab.Nodes {
		awaitStatus(ctx, t, n, 0, "All is well.")
	}
}
