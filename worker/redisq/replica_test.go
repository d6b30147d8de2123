package redisq_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
	"cluster-agent/worker/workertest"
)

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !ask() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// follow makes a server the replica of another and waits until it has its data.
func follow(t *testing.T, replica, master *redistest.Server) {
	t.Helper()
	host, port, err := net.SplitHostPort(master.Address)
	must(t, err)
	replica.Do(t, "replicaof", host, port)
	eventually(t, "the replica is in sync", func() bool {
		return strings.Contains(replica.Admin().Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
}

// result is what Next returned.
type fetched struct {
	task worker.Task
	err  error
}

// nextInBackground asks for a task, which will come later.
func nextInBackground(ctx context.Context, queue worker.Queue) <-chan fetched {
	got := make(chan fetched, 1)
	go func() {
		task, err := queue.Next(ctx, 1)
		got <- fetched{task, err}
	}()
	return got
}

// TestReplica: on a read-only replica the agent waits with one line in the log,
// whatever it polls, and starts to work within one polling interval when the
// replica becomes the master. What the old master's agent has begun is left to it.
func TestReplica(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	master.Do(t, "lpush", agent+"/tasks/in-progress/another", `{"id":"begun elsewhere","action":"a"}`)
	remote{master}.Push(t, `{"id":"waiting","action":"a"}`)
	follow(t, replica, master)

	opt := options(replica.Address)
	log, hook := newLog()
	opt.Log, opt.PollingInterval = log, 2*time.Second
	monitor := replica.Monitor(t)
	got := nextInBackground(t.Context(), open(t, opt))
	for range 2 {
		monitor.Until(func(c redistest.Command) bool { return isWord("hello")(c) && len(c.Words) == 1 })
	}
	select {
	case early := <-got:
		t.Fatalf("a replica gave %+v", early)
	default:
	}
	promoted := time.Now()
	replica.Do(t, "replicaof", "no", "one")
	task := <-got
	must(t, task.err)
	if task.task.ID != "waiting" {
		t.Fatalf("got %q", task.task.ID)
	}
	if took := time.Since(promoted); took > opt.PollingInterval {
		t.Fatalf("took %v", took)
	}
	wantLog(t, lines(hook), "is a replica", "available again")
}

// wantLog wants lines with these words, and no others.
func wantLog(t *testing.T, log []string, words ...string) {
	t.Helper()
	if len(log) != len(words) {
		t.Fatalf("log is %q, want %d lines", log, len(words))
	}
	for i, word := range words {
		if !strings.Contains(log[i], word) {
			t.Fatalf("line %d of the log is %q, want %q", i, log[i], word)
		}
	}
}

// TestBecomesReplica: a master that turns replica while a fetch is waiting
// answers it with UNBLOCKED; nothing is lost, and the log says it once.
func TestBecomesReplica(t *testing.T) {
	t.Parallel()
	master, other := redistest.Start(t), redistest.Start(t)
	opt := options(master.Address)
	log, hook := newLog()
	opt.Log = log
	tasks := open(t, opt)
	monitor := master.Monitor(t)
	got := nextInBackground(t.Context(), tasks)
	monitor.Until(isWord("blmove"))
	remote{other}.Push(t, `{"id":"replicated","action":"a"}`)
	follow(t, master, other)
	master.Do(t, "replicaof", "no", "one")
	if task := <-got; task.err != nil || task.task.ID != "replicated" {
		t.Fatalf("got %+v", task)
	}
	wantLog(t, lines(hook), "is a replica", "available again")
}

// TestHeartbeatOnReplica: a heartbeat that a replica refuses, and that nobody waits for, is in the
// way of nothing once the replica is the master again.
func TestHeartbeatOnReplica(t *testing.T) {
	t.Parallel()
	master, server := redistest.Start(t), redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, `{"id":"1","action":"a"}`)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	tasks.Accept(t.Context(), task)
	eventually(t, "the task is shown", func() bool { return server.Do(t, "exists", "task/"+agent+"/1/context") == int64(1) })
	host, port, err := net.SplitHostPort(master.Address)
	must(t, err)
	server.Do(t, "replicaof", host, port)
	before := refusals(t, server)
	tasks.Heartbeat(t.Context(), task, worker.Progress{Status: worker.Running})
	eventually(t, "the heartbeat is refused", func() bool { return refusals(t, server) != before })
	server.Do(t, "replicaof", "no", "one")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	must(t, tasks.Finish(ctx, task, worker.Result{Final: worker.Progress{Status: worker.Completed, Percent: 100}}))
}

// refusals is how often a server has refused to write as a replica.
func refusals(t *testing.T, server *redistest.Server) string {
	t.Helper()
	_, after, _ := strings.Cut(server.Admin().Info(t.Context(), "errorstats").Val(), "errorstat_READONLY:count=")
	count, _, _ := strings.Cut(after, "\r\n")
	return count
}

// TestFinishOnReplica: the final status is told on the replica, for a client
// that waits there, and the result is stored as soon as it can be.
func TestFinishOnReplica(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	follow(t, replica, master)
	watch := remote{replica}.Watch(t)
	stored := make(chan error, 1)
	tasks := open(t, options(replica.Address))
	result := worker.Result{Output: []byte("late"), Final: worker.Progress{Status: worker.Completed, Percent: 100}, OnReplica: true}
	go func() { stored <- tasks.Finish(t.Context(), theTask(), result) }()
	want := workertest.News{Channel: news, Payload: `{"status":"completed","progress":100}`}
	if got := watch(); got != want {
		t.Fatalf("published %+v, want %+v", got, want)
	}
	replica.Do(t, "replicaof", "no", "one")
	must(t, <-stored)
	if got := (remote{replica}).Record(t, "t")["output"]; got != "late" {
		t.Fatalf("output is %q", got)
	}
}

// TestReplicaForTooLong: after the life of a task's context its result is given
// up: it has to be kept elsewhere until Redis is a master.
func TestReplicaForTooLong(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	follow(t, replica, master)
	opt := options(replica.Address)
	opt.PollingInterval = 10 * time.Millisecond
	tasks := open(t, opt)
	tasks.Accept(t.Context(), theTask())
	err := tasks.Finish(t.Context(), theTask(), finished())
	if err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("error is %v", err)
	}
}

// TestHungServer: a server that does not answer does not keep Next from ending
// with its context, even before the first fetch.
func TestHungServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server)
	server.Pause(t)
	defer server.Resume(t)
	ctx, cancel := context.WithCancel(t.Context())
	got := nextInBackground(ctx, open(t, options(proxy.Address)))
	proxy.WaitForClient(t)
	cancel()
	began := time.Now()
	if task := <-got; !errors.Is(task.err, context.Canceled) {
		t.Fatalf("got %+v", task)
	}
	if took := time.Since(began); took > time.Second {
		t.Fatalf("took %v", took)
	}
}

