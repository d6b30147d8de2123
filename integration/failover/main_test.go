package main

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"cluster-agent/integration/testbed"
)

// built is where the programs under test are built, before the tests enter their
// namespaces, which have no network for modules.
const built = "../../build/integration-failover/"

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	os.Exit(testbed.Main(m, func() error { return testbed.Build(built, "cmd/agent", "cmd/apply-vpn-routes") }, testbed.DialsOn()))
}
