package node

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cluster-agent/internal/host"
)

// A leader of old that keeps a copy of its data acknowledges nothing between the copy and
// the data of the new leader: that would be in neither.
func TestNothingIsWrittenAfterTheCopy(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	createCluster(t, server, 1)
	record(t, server, 1, server.Addr, "192.0.2.1:55820")
	record(t, server, 2, address("127.0.0.254"), "192.0.2.2:55820") // where nobody answers
	must(t, os.MkdirAll(m.Files.StateDir(host.NodeAgent), 0o700))
	write := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return server.Client().Set(ctx, "written", "late", 0).Err()
	}
	must(t, m.with(func(s *session) error {
		sw, err := m.beginSwitch(t.Context(), s, Switch{Leader: 2, Planned: true, Wait: time.Second})
		must(t, err)
		must(t, sw.keepWrites(t.Context()))
		if write(100*time.Millisecond) == nil {
			t.Error("it takes a write that is in no copy")
		}
		sw.resumeWrites(t.Context())
		return nil
	}))
	must(t, write(10*time.Second))
	if copies, err := filepath.Glob(filepath.Join(m.Files.StateDir(host.NodeAgent), "lost-writes-*.rdb")); err != nil || len(copies) != 1 {
		t.Errorf("copies: %q, %v", copies, err)
	}
}