// TestRestart: Redis goes and comes back, empty; tasks are taken again, and the
// log has two lines.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opt := options(server.Address)
	log, hook := newLog()
	opt.Log = log
	tasks := open(t, opt)
	monitor := server.Monitor(t)
	got := nextInBackground(t.Context(), tasks)
	monitor.Until(isWord("blmove"))
	server.Stop(t)
	eventually(t, "the log says that Redis went", func() bool { return len(lines(hook)) > 0 })
	server.Restart(t)
	remote{server}.Push(t, payload)
	if task := <-got; task.err != nil || task.task.ID != "t" {
		t.Fatalf("got %+v", task)
	}
	wantOutage(t, lines(hook), "not available")
}

// TestReconnect: a dropped connection is dialled anew, and nothing is lost.
func TestReconnect(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	monitor := server.Monitor(t)
	got := nextInBackground(t.Context(), tasks)
	first := last(monitor.Until(isWord("blmove")))
	tasks.Reconnect()
	if second := last(monitor.Until(isWord("blmove"))); second.Client == first.Client {
		t.Fatal("the connection is still the old one")
	}
	remote{server}.Push(t, payload)
	if task := <-got; task.err != nil || task.task.ID != "t" {
		t.Fatalf("got %+v", task)
	}
}

// TestHalfOpen: a task that Redis gives to a fetch of a connection that it does not know to be broken is found
// where it stands, though nothing breaks any more.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server)
	opt := options(proxy.Address)
	opt.PollingInterval = 2 * time.Second // as long as the old fetch waits for the task
	tasks := open(t, opt)
	monitor := server.Monitor(t)
	got := nextInBackground(t.Context(), tasks)
	monitor.Until(isWord("blmove"))
	proxy.CutClients()
	monitor.Until(isWord("blmove"))
	remote{server}.Push(t, payload)
	if task := <-got; task.err != nil || task.task.ID != "t" {
		t.Fatalf("got %+v", task)
	}
}

func last(commands []redistest.Command) redistest.Command { return commands[len(commands)-1] }

func TestIsMaster(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	follow(t, replica, master)
	for server, want := range map[*redistest.Server]bool{master: true, replica: false} {
		client := redisq.Connect(redisq.Server{Address: server.Address}, 1)
		got, err := redisq.IsMaster(t.Context(), client)
		must(t, errors.Join(err, client.Close()))
		if got != want {
			t.Errorf("master: %v, want %v", got, want)
		}
	}
}
