package cluster

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"cluster-agent/internal/redistest"
	"cluster-agent/vpn"
)

// nodeRules are those of the protocol, section 1, for a node agent.
const nodeRules = "resetkeys ~node/N/* ~task/node/N/* %R~cluster/* %R~node/* %R~module/* %R~private/agents/* %R~private/nodes/* " +
	"resetchannels &progress/node/N/* &node/N/event/* " +
	"nocommands +@read +@write +@transaction +@connection +publish -@admin +psync +replconf"

// aclList returns the users of a server, local ones too: name to line.
func aclList(t *testing.T, client *redis.Client) map[string]string {
	t.Helper()
	lines, err := client.Do(t.Context(), "ACL", "LIST").StringSlice()
	must(t, err)
	users := map[string]string{}
	for _, line := range lines {
		users[strings.Fields(line)[1]] = line
	}
	return users
}

// setUsers makes users by rules; names are those of the keys.
func setUsers(t *testing.T, client *redis.Client, users map[string]string) {
	t.Helper()
	for name, rules := range users {
		must(t, client.Do(t.Context(), fields("ACL SETUSER "+name+" reset "+rules)...).Err())
	}
}

func addNode(t *testing.T, store *Store, id int, hash string) {
	t.Helper()
	address, err := NodeAddress(netip.MustParsePrefix("10.5.4.0/24"), id)
	must(t, err)
	node := vpn.Node{ID: id, PublicKey: newKey(t), Address: address}
	must(t, store.AddNode(t.Context(), NewNode{Node: node, PasswordHash: hash}))
}

func TestUserIsThatOfTheProtocol(t *testing.T) {
	t.Parallel()
	store, client, _ := newStore(t)
	hash := redistest.PasswordHash()
	for _, id := range []int{2, 254} {
		name := UserName(id)
		setUsers(t, client, map[string]string{name: "on #" + hash + " " + strings.ReplaceAll(nodeRules, "node/N", name)})
		want := aclList(t, client)[name]
		must(t, client.Do(t.Context(), "ACL", "DELUSER", name).Err())
		addNode(t, store, id, strings.ToUpper(hash)) // hex in capitals is a hash, too
		if got := aclList(t, client)[name]; got != want {
			t.Errorf("user of node %d:\ngot  %s\nwant %s", id, got, want)
		}
	}
}

// TestUserMadeAnew: a node that joins again gets exactly the rights of a new
// one, and its old password is gone.
func TestUserMadeAnew(t *testing.T) {
	t.Parallel()
	store, client, server := newStore(t)
	addNode(t, store, 2, redistest.PasswordHash())
	want := aclList(t, client)["node/2"]
	setUsers(t, client, map[string]string{"node/2": "off >of-old ~* &* +@all"})
	addNode(t, store, 2, redistest.PasswordHash())
	if got := aclList(t, client)["node/2"]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := server.ClientOf("node/2", "of-old").Ping(t.Context()).Err(); err == nil {
		t.Error("the old password is still good")
	}
}

