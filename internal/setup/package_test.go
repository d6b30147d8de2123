package setup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRunOnPackageConf takes the configuration that the installed package
// brings, 2,000 lines of comments included.
func TestRunOnPackageConf(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("/etc/redis/redis.conf")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CANNOT RUN: %v", err)
		}
		t.Skipf("SKIPPED: %v", err)
	}
	m := newMachine(t)
	conf := parseConf(string(text))
	conf.set("dir", filepath.Join(m.files.Root(), "redis-data"))
	conf.set("port", m.port())
	conf.set("pidfile", filepath.Join(m.files.Root(), "redis.own.pid"))
	conf.set("logfile", "")
	put(t, m.files.RedisConf(), conf.String())
	m.supervise()
	m.run()
	checkUsers(t, m)
	edited := parseConf(content(t, m.files.RedisConf()))
	var added []string
	for _, line := range edited.lines {
		if i := slices.Index(conf.lines, line); i >= 0 {
			conf.lines = slices.Delete(conf.lines, i, i+1)
			continue
		}
		name, _, _ := strings.Cut(line, " ")
		added = append(added, name)
	}
	if got := strings.Join(added, " "); got != "protected-mode repl-diskless-sync-delay aclfile save repl-backlog-size masteruser masterauth" {
		t.Errorf("new lines: %s", got)
	}
	if got := strings.Join(conf.lines, ""); got != "protected-mode yes\nrepl-diskless-sync-delay 5\n" {
		t.Errorf("lines that are gone: %s", got)
	}
}
