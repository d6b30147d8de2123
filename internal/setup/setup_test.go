package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/host"
)

// firstReport is what a first run says on a machine fresh from its packages.
const firstReport = `created /etc/nethserver
created /etc/wireguard
created /var/lib/nethserver/cluster
created /var/lib/nethserver/cluster/state
created /var/lib/nethserver/cluster/actions
created /var/lib/nethserver/cluster/events
created /var/lib/nethserver/node
created /var/lib/nethserver/node/state
created /var/lib/nethserver/node/actions
created /var/lib/nethserver/node/events
created /etc/nethserver/wg0.key
created /etc/nethserver/wg0.pub
created /var/lib/nethserver/cluster/state/environment
created /var/lib/nethserver/node/state/environment
created /etc/nethserver/agent.env
created /var/lib/nethserver/cluster/state/agent.env
created /var/lib/nethserver/node/state/agent.env
created /etc/hosts: cluster-leader
created /etc/hosts: cluster-localnode
created /etc/systemd/system/agent@.service
created /etc/systemd/system/redis-server.service.d/10-cluster-vpn.conf
created /etc/sysctl.d/90-cluster-vpn.conf
kept /etc/redis
changed /etc/redis/redis.conf
created /etc/nethserver/api-server.env
created /etc/redis/users.acl
created Redis user cluster
created Redis user default
created Redis user api-server
created Redis user node/1
changed Redis setting aclfile
changed Redis setting protected-mode
changed Redis setting save
changed Redis setting repl-diskless-sync-delay
changed Redis setting repl-backlog-size
changed Redis setting masteruser
changed Redis setting masterauth
created Redis key cluster/node_sequence
created Redis key cluster/environment NODE_ID`

func TestRunOnFreshMachine(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.supervise()
	report := m.run()
	if got := m.relative(report); got != firstReport {
		t.Errorf("report:\n%s", got)
	}
	checkFiles(t, m)
	checkRedis(t, m)

	before, pid := snapshot(t, m), m.pid()
	again := m.run()
	for _, line := range again.Lines() {
		if !strings.HasPrefix(line, "kept ") {
			t.Errorf("second run: %s", line)
		}
	}
	if changed(again) || len(again.Lines()) < 30 {
		t.Errorf("second run: changed %v, %d lines", changed(again), len(again.Lines()))
	}
	checkSnapshot(t, m, before)
	if m.pid() != pid {
		t.Error("second run restarted Redis")
	}
}

// snapshot is every file of the machine that a second run must not touch.
func snapshot(t *testing.T, m *machine) string {
	t.Helper()
	var out strings.Builder
	must(t, filepath.WalkDir(m.files.Root(), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == "redis-data" || entry.Name() == "run") {
			return fs.SkipDir
		}
		if err == nil && !entry.IsDir() && entry.Name() != "redis.log" {
			info, infoErr := entry.Info()
			out.WriteString(path + " " + info.Mode().String() + "\n" + content(t, path))
			err = infoErr
		}
		return err
	}))
	return out.String()
}

// checkSnapshot names the first line that is another.
func checkSnapshot(t *testing.T, m *machine, before string) {
	t.Helper()
	was, is := strings.Split(before, "\n"), strings.Split(snapshot(t, m), "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Errorf("files were changed, from line %d:\n%s\nwas:\n%s", i, part(is, i), part(was, i))
			return
		}
	}
}

func part(lines []string, from int) string {
	return strings.Join(lines[min(from, len(lines)):min(from+3, len(lines))], "\n")
}

