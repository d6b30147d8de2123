package setup

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cluster-agent/internal/host"
)

// TestRunKeepsDistribution: an installer has made users, passwords and settings
// of its own; only what is missing comes to them, and Redis is not restarted.
func TestRunKeepsDistribution(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	f := m.files
	aclfile := filepath.Join(f.Root(), "etc/redis/acl.list")
	put(t, aclfile, clusterUser("found pass").line()+defaultUser().line()+
		"user api-server on #"+passwordHash("other")+" ~* &* +@read\nuser module/x on nopass ~module/x/* +@read\n")
	m.appendConf("aclfile "+aclfile, "save 900 1", "masteruser replicator", "masterauth secret", "repl-backlog-size 128mb")
	put(t, f.StateAgentEnv(host.ClusterAgent), "# ours\nREDIS_PASSWORD=\"found pass\"\n")
	put(t, f.HostsFile(), "192.0.2.7 cluster-leader\n")
	put(t, f.UnitFile("agent@.service"), "[Service]\nExecStart=/bin/other\n")
	m.supervise()
	pid := m.pid()
	report := m.relative(m.run())
	if m.pid() != pid {
		t.Error("Redis was restarted")
	}
	for _, line := range []string{
		"kept Redis user cluster", "kept Redis user default", "kept Redis user api-server", "created Redis user node/1",
		"kept Redis setting masteruser", "kept Redis setting masterauth", "kept Redis setting repl-backlog-size",
		"changed Redis setting save", "changed Redis setting protected-mode", "kept /etc/hosts: cluster-leader",
		"changed /var/lib/nethserver/cluster/state/agent.env", "kept /etc/systemd/system/agent@.service",
	} {
		if !slices.Contains(strings.Split(report, "\n"), line) {
			t.Errorf("report lacks %q:\n%s", line, report)
		}
	}
	if strings.Contains(report, "api-server.env") {
		t.Error("a password was made for an API server that has one")
	}
	ctx, cluster := t.Context(), m.asCluster()
	for name, want := range map[string]string{
		"save": "900 1 5 1", "masteruser": "replicator", "repl-backlog-size": "134217728", "aclfile": aclfile, "protected-mode": "no",
	} {
		if got, err := configGet(ctx, cluster, name); err != nil || got != want {
			t.Errorf("setting %s is %q, %v", name, got, err)
		}
	}
	if saved := content(t, aclfile); !strings.Contains(saved, "user module/x") || !strings.Contains(saved, "user node/1") {
		t.Errorf("ACL file:\n%s", saved)
	}
	again := m.run()
	if changed(again) {
		t.Errorf("second run:\n%s", m.relative(again))
	}
}

// TestRunMovesUsersOfConf: Redis does not start with users in both of its files.
func TestRunMovesUsersOfConf(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.appendConf(`user "module/x" on nopass ~module/x/* +@read`, "requirepass hush", `save ""`)
	m.supervise()
	m.run()
	users, err := listUsers(t.Context(), m.asCluster())
	must(t, err)
	if _, ok := findUser(users, "module/x"); !ok {
		t.Errorf("a user is gone: %v", users)
	}
	if got, err := configGet(t.Context(), m.asCluster(), "save"); err != nil || got != "5 1" {
		t.Errorf("save is %q, %v", got, err)
	}
}

// TestRunKeepsLiveUsers: a Redis without ACL file has users that were set at run
// time, and its restart would forget them.
func TestRunKeepsLiveUsers(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	put(t, m.files.StateAgentEnv(host.ClusterAgent), "REDIS_PASSWORD=found\n")
	m.supervise()
	admin := m.client("", "")
	for _, user := range []aclUser{clusterUser("found"), {"module/x", []string{"on", "nopass", "~module/x/*", "+@read"}}} {
		must(t, admin.ACLSetUser(t.Context(), user.name, user.rules...).Err())
	}
	m.run()
	users, err := listUsers(t.Context(), m.asCluster())
	must(t, err)
	if _, ok := findUser(users, "module/x"); !ok {
		t.Errorf("a user is gone: %v", users)
	}
	if user, _ := findUser(users, "default"); user.unrestricted() {
		t.Errorf("default may do all: %v", user)
	}
}

// TestRunKeepsData: a Redis that was told to save nothing has data all the same.
func TestRunKeepsData(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.appendConf(`save ""`)
	m.supervise()
	before := m.client("", "")
	must(t, before.Set(t.Context(), "cluster/node_sequence", 7, 0).Err())
	m.run()
	if got := m.asCluster().Get(t.Context(), "cluster/node_sequence").Val(); got != "7" {
		t.Errorf("node_sequence is %q: ids would be given out again", got)
	}
}

func TestRunRefusesOtherClusterPassword(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.appendConf("aclfile " + m.files.RedisUsers())
	put(t, m.files.RedisUsers(), clusterUser("of someone").line())
	m.supervise()
	conf, users := content(t, m.files.RedisConf()), content(t, m.files.RedisUsers())
	_, err := Run(t.Context(), m.opts)
	if err == nil || !strings.Contains(err.Error(), "has another password than REDIS_PASSWORD in ") {
		t.Errorf("%v", err)
	}
	if content(t, m.files.RedisConf()) != conf || content(t, m.files.RedisUsers()) != users {
		t.Error("files were changed before the refusal")
	}
}

