package redisq

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"cluster-agent/worker"
)

// checkInProgress looks for tasks in progress that nobody works on: at the
// start, after a lost connection, and when Redis was a replica.
func (t *Tasks) checkInProgress(ctx context.Context, client *redis.Client) error {
	mode := t.suspicion()
	if mode == noCheck {
		return nil
	}
	if err := t.wantMaster(ctx, client); err != nil {
		return err
	}
	strays, err := t.unheld(ctx, client)
	if err != nil {
		return fmt.Errorf("look for tasks in progress: %w", err)
	}
	if mode == settleThem {
		if err := t.settleAll(ctx, strays); err != nil {
			return err
		}
		strays = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.check, t.strays = noCheck, strays
	return nil
}

func (t *Tasks) suspicion() checkMode {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.check
}

// wantMaster fails as a write would while Redis is a replica: its list of tasks
// in progress is that of another machine then.
func (t *Tasks) wantMaster(ctx context.Context, client *redis.Client) error {
	role, err := helloRole(ctx, client)
	if err != nil {
		return err
	}
	if role != "master" {
		return errReplica
	}
	return nil
}

// unheld returns the payloads in progress that are not being worked on, the
// oldest first. What is held is noted before the list is read: a task that is
// finished meanwhile would look like one that nobody works on.
func (t *Tasks) unheld(ctx context.Context, client *redis.Client) ([]string, error) {
	t.mu.Lock()
	held := maps.Clone(t.held)
	t.mu.Unlock()
	payloads, err := client.LRange(ctx, inProgressKey(t.opt.Agent), 0, -1).Result()
	var strays []string
	for _, payload := range slices.Backward(payloads) {
		if held[payload] > 0 {
			held[payload]--
			continue
		}
		strays = append(strays, payload)
	}
	return strays, err
}

// stray hands out one of them.
func (t *Tasks) stray() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.strays) == 0 {
		return "", false
	}
	payload := t.strays[0]
	t.strays = t.strays[1:]
	t.held[payload]++
	return payload, true
}

// settleAll gives tasks that were interrupted their result: aborted, exit code 12.
func (t *Tasks) settleAll(ctx context.Context, payloads []string) error {
	for _, payload := range payloads {
		task, err := worker.DecodeTask([]byte(payload))
		if err != nil {
			task = worker.Task{Payload: []byte(payload)}
		}
		if err := t.settle(ctx, task); err != nil {
			return err
		}
	}
	return nil
}

// Return gives back to the queue what was taken from it and never handed out,
// as the reply to a fetch that was broken off may be. As long as the tasks of an
// earlier life are not settled it gives nothing back: those may have been started.
func (t *Tasks) Return(ctx context.Context) error {
	if t.suspicion() == settleThem {
		return nil
	}
	strays, err := t.unheld(ctx, t.outbox.link.get())
	if err != nil {
		return fmt.Errorf("look for tasks to give back: %w", err)
	}
	// The oldest comes back last, and so is the first to be taken again.
	for _, payload := range slices.Backward(strays) {
		pipe := t.outbox.link.get().TxPipeline()
		pipe.LRem(ctx, inProgressKey(t.opt.Agent), 1, payload)
		pipe.RPush(ctx, queueKey(t.opt.Agent), payload)
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("give a task back: %w", err)
		}
	}
	return nil
}

func (t *Tasks) settle(ctx context.Context, task worker.Task) error {
	if task.ID == "" {
		return t.outbox.deliver(ctx, t.forget(string(task.Payload)))
	}
	t.opt.Log.Warnf("task/%s/%s: was interrupted when the agent ended, settled as aborted", t.opt.Agent, task.ID)
	return t.finish(ctx, task, worker.Result{
		Error:    []byte("The agent was interrupted while it ran the task\n"),
		ExitCode: worker.ExitInterrupted,
		Final:    worker.Progress{Status: worker.Aborted},
	})
}
