package redisq_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
	"cluster-agent/worker/workertest"
)

func running(percent int) worker.Progress {
	return worker.Progress{Status: worker.Running, Percent: percent}
}

// TestManyReports: however fast a step reports, every report is published, in
// order, and before the result.
func TestManyReports(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	watch := remote{server}.Watch(t)
	const reports = 20_000
	var step sync.WaitGroup
	step.Go(func() {
		for n := range reports {
			tasks.Report(t.Context(), theTask(), running(n))
		}
		if err := tasks.Finish(t.Context(), theTask(), worker.Result{Final: worker.Progress{Status: worker.Completed}}); err != nil {
			t.Errorf("finish: %v", err)
		}
	})
	for n := range reports {
		if got, want := watch().Payload, fmt.Sprintf(`{"status":"running","progress":%d}`, n); got != want {
			t.Fatalf("message %d is %s", n, got)
		}
	}
	if got := watch().Payload; !strings.Contains(got, "completed") {
		t.Fatalf("the last message is %s", got)
	}
	step.Wait()
}

// TestBatches: what several tasks have to write while Redis is busy goes out
// together, each task's commands in their order.
func TestBatches(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	var group sync.WaitGroup
	for n := range 500 {
		task := worker.Task{ID: strconv.Itoa(n), Action: "a", Payload: fmt.Appendf(nil, `{"id":"%d","action":"a"}`, n)}
		group.Go(func() {
			tasks.Accept(t.Context(), task)
			tasks.Report(t.Context(), task, running(0))
			result := worker.Result{Output: task.Payload, Final: worker.Progress{Status: worker.Completed}}
			if err := tasks.Finish(t.Context(), task, result); err != nil {
				t.Errorf("task %s: %v", task.ID, err)
			}
		})
	}
	group.Wait()
	for n := range 500 {
		if got, want := (remote{server}).Record(t, strconv.Itoa(n))["output"], fmt.Sprintf(`{"id":"%d","action":"a"}`, n); got != want {
			t.Fatalf("output of %d is %q", n, got)
		}
	}
}

// TestHungServerAndReports: reports to a Redis that does not answer hold nobody
// up for long, take bounded memory, and the last ones arrive when it answers.
func TestHungServerAndReports(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	watch := remote{server}.Watch(t)
	tasks.Accept(t.Context(), theTask())
	watch()
	server.Pause(t)
	const reports = 20_000
	began := time.Now()
	for n := range reports {
		tasks.Report(t.Context(), theTask(), running(n))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d reports took %v", reports, took)
	}
	if waiting := tasks.WaitingWrites(); waiting > 2048 {
		t.Errorf("%d reports are kept", waiting)
	}
	server.Resume(t)
	last := fmt.Sprintf(`{"status":"running","progress":%d}`, reports-1)
	for watch().Payload != last {
	}
}

// TestReportsWhileRedisIsDown: tries that fail at once are no sign of life. Reports hold nobody
// up for long.
func TestReportsWhileRedisIsDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	server.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for n := range 3000 {
		tasks.Report(ctx, theTask(), running(n))
	}
	if ctx.Err() != nil {
		t.Fatal("reports are held up")
	}
	if waiting := tasks.WaitingWrites(); waiting > 2048 {
		t.Errorf("%d reports are kept", waiting)
	}
}

// TestRefusedWriteHoldsUpNobody: what Redis refuses again and again is tried
// beside the rest, with one line in the log.
func TestRefusedWriteHoldsUpNobody(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(t, "acl", "setuser", "default", "resetkeys", "~task/module/m1/t/*", "~module/m1/*")
	opt := options(server.Address)
	log, hook := newLog()
	opt.Log = log
	tasks := open(t, opt)
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error, 1)
	go func() {
		foreign := worker.Task{ID: "foreign", Action: "a", Payload: []byte(`{"id":"foreign","action":"a"}`)}
		refused <- tasks.Finish(ctx, foreign, finished())
	}()
	eventually(t, "the log says that it was refused", func() bool { return len(lines(hook)) > 0 })
	for range 200 {
		must(t, tasks.Finish(ctx, theTask(), finished()))
	}
	cancel()
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Fatalf("error is %v", err)
	}
	must(t, tasks.Finish(t.Context(), theTask(), finished()))
	eventually(t, "the log says that all is well", func() bool { return len(lines(hook)) > 1 })
	wantOutage(t, lines(hook), "NOPERM")
}

// TestBrokenBatch: when the connection breaks in the middle of the replies, what
// Redis has taken is not written again, and the rest is; a result is told once.
func TestBrokenBatch(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server)
	proxy.LoseReply("exec")
	tasks := open(t, options(proxy.Address))
	watch := remote{server}.Watch(t)
	server.Do(t, "lpush", inProgress, payload)
	tasks.Accept(t.Context(), theTask())
	tasks.Report(t.Context(), theTask(), running(50))
	tasks.Heartbeat(t.Context(), theTask(), running(50))
	must(t, tasks.Finish(t.Context(), theTask(), finished()))
	if left := server.Admin().TTL(t.Context(), record+"context").Val(); left < 7*time.Hour {
		t.Errorf("the context lives for %v", left)
	}
	if got := (remote{server}).Record(t, "t")["output"]; got != "out" {
		t.Fatalf("output is %q", got)
	}
	wantToldOnce(t, tasks, watch)
}

