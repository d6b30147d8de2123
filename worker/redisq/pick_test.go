package redisq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
	"cluster-agent/worker/redisq/redistest"
)

// order is the payload of a task that does nothing.
func order(id string) string { return fmt.Sprintf(`{"id":%q,"action":"a"}`, id) }

// numbered are payloads of tasks with numbers for ids.
func numbered(from, to int) []string {
	payloads := make([]string, 0, to-from)
	for n := from; n < to; n++ {
		payloads = append(payloads, order(strconv.Itoa(n)))
	}
	return payloads
}

// TestAheadWhileOthersPush: none of the queue's tasks is passed over while others push, and take some.
func TestAheadWhileOthersPush(t *testing.T) {
	t.Parallel()
	for name, takes := range map[string]int{"nobody takes": 0, "one is taken": 1, "many are taken": 200} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			tasks := open(t, options(server.Address))
			remote{server}.Push(t, numbered(0, 1000)...)
			var seen []string
			wanted := func(task worker.Task) bool {
				seen = append(seen, task.ID)
				if len(seen)%100 == 1 && len(seen) < 900 {
					remote{server}.Push(t, numbered(len(seen)*1000, len(seen)*1000+10)...)
					if takes > 0 {
						server.Do(t, "rpop", agent+"/tasks", takes)
					}
				}
				return false
			}
			for range 2 { // the second has what was pushed last
				if _, found, err := tasks.Ahead(t.Context(), wanted); found || err != nil {
					t.Fatalf("found: %v, %v", found, err)
				}
			}
			for _, payload := range (remote{server}).Lists(t).Waiting {
				task, err := worker.DecodeTask([]byte(payload))
				must(t, err)
				if !slices.Contains(seen, task.ID) {
					t.Fatalf("task %s was passed over", task.ID)
				}
			}
			before := len(seen)
			_, _, err := tasks.Ahead(t.Context(), wanted)
			must(t, err)
			if takes == 0 && len(seen) != before {
				t.Errorf("looked again at %v", seen[before:])
			}
		})
	}
}

func hasID(id string) func(worker.Task) bool {
	return func(task worker.Task) bool { return task.ID == id }
}

// TestWithdrawWhileOthersPush: a task that waits is found, however many are pushed while it is looked for.
func TestWithdrawWhileOthersPush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, numbered(0, 1000)...)
	pushAllTheTime(t, server.Address)
	for n := 0; n < 1000; n += 50 {
		id := strconv.Itoa(n)
		if task, found, err := tasks.Withdraw(t.Context(), hasID(id)); !found || err != nil || task.ID != id {
			t.Errorf("task %s: %+v, %v, %v", id, task, found, err)
		}
	}
}

// TestAheadInARush: each push of others may be in the way of taking a task, and none keeps it from being taken, once.
func TestAheadInARush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	for range 4 {
		pushAllTheTime(t, server.Address)
	}
	for n := range 200 {
		id := strconv.Itoa(n)
		remote{server}.Push(t, order(id))
		task, found, err := tasks.Ahead(t.Context(), func(task worker.Task) bool { return task.ID == id })
		if !found || err != nil {
			t.Fatalf("task %s: %+v, %v, %v", id, task, found, err)
		}
	}
	var want []string
	for _, payload := range slices.Backward(numbered(0, 200)) {
		want = append(want, payload)
	}
	if got := server.Do(t, "lrange", inProgress, 0, -1); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("in progress: %v", got)
	}
}

// TestMoveWhatIsGone: what somebody else takes from the queue in the same moment does not get in progress.
func TestMoveWhatIsGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, order("there"), order("other"))
	for id, there := range map[string]bool{"there": true, "gone": false} {
		if moved, err := tasks.MoveUnwatched(t.Context(), order(id)); moved != there || err != nil {
			t.Errorf("%s: moved: %v, %v", id, moved, err)
		}
	}
	lists := remote{server}.Lists(t)
	if !slices.Equal(lists.Waiting, []string{order("other")}) || !slices.Equal(lists.InProgress, []string{order("there")}) {
		t.Errorf("lists are %+v", lists)
	}
}

// TestMoveWhileFetching: a fetch, which may bring the same task, and a move without a watch keep out of each other's way.
func TestMoveWhileFetching(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	monitor := server.Monitor(t)
	fetched := make(chan error, 1)
	go func() {
		_, err := tasks.Next(t.Context(), 1)
		fetched <- err
	}()
	monitor.Until(isWord("blmove"))
	if moved, err := tasks.MoveUnwatched(t.Context(), order("1")); moved || !errors.Is(err, redis.TxFailedErr) {
		t.Errorf("while a fetch is under way: moved: %v, %v", moved, err)
	}
	remote{server}.Push(t, order("1"))
	must(t, <-fetched)
	remote{server}.Push(t, order("2"))
	if moved, err := tasks.MoveUnwatched(t.Context(), order("2")); !moved || err != nil {
		t.Errorf("afterwards: moved: %v, %v", moved, err)
	}
}

// TestTakenWithoutReply: a task that was taken out of the queue is had at once, and once, though the connection broke
// before that was told: whoever waits for it may be in the way of the next fetch.
func TestTakenWithoutReply(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*redisq.Tasks) (worker.Task, bool, error){
		"withdrawn": func(tasks *redisq.Tasks) (worker.Task, bool, error) { return tasks.Withdraw(t.Context(), hasID("1")) },
		"ahead":     func(tasks *redisq.Tasks) (worker.Task, bool, error) { return tasks.Ahead(t.Context(), hasID("1")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server)
			tasks := open(t, options(proxy.Address))
			remote{server}.Push(t, order("0"), order("1"))
			proxy.LoseReply("exec")
			if task, found, err := take(tasks); !found || err != nil || task.ID != "1" {
				t.Fatalf("got %+v, %v, %v", task, found, err)
			}
			remote{server}.Push(t, order("2"))
			for _, id := range []string{"0", "2"} {
				if task, err := tasks.Next(t.Context(), 1); err != nil || task.ID != id {
					t.Errorf("next is %+v, %v, want %s", task, err, id)
				}
			}
		})
	}
}

// pushAllTheTime has another client push tasks, one after the other, until the test ends.
func pushAllTheTime(t *testing.T, address string) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			if err := client.LPush(ctx, agent+"/tasks", order(fmt.Sprint("other-", n))).Err(); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestHolds: a task is held from when it is taken until its result is stored.
func TestHolds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	tasks := open(t, options(server.Address))
	remote{server}.Push(t, order("1"))
	want := func(want bool) {
		t.Helper()
		held, err := tasks.Holds(t.Context(), func(task worker.Task) bool { return task.ID == "1" })
		if err != nil || held != want {
			t.Errorf("held: %v, %v, want %v", held, err, want)
		}
	}
	want(false)
	task, err := tasks.Next(t.Context(), 1)
	must(t, err)
	want(true)
	must(t, tasks.Finish(t.Context(), task, finished()))
	want(false)
}
