package redisq_test

import (
	"maps"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq/redistest"
)

// TestInherit: what another instance has left is handed out as foreign, and its
// result takes it out of that instance's list. An equal task that comes later is
// one of this instance.
func TestInherit(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	opt.PollingInterval = 50 * time.Millisecond
	tasks := open(t, opt)
	run(t, tasks.Inherit)
	const other = agent + "/tasks/in-progress/two"
	for _, list := range []string{other, agent + "/tasks"} {
		server.Do(t, "lpush", list, payload)
		task, err := tasks.Next(t.Context(), 1)
		must(t, err)
		if task.Foreign != (list == other) {
			t.Fatalf("%s: foreign: %v", list, task.Foreign)
		}
		must(t, tasks.Finish(t.Context(), task, finished()))
		for _, key := range []string{other, inProgress, agent + "/tasks"} {
			if left := server.Admin().LLen(t.Context(), key).Val(); left != 0 {
				t.Fatalf("%s: %d tasks are left in %s", list, left, key)
			}
		}
	}
}

// TestNoList: a key of another instance that is no list keeps neither the tasks of a third one from
// being found nor anybody waiting, and is named once.
func TestNoList(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	var hook *test.Hook
	opt.Log, hook = newLog()
	opt.PollingInterval = 20 * time.Millisecond
	tasks := open(t, opt)
	const misfit = agent + "/tasks/in-progress/two"
	server.Do(t, "hset", misfit, "a", "b")
	server.Do(t, "lpush", agent+"/tasks/in-progress/three", payload)
	known, err := tasks.Known(t.Context())
	if must(t, err); !known[worker.KeyOf([]byte(payload))] {
		t.Errorf("known are %v", known)
	}
	run(t, tasks.Inherit)
	task, err := tasks.Next(t.Context(), 1)
	if must(t, err); !task.Foreign {
		t.Error("it is the agent's own")
	}
	wantLog(t, lines(hook), misfit+" should hold tasks in progress, but is no list; delete it")
}

// TestKnowsOthers: what stands in another instance's list is not lost. It may be this agent's,
// from before its journal was damaged, and is handed out later.
func TestKnowsOthers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	want := map[string]bool{}
	for list, payload := range map[string]string{
		agent + "/tasks/in-progress/two": `{"id":"other","action":"a"}`,
		inProgress:                       `{"id":"own","action":"a"}`,
		agent + "/tasks":                 `{"id":"waiting","action":"a"}`,
	} {
		server.Do(t, "lpush", list, payload)
		want[worker.KeyOf([]byte(payload))] = true
	}
	known, err := tasks.Known(t.Context())
	if must(t, err); !maps.Equal(known, want) {
		t.Errorf("known are %v, want %v", known, want)
	}
}