func TestShareACLs(t *testing.T) {
	t.Parallel()
	store, client, server := newStore(t)
	ctx := t.Context()
	must(t, client.SAdd(ctx, "cluster/acls", "user of-old on nopass").Err())
	setUsers(t, client, map[string]string{"module/mail1": "on >x ~module/mail1/* +@read"})
	must(t, store.ShareACLs(ctx))

	users := aclList(t, client)
	maps.DeleteFunc(users, func(name, _ string) bool { return slices.Contains(localUsers(), name) })
	want := slices.Sorted(maps.Values(users))
	got := client.SMembers(ctx, "cluster/acls").Val()
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) != 2 {
		t.Errorf("shared:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	saved, err := os.ReadFile(filepath.Join(server.Dir, "users.acl"))
	must(t, err)
	if !strings.Contains(string(saved), "user module/mail1 on ") {
		t.Errorf("saved:\n%s", saved)
	}
}

// twoNodes are a leader and a worker, whose Redis do not replicate: the records
// are copied by hand, so that both can be changed.
type twoNodes struct {
	leader, worker             *Store
	leaderClient, workerClient *redis.Client
	workerServer               *redistest.Server
}

func newTwoNodes(t *testing.T) twoNodes {
	t.Helper()
	var n twoNodes
	n.leader, n.leaderClient, _ = newStore(t)
	n.worker, n.workerClient, n.workerServer = newStore(t)
	return n
}

// share shares the leader's users and adopts them on the worker.
func (n twoNodes) share(t *testing.T) (changed bool) {
	t.Helper()
	ctx := t.Context()
	must(t, n.leader.ShareACLs(ctx))
	lines, err := n.leaderClient.SMembers(ctx, "cluster/acls").Result()
	must(t, err)
	must(t, n.workerClient.Del(ctx, "cluster/acls").Err())
	must(t, n.workerClient.SAdd(ctx, "cluster/acls", lines).Err())
	changed, err = n.worker.AdoptACLs(ctx)
	must(t, err)
	return changed
}

// wantSame checks that leader and worker have the same shared users.
func (n twoNodes) wantSame(t *testing.T) {
	t.Helper()
	leader, worker := aclList(t, n.leaderClient), aclList(t, n.workerClient)
	for _, name := range localUsers() {
		delete(leader, name)
		delete(worker, name)
	}
	if !maps.EqualFunc(leader, worker, sameUser) {
		t.Errorf("users of the leader:\n%v\nof the worker:\n%v", leader, worker)
	}
}

func TestAdoptACLs(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t)
	addNode(t, n.leader, 2, redistest.PasswordHash())
	setUsers(t, n.leaderClient, map[string]string{
		"module/new":     "on >new ~module/new/* +@read (%R~cluster/* +get)",
		"module/changed": "on >second ~module/changed/* &* +@all -@dangerous",
	})
	setUsers(t, n.workerClient, map[string]string{
		"module/changed": "on >first ~* +@all",
		"module/removed": "on >gone ~* +@all",
		"cluster":        "on >of-this-node ~* &* +@all",
		"api-server":     "on >of-this-node-too ~* +@read",
	})
	// The client is logged in with the password of before.
	local := aclList(t, n.workerClient)

	if !n.share(t) {
		t.Error("nothing was changed")
	}
	n.wantSame(t)
	now := aclList(t, n.workerClient)
	for _, name := range localUsers() {
		if now[name] != local[name] {
			t.Errorf("local user %s became\n%s\nand was\n%s", name, now[name], local[name])
		}
	}
	if err := n.workerServer.ClientOf("node/2", redistest.Password).Ping(t.Context()).Err(); err != nil {
		t.Errorf("node 2 is locked out: %v", err)
	}
	saved, err := os.ReadFile(filepath.Join(n.workerServer.Dir, "users.acl"))
	must(t, err)
	if !strings.Contains(string(saved), "user module/new ") || strings.Contains(string(saved), "module/removed") {
		t.Errorf("saved:\n%s", saved)
	}
}

func TestAdoptACLsAgainChangesNothing(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t)
	addNode(t, n.leader, 2, redistest.PasswordHash())
	if !n.share(t) {
		t.Error("the first run changed nothing")
	}
	// What is not saved shows that nothing has been saved again.
	must(t, os.Remove(filepath.Join(n.workerServer.Dir, "users.acl")))
	if n.share(t) {
		t.Error("the second run changed something")
	}
	if _, err := os.Stat(filepath.Join(n.workerServer.Dir, "users.acl")); !os.IsNotExist(err) {
		t.Errorf("the second run saved users: %v", err)
	}
}

func TestAdoptACLsWithoutRecords(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]any{
		"no set":           nil,
		"local users only": {"user cluster on nopass ~* +@all", "user default on nopass ~* +@all", "user api-server off"},
		"rubbish":          {"", "user", "no line of ACL LIST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, client, _ := newStore(t)
			if lines != nil {
				must(t, client.SAdd(t.Context(), "cluster/acls", lines...).Err())
			}
			before := aclList(t, client)
			changed, err := store.AdoptACLs(t.Context())
			if err != nil || changed || !maps.Equal(before, aclList(t, client)) {
				t.Errorf("changed %v, %v\n%v", changed, err, aclList(t, client))
			}
		})
	}
}

// TestAdoptACLsBadRecord: one bad record is named and costs only itself.
func TestAdoptACLsBadRecord(t *testing.T) {
	t.Parallel()
	n := newTwoNodes(t)
	addNode(t, n.leader, 2, redistest.PasswordHash())
	n.share(t)
	ctx := t.Context()
	must(t, n.workerClient.SAdd(ctx, "cluster/acls", "user module/bad on +no-such-command", "user module/good on nopass").Err())
	changed, err := n.worker.AdoptACLs(ctx)
	if err == nil || !strings.Contains(err.Error(), "module/bad") || !changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	users := aclList(t, n.workerClient)
	if users["module/good"] == "" || users["node/2"] == "" || users["module/bad"] != "" {
		t.Errorf("users %v", users)
	}
}
