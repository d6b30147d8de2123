package node

import (
	"path/filepath"
	"strings"
	"testing"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/redistest"
)

func TestMasterIn(t *testing.T) {
	t.Parallel()
	for conf, want := range map[string]string{
		"":                             "",
		"port 6379\n# replicaof a 1\n": "",
		"port 6379\nreplicaof 10.5.4.1 6379\nsave 60 1\n": "10.5.4.1:6379",
		"  SlaveOf fd00::1 6379":                          "[fd00::1]:6379",
		"replicaof 10.5.4.1 6379\nreplicaof no one\n":     "",
		"replicaof 10.5.4.1\n":                            "",
	} {
		if got := masterIn(conf); got != want {
			t.Errorf("%q: %q, want %q", conf, got, want)
		}
	}
}

// A role that Redis would lose in a power cut is kept, once.
func TestKeepRole(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 2)
	leader, log := redistest.Start(t), &strings.Builder{}
	m.Log.Logger.SetOutput(log)
	conf := filepath.Join(server.Dir, "redis.conf")
	for _, c := range []struct {
		onDisk string
		change func()
	}{
		{leader.Address(), func() { server.Follow(leader) }},
		{"", func() { must(t, m.Redis(func(s *cluster.Store) error { return s.Lead(t.Context()) })) }},
	} {
		c.change()
		for range 2 {
			must(t, m.with(func(s *session) error { return m.keepRole(t.Context(), s) }))
		}
		if got := masterIn(read(t, conf)); got != c.onDisk {
			t.Errorf("the configuration says %q, want %q", got, c.onDisk)
		}
	}
	if lines := strings.Count(log.String(), "says now"); lines != 2 {
		t.Errorf("%d changes:\n%s", lines, log)
	}
}