// TestRunWithoutRedis: what cannot be done is said, with the way on, and a
// second run goes on from there.
func TestRunWithoutRedis(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	_, err := Run(t.Context(), m.opts)
	if err == nil || !strings.Contains(err.Error(), "start redis-server and repeat") {
		t.Fatalf("%v", err)
	}
	m.supervise()
	pid := m.pid()
	m.run()
	if m.pid() != pid {
		t.Error("Redis was restarted, though it had read its files")
	}
	checkRedis(t, m)
}

func TestRunWithoutRedisConf(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	must(t, os.Remove(m.files.RedisConf()))
	if _, err := Run(t.Context(), m.opts); err == nil || !strings.Contains(err.Error(), "install redis-server") {
		t.Errorf("%v", err)
	}
}

// TestRunAfterFailedRestart: files were written and Redis was not restarted.
func TestRunAfterFailedRestart(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	stop := m.supervise()
	pid := content(t, m.files.PIDFile(host.RedisUnit))
	must(t, os.Remove(m.files.PIDFile(host.RedisUnit)))
	if _, err := Run(t.Context(), m.opts); err == nil {
		t.Fatal("no error without a supervisor")
	}
	put(t, m.files.PIDFile(host.RedisUnit), pid)
	m.run()
	checkRedis(t, m)
	stop()
}

// TestRunOnReplica: a node that joined keeps everything, whatever the cluster
// made of it; also a former leader, which is still node 1.
func TestRunOnReplica(t *testing.T) {
	t.Parallel()
	for _, id := range []int{1, 3} {
		leader, m := newMachine(t), newMachine(t)
		leader.supervise()
		leader.run()
		m.supervise()
		m.run()
		join(t, m, leader, id)
		before, pid := snapshot(t, m), m.pid()
		report := m.run()
		if changed(report) {
			t.Errorf("node %d:\n%s", id, m.relative(report))
		}
		checkSnapshot(t, m, before)
		if m.pid() != pid {
			t.Errorf("node %d: Redis was restarted", id)
		}
		if role := m.asCluster().Do(t.Context(), "ROLE").Val(); !isReplica(role) {
			t.Errorf("node %d: role %v", id, role)
		}
	}
}

// TestRunOnPromotedNode: a later node that leads is a master, as the first node
// is before any cluster, and yet its users and records are the cluster's.
func TestRunOnPromotedNode(t *testing.T) {
	t.Parallel()
	leader, m := newMachine(t), newMachine(t)
	leader.supervise()
	leader.run()
	m.supervise()
	m.run()
	join(t, m, leader, 3)
	cluster := m.asCluster()
	must(t, cluster.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	must(t, cluster.ConfigRewrite(t.Context()).Err())
	before := snapshot(t, m)
	if report := m.run(); changed(report) {
		t.Errorf("report:\n%s", m.relative(report))
	}
	checkSnapshot(t, m, before)
}

// join does to a prepared machine what matters here of join-node.
func join(t *testing.T, m, leader *machine, id int) {
	t.Helper()
	ctx := t.Context()
	credentials, err := leader.files.Credentials(host.NodeAgent)
	must(t, err)
	cluster := m.asCluster()
	must(t, cluster.ConfigSet(ctx, "masterauth", credentials.Password).Err())
	must(t, cluster.Do(ctx, "ACL", "DELUSER", "node/1").Err())
	must(t, cluster.Do(ctx, "ACL", "SAVE").Err())
	must(t, cluster.Do(ctx, "REPLICAOF", "127.0.0.1", leader.port()).Err())
	must(t, cluster.ConfigRewrite(ctx).Err())
	_, err = m.files.SetNodeID(ctx, id)
	must(t, err)
	_, err = m.files.SetNodeAgentID(ctx, id)
	must(t, err)
	_, err = m.files.SetHost(ctx, host.LeaderName, netip.MustParseAddr("10.5.4.1"))
	must(t, err)
	for deadline := time.Now().Add(10 * time.Second); ; {
		if role := cluster.Do(ctx, "ROLE").Val(); isReplica(role) && strings.Contains(roleText(role), "connected") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the replica is not in sync")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func isReplica(role any) bool {
	return strings.HasPrefix(roleText(role), "slave ")
}

func roleText(role any) string {
	var words []string
	list, ok := role.([]any)
	if !ok {
		return ""
	}
	for _, item := range list {
		if word, isText := item.(string); isText {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// TestRunOnReplicaThatIsDown: the replica is seen from its files, and comes back
// as one.
func TestRunOnReplicaThatIsDown(t *testing.T) {
	t.Parallel()
	leader, m := newMachine(t), newMachine(t)
	leader.supervise()
	leader.run()
	stop := m.supervise()
	m.run()
	join(t, m, leader, 1)
	stop()
	before := snapshot(t, m)
	if _, err := Run(t.Context(), withTimeout(m.opts, time.Second)); err == nil {
		t.Error("no error, though Redis is down and nobody starts it")
	}
	checkSnapshot(t, m, before)
	m.supervise()
	report := m.run()
	if changed(report) {
		t.Errorf("second run:\n%s", m.relative(report))
	}
}

func withTimeout(opts Options, limit time.Duration) Options {
	opts.RedisTimeout = limit
	opts.Services = host.NewSupervised(host.NewFiles("/nonexistent"), host.Exec{})
	return opts
}
