package redisq_test

import (
	"strings"
	"testing"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// TestOwnKeyIsNoList: results are stored, and told once, though the agent's key in progress has become
// something else; tasks stay in the queue until that is gone.
func TestOwnKeyIsNoList(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	log, hook := newLog()
	opt.Log = log
	tasks := open(t, opt)
	first, second := nextOf(t, server, tasks, "1"), nextOf(t, server, tasks, "2")
	server.Do(t, "del", inProgress)
	server.Do(t, "hset", inProgress, "no", "list")

	watch := remote{server}.Watch(t)
	tasks.Accept(t.Context(), first)
	must(t, tasks.Finish(t.Context(), first, worker.Result{Final: running(100)}))
	must(t, tasks.Finish(t.Context(), second, worker.Result{Final: running(100)})) // it is asked before whether it has a result
	server.Do(t, "publish", "end", "")
	var told []string
	for message := watch(); message.Channel != "end"; message = watch() {
		told = append(told, message.Payload)
	}
	if got := strings.Join(told, " "); strings.Count(got, "running") != 2 {
		t.Errorf("told is %s", got)
	}
	wantLog(t, lines(hook), inProgress+" should hold tasks in progress, but is no list; delete it")

	server.Do(t, "lpush", agent+"/tasks", `{"id":"3","action":"a"}`)
	if _, _, err := tasks.Ahead(t.Context(), func(worker.Task) bool { return true }); err == nil {
		t.Error("a task was moved to what is no list")
	}
	got := nextInBackground(t.Context(), tasks)
	eventually(t, "the log says what is wrong", func() bool { return len(lines(hook)) == 2 })
	if waiting := server.Admin().LLen(t.Context(), agent+"/tasks").Val(); waiting != 1 {
		t.Errorf("%d tasks wait", waiting)
	}
	server.Do(t, "del", inProgress)
	if task := <-got; task.task.ID != "3" {
		t.Errorf("got %v", task)
	}
	wantOutage(t, lines(hook)[1:], "WRONGTYPE")
}

// nextOf has a task handed out.
func nextOf(t *testing.T, server *redistest.Server, tasks *redisq.Tasks, id string) worker.Task {
	t.Helper()
	server.Do(t, "lpush", agent+"/tasks", `{"id":"`+id+`","action":"a"}`)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	return task
}
