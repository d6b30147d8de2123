package redisq

import (
	"testing"
	"time"

	"cluster-agent/worker/redisq/redistest"
)

// TestKept: exchanges share a connection, one that Redis has closed while it rested is replaced
// unnoticed, and one whose client was dropped, too.
func TestKept(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	k := kept{link: &link{server: Server{Address: server.Address}, size: 1}}
	defer func() {
		if err := k.close(); err != nil {
			t.Error(err)
		}
	}()
	ask := func() int64 {
		t.Helper()
		_, conn := k.take()
		id, err := conn.ClientID(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := ask()
	if again := ask(); again != first {
		t.Errorf("connections %d and %d, want one", first, again)
	}
	k.used = time.Now().Add(-2 * restTime)
	if rested := ask(); rested != first {
		t.Errorf("connection %d was replaced by %d, though it is there", first, rested)
	}
	server.Do(t, "client", "kill", "id", first)
	k.used = time.Now().Add(-2 * restTime)
	second := ask()
	if second == first {
		t.Errorf("connection %d is there still", first)
	}
	k.drop(nil)
	if third := ask(); third == second {
		t.Errorf("connection %d outlives its client", second)
	}
	if dials := k.dials.Load(); dials != 3 {
		t.Errorf("%d connections were opened, want 3", dials)
	}
}
