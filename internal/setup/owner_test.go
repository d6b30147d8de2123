package setup

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"cluster-agent/internal/host"
)

// TestRunForUserRedis: Redis runs as a user of its own, and its files belong to
// root when setup finds them.
func TestRunForUserRedis(t *testing.T) {
	t.Parallel()
	account, err := user.Lookup("redis")
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CANNOT RUN: needs root and a user redis")
		}
		t.Skip("SKIPPED: needs root and a user redis")
	}
	uid, err := strconv.Atoi(account.Uid)
	must(t, err)
	gid, err := strconv.Atoi(account.Gid)
	must(t, err)
	m := newMachine(t)
	m.opts.RedisUser = ""
	m.runAs = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	data := filepath.Join(m.files.Root(), "redis-data")
	must(t, os.Chown(data, uid, gid))
	// The directories above, which Redis has to pass through.
	must(t, os.Chmod(filepath.Dir(m.files.Root()), 0o755))
	must(t, os.Chmod(filepath.Dir(m.files.HostsFile()), 0o755))
	must(t, os.Chmod(filepath.Dir(m.files.RedisConf()), 0o755))
	must(t, os.Chmod(m.files.RedisConf(), 0o644))
	m.supervise()
	m.run()
	// Rewrites both files as user redis.
	checkRedis(t, m)
	for _, path := range []string{filepath.Dir(m.files.RedisConf()), m.files.RedisConf(), m.files.RedisUsers()} {
		checkOwner(t, path, uid)
	}
	for _, path := range []string{m.files.PrivateKey(), m.files.StateAgentEnv(host.ClusterAgent)} {
		checkOwner(t, path, 0)
	}
	info, err := os.Stat(filepath.Dir(m.files.RedisConf()))
	must(t, err)
	if info.Mode().Perm() != 0o750 {
		t.Errorf("directory of passwords has mode %v", info.Mode())
	}
	if again := m.run(); changed(again) {
		t.Errorf("second run:\n%s", m.relative(again))
	}
}

func checkOwner(t *testing.T, path string, uid int) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != uid {
		t.Errorf("%s belongs to %+v", path, info.Sys())
	}
}
