package workertest

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cluster-agent/worker"
)

func boardChecks() []check {
	return []check{
		{"Accept shows the task as pending, without its secrets", accepts},
		{"Report and Heartbeat tell in order and change no record", reports},
		{"Finish stores the result before it tells of it", finishes},
		{"held reports go out with the result", heldReports},
		{"events go out with the result and not before", announces},
		{"outputs of any bytes are kept as they are", anyBytes},
		{"many tasks at once", manyAtOnce},
	}
}

func accepts(b *bench) {
	i := b.open()
	watch := b.Remote.Watch(b.t)
	b.Remote.Push(b.t, `{"id":"1","action":"act","data":{"password":"hunter2","n":1.5},"queue":"q"}`)
	b.accept(i, b.take(i, "1"))
	b.wantNews(watch, "1", worker.Progress{Status: worker.Pending})
	record := b.Remote.Record(b.t, "1")
	var shown struct {
		ID, Action, Queue string
		Data              struct {
			Password string
			N        float64
		}
	}
	if err := json.Unmarshal([]byte(record["context"]), &shown); err != nil {
		b.t.Fatalf("context %q: %v", record["context"], err)
	}
	if shown.ID != "1" || shown.Action != "act" || shown.Queue != "q" || shown.Data.Password != "XXX" || shown.Data.N != 1.5 {
		b.t.Fatalf("context is %q", record["context"])
	}
	if len(record) != 1 {
		b.t.Fatalf("record is %v, want a context alone", record)
	}
}

func reports(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"))
	task := b.take(i, "1")
	b.accept(i, task)
	watch := b.Remote.Watch(b.t)
	before := fmt.Sprint(b.Remote.Record(b.t, "1"))
	for percent := range 3 {
		p := worker.Progress{Status: worker.Running, Percent: percent}
		i.Report(b.t.Context(), task, p)
		i.Heartbeat(b.t.Context(), task, p)
		b.wantNews(watch, "1", p)
		b.wantNews(watch, "1", p)
	}
	if after := fmt.Sprint(b.Remote.Record(b.t, "1")); after != before {
		b.t.Fatalf("record changed from %s to %s", before, after)
	}
}

func finishes(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"))
	task := b.take(i, "1")
	b.accept(i, task)
	watch := b.Remote.Watch(b.t)
	result := done()
	result.ExitCode, result.Final = 7, worker.Progress{Status: worker.Aborted, Percent: 33}
	b.finish(i, task, result)
	b.wantNews(watch, "1", result.Final)
	b.wantRecord("1", map[string]string{"output": "out\n", "error": "err\n", "exit_code": "7"})
	b.wantLists(Lists{})
}

func heldReports(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"))
	task := b.take(i, "1")
	watch := b.Remote.Watch(b.t)
	result := done()
	result.Held = []worker.Progress{{Status: worker.Running, Percent: 100}, {Status: worker.Running, Percent: 100}}
	b.finish(i, task, result)
	for _, p := range append(result.Held, result.Final) {
		b.wantNews(watch, "1", p)
	}
}

// The first message after the push is the announcement: when it is heard, the
// result is there and the task is forgotten.
func announces(b *bench) {
	i := b.open()
	b.Remote.Push(b.t, order("1"))
	task := b.take(i, "1")
	watch := b.Remote.Watch(b.t)
	result := done()
	result.Announcements = []worker.Announcement{
		{Channel: b.Agent + "/event/first", Payload: []byte(`{"a":1}`)},
		{Channel: b.Agent + "/event/second", Payload: []byte(`2`)},
	}
	b.finish(i, task, result)
	for _, event := range result.Announcements {
		if got, want := watch(), (News{event.Channel, string(event.Payload)}); got != want {
			b.t.Fatalf("published %+v, want %+v", got, want)
		}
		b.wantRecord("1", map[string]string{"exit_code": "0"})
		b.wantLists(Lists{})
	}
	b.wantNews(watch, "1", result.Final)
}

func anyBytes(b *bench) {
	i := b.open()
	result := done()
	result.Output = []byte("\x00\xff\r\n" + strings.Repeat("long ", 1<<16))
	result.Error = nil
	b.Remote.Push(b.t, order("1"))
	b.finish(i, b.take(i, "1"), result)
	b.wantRecord("1", map[string]string{"output": string(result.Output), "error": ""})
}

func manyAtOnce(b *bench) {
	i := b.open()
	const tasks = 50
	var running sync.WaitGroup
	for n := range tasks {
		b.Remote.Push(b.t, order(strconv.Itoa(n)))
	}
	for n := range tasks {
		task := b.take(i, strconv.Itoa(n))
		running.Go(func() { lifeOf(b.t.Context(), b.t, i, task) })
	}
	running.Wait()
	b.wantLists(Lists{})
	for n := range tasks {
		b.wantRecord(strconv.Itoa(n), map[string]string{"output": strconv.Itoa(n), "exit_code": "0"})
	}
}

// lifeOf sees a task from Accept to Finish.
func lifeOf(ctx context.Context, t *testing.T, board worker.Board, task worker.Task) {
	t.Helper()
	result := done()
	result.Output = []byte(task.ID)
	board.Accept(ctx, task)
	board.Report(ctx, task, worker.Progress{Status: worker.Running})
	if err := board.Finish(ctx, task, result); err != nil {
		t.Errorf("task %s: %v", task.ID, err)
	}
}
