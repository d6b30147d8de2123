package workertest_test

import (
	"testing"

	"go.uber.org/goleak"

	"cluster-agent/worker/workertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	t.Parallel()
	workertest.Run(t, func(*testing.T) workertest.Fixture {
		memory := workertest.NewMemory("module/m1")
		return workertest.Fixture{
			Agent: "module/m1", Remote: memory,
			Open:      func(*testing.T) workertest.Instance { return memory.Open() },
			LoseReply: memory.LoseReply, Strand: memory.Strand,
		}
	})
}
