package cluster

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"cluster-agent/internal/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable() // a Redis that is off says nothing that a test does not see
	// A pool that was closed while its Redis was off notices within a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// startRedis runs a server for the test, prepared as a node's.
func startRedis(t *testing.T, directives ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, directives...)
}

// newStore is a server with the records in it, empty at first.
func newStore(t *testing.T, directives ...string) (*Store, *redis.Client, *redistest.Server) {
	t.Helper()
	server := startRedis(t, directives...)
	client := server.Client()
	return NewStore(client), client, server
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