func checkFiles(t *testing.T, m *machine) {
	t.Helper()
	f := m.files
	for path, want := range map[string]fs.FileMode{
		f.PrivateKey():                           0o600,
		f.PublicKey():                            0o644,
		f.AgentEnv():                             0o644,
		f.APIServerEnv():                         0o600,
		f.StateAgentEnv(host.ClusterAgent):       0o600,
		f.StateAgentEnv(host.NodeAgent):          0o600,
		f.StateEnvironment(host.NodeAgent):       0o644,
		f.StateDir(host.ClusterAgent):            0o700 | fs.ModeDir,
		f.RedisUsers():                           0o640,
		f.RedisConf():                            0o640,
		f.UnitFile("agent@.service"):             0o644,
		filepath.Dir(f.RedisConf()):              0o750 | fs.ModeDir,
		filepath.Join(f.Root(), "etc/wireguard"): 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	port := m.port()
	for path, want := range map[string]string{
		f.HostsFile():                         "127.0.0.1 localhost\n127.0.0.1 cluster-leader\n127.0.0.1 cluster-localnode\n",
		f.AgentEnv():                          "REDIS_ADDRESS=cluster-leader:" + port + "\nREDIS_REPLICA_ADDRESS=127.0.0.1:" + port + "\n",
		f.StateEnvironment(host.ClusterAgent): "NODE_ID=1\n",
		f.StateEnvironment(host.NodeAgent):    "NODE_ID=1\n",
		f.UnitFile("agent@.service"):          agentUnit,
	} {
		if got := content(t, path); got != want {
			t.Errorf("%s:\n%s", path, got)
		}
	}
	checkCredentials(t, m)
	conf := content(t, f.RedisConf())
	if !strings.HasPrefix(conf, "# Configuration in the manner") || strings.Count(conf, "protected-mode") != 1 {
		t.Errorf("redis.conf is not edited in place:\n%s", conf)
	}
}

func checkCredentials(t *testing.T, m *machine) {
	t.Helper()
	local := "127.0.0.1:" + m.port()
	cluster, err := m.files.Credentials(host.ClusterAgent)
	must(t, err)
	node, err := m.files.Credentials(host.NodeAgent)
	must(t, err)
	if len(cluster.Password) < 20 || len(node.Password) < 20 || cluster.Password == node.Password {
		t.Error("passwords are short or equal")
	}
	cluster.Password, node.Password = "", ""
	if cluster != (host.Credentials{AgentID: "cluster", User: "cluster", Address: local, ReplicaAddress: local}) {
		t.Errorf("%+v", cluster)
	}
	leader := "cluster-leader:" + m.port()
	if node != (host.Credentials{AgentID: "node/1", User: "node/1", Address: leader, ReplicaAddress: local}) {
		t.Errorf("%+v", node)
	}
}

// checkRedis asks the running Redis what it was set up to allow and to keep.
func checkRedis(t *testing.T, m *machine) {
	t.Helper()
	ctx, cluster := t.Context(), m.asCluster()
	for name, want := range map[string]string{
		"protected-mode": "no", "save": "5 1", "repl-diskless-sync-delay": "0", "repl-backlog-size": "67108864",
		"bind": "127.0.0.1 -::1", "masteruser": "node/1", "aclfile": m.files.RedisUsers(),
	} {
		if got, err := configGet(ctx, cluster, name); err != nil || got != want {
			t.Errorf("setting %s is %q, %v", name, got, err)
		}
	}
	if got := cluster.Get(ctx, "cluster/node_sequence").Val(); got != "1" {
		t.Errorf("node_sequence %q", got)
	}
	if got := cluster.HGet(ctx, "cluster/environment", "NODE_ID").Val(); got != "1" {
		t.Errorf("NODE_ID %q", got)
	}
	if changes := cluster.Info(ctx, "persistence").Val(); !strings.Contains(changes, "rdb_changes_since_last_save:0") {
		t.Error("the records are not on disk")
	}
	// Redis can rewrite both of its files.
	must(t, cluster.ConfigRewrite(ctx).Err())
	must(t, cluster.Do(ctx, "ACL", "SAVE").Err())
	checkUsers(t, m)
}

// checkUsers tries as each user what it may and what it may not do.
func checkUsers(t *testing.T, m *machine) {
	t.Helper()
	ctx := t.Context()
	credentials, err := m.files.Credentials(host.NodeAgent)
	must(t, err)
	vars, err := host.ReadEnv(m.files.APIServerEnv())
	must(t, err)
	node, anyone := m.client("node/1", credentials.Password), m.client("default", "node/1")
	api := m.client("api-server", vars["REDIS_PASSWORD"])
	for what, may := range map[string]error{
		"node reads its queue":         ignoreNil(node.BRPop(ctx, time.Second, "node/1/tasks").Err()),
		"node writes its results":      node.Set(ctx, "task/node/1/x/context", "1", 0).Err(),
		"node reads others":            ignoreNil(node.HGet(ctx, "node/2/vpn", "endpoint").Err()),
		"node publishes progress":      node.Publish(ctx, "progress/node/1/task/x", "1").Err(),
		"default reads with any word":  ignoreNil(anyone.Get(ctx, "cluster/network").Err()),
		"api-server pushes tasks":      api.LPush(ctx, "cluster/tasks", "{}").Err(),
		"api-server asks for the role": api.Do(ctx, "ROLE").Err(),
	} {
		if may != nil {
			t.Errorf("%s: %v", what, may)
		}
	}
	for what, mayNot := range map[string]error{
		"node writes others":      node.Set(ctx, "node/2/x", "1", 0).Err(),
		"node asks for the role":  node.Do(ctx, "ROLE").Err(),
		"node publishes as other": node.Publish(ctx, "cluster/event/x", "1").Err(),
		"default writes":          anyone.Set(ctx, "cluster/x", "1", 0).Err(),
		"default reads tasks":     anyone.Get(ctx, "task/node/1/x/context").Err(),
		"default runs CONFIG":     anyone.ConfigGet(ctx, "*").Err(),
		"api-server runs CONFIG":  api.ConfigGet(ctx, "*").Err(),
		"api-server deletes":      api.Del(ctx, "cluster/network").Err(),
	} {
		if mayNot == nil || !strings.Contains(mayNot.Error(), "NOPERM") {
			t.Errorf("%s: %v", what, mayNot)
		}
	}
}

func ignoreNil(err error) error {
	if err != nil && strings.Contains(err.Error(), "redis: nil") {
		return nil
	}
	return err
}

func TestJoinRequest(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if _, err := JoinRequest(m.files); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unprepared: %v", err)
	}
	m.supervise()
	m.run()
	request, err := JoinRequest(m.files)
	must(t, err)
	users := strings.Fields(content(t, m.files.RedisUsers()))
	if !slices.Contains(users, "#"+request.NodePWH) || len(request.NodePWH) != 64 {
		t.Errorf("hash %s is not the one of the ACL file", request.NodePWH)
	}
	if request.PublicKey != strings.TrimSpace(content(t, m.files.PublicKey())) || request.Endpoint != "" {
		t.Errorf("%+v", request)
	}
}