// wantToldOnce wants one final status of the task; nothing of it is under way.
func wantToldOnce(t *testing.T, tasks *redisq.Tasks, watch func() workertest.News) {
	t.Helper()
	tasks.Report(t.Context(), theTask(), running(99))
	finals := 0
	for told := watch(); !strings.Contains(told.Payload, "99"); told = watch() {
		switch {
		case strings.Contains(told.Payload, "aborted"):
			finals++
		case finals > 0 && told.Channel == news:
			t.Errorf("told after the final status: %s", told.Payload)
		}
	}
	if finals != 1 {
		t.Fatalf("the final status was told %d times", finals)
	}
}

// refusing is a Redis that has broken off after it has stored a result, and then refuses
// everything for a while, as one does that loads its data.
type refusing struct {
	*redisq.Tasks

	server *redistest.Server
	watch  func() workertest.News
	ended  <-chan error // of Finish
}

func newRefusing(t *testing.T) *refusing {
	t.Helper()
	server := redistest.Start(t, "user admin on >admin ~* &* +@all", "user m1 on >secret ~* &* +@all")
	proxy := redistest.NewProxy(t, server)
	proxy.LoseReplyAfter("exec", func() {
		if err := server.Admin().ACLSetUser(t.Context(), "m1", "-@all", "+@connection").Err(); err != nil {
			t.Error(err)
		}
	})
	opt := options(proxy.Address)
	opt.Server.User, opt.Server.Password = "m1", "secret"
	r := &refusing{Tasks: open(t, opt), server: server, watch: remote{server}.Watch(t)}
	server.Do(t, "lpush", inProgress, payload)
	ended := make(chan error, 1)
	r.ended = ended
	go func() { ended <- r.Finish(t.Context(), theTask(), finished()) }()
	eventually(t, "the result is stored", func() bool { return len(remote{server}.Record(t, "t")) > 0 })
	r.refuses(t)
	return r
}

// refuses waits until Redis has refused something more.
func (r *refusing) refuses(t *testing.T) {
	t.Helper()
	r.server.Do(t, "acl", "log", "reset")
	eventually(t, "a write was refused", func() bool { return len(r.server.Do(t, "acl", "log").([]any)) > 1 }) //nolint:forcetypeassert // it is
}

// allow ends that, and waits until the result is known to be stored.
func (r *refusing) allow(t *testing.T) {
	t.Helper()
	r.server.Do(t, "acl", "setuser", "m1", "+@all")
	must(t, <-r.ended)
}

// TestLostReplyThenRefusals: such a Redis is asked all the same whether it has the result.
func TestLostReplyThenRefusals(t *testing.T) {
	t.Parallel()
	r := newRefusing(t)
	r.allow(t)
	wantToldOnce(t, r.Tasks, r.watch)
}

// TestPendingAfterRefusals: a task that is accepted meanwhile is told of as pending.
func TestPendingAfterRefusals(t *testing.T) {
	t.Parallel()
	r := newRefusing(t)
	other := worker.Task{ID: "other", Action: "a", Key: "other", Payload: []byte(`{"id":"other","action":"a"}`)}
	r.Accept(t.Context(), other)
	r.refuses(t)
	r.refuses(t) // one try more, at least, that it was part of
	r.allow(t)
	r.Report(t.Context(), other, running(77))
	for told := r.watch(); !strings.Contains(told.Payload, "pending"); told = r.watch() {
		if strings.Contains(told.Payload, "77") {
			t.Fatal("never told of as pending")
		}
	}
}

// TestCutAfterTheAnswer: whether Redis has a result is known once it has said so, though the connection breaks before
// the replies to what was sent with the question.
func TestCutAfterTheAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server)
	tasks := open(t, options(proxy.Address))
	server.Do(t, "set", "task/"+agent+"/t/exit_code", "0")
	left := worker.Task{ID: "t", Action: "a", Key: "t"} // as the journal has it
	server.Pause(t)
	tasks.Report(t.Context(), theTask(), running(1))
	eventually(t, "that is under way", func() bool { return tasks.WaitingWrites() == 0 })
	ended := make(chan error, 1)
	go func() { ended <- tasks.Finish(t.Context(), left, finished()) }()
	eventually(t, "the question waits", func() bool { return tasks.WaitingWrites() == 1 })
	tasks.Report(t.Context(), theTask(), running(2))
	proxy.LoseRest("exists", len(":1\r\n"))
	server.Resume(t)
	if err := <-ended; !errors.Is(err, worker.ErrOtherResult) {
		t.Errorf("it ended with %v", err)
	}
	if code := server.Do(t, "get", "task/"+agent+"/t/exit_code"); code != "0" {
		t.Errorf("the exit code is %v", code)
	}
}

// TestClosedOutbox: who waits for a write is told that it will not happen.
func TestClosedOutbox(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Pause(t)
	defer server.Resume(t)
	proxy := redistest.NewProxy(t, server)
	tasks := redisq.NewTasks(options(proxy.Address))
	ended := make(chan error, 1)
	go func() { ended <- tasks.Finish(t.Context(), theTask(), finished()) }()
	proxy.WaitForClient(t)
	must(t, tasks.Close())
	if err := <-ended; err == nil {
		t.Fatal("stored by a server that does not answer")
	}
}
