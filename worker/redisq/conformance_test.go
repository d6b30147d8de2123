package redisq_test

import (
	"testing"

	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
	"cluster-agent/worker/workertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	workertest.Run(t, func(t *testing.T) workertest.Fixture {
		t.Helper()
		server := redistest.Start(t)
		side := remote{server}
		address := server.Address
		return workertest.Fixture{
			Agent: agent, Remote: side, Strand: side.Strand,
			Open: func(*testing.T) workertest.Instance {
				return redisq.NewTasks(options(address))
			},
			LoseReply: func(t *testing.T) {
				t.Helper()
				proxy := redistest.NewProxy(t, server)
				proxy.LoseReply("blmove")
				address = proxy.Address
			},
		}
	})
}
