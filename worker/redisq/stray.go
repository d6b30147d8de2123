package redisq

import (
	"context"
	"fmt"

	"cluster-agent/worker"
)

// checkInProgress looks for tasks in progress that nobody works on: at the
// start, after a lost connection, and when Redis was a replica.
func (t *Tasks) checkInProgress(ctx context.Context) error {
	t.mu.Lock()
	mode := t.check
	t.mu.Unlock()
	if mode == noCheck {
		return nil
	}
	if err := t.wantMaster(ctx); err != nil {
		return err
	}
	payloads, err := t.fetch.get().LRange(ctx, inProgressKey(t.opt.Agent), 0, -1).Result()
	if err != nil {
		return fmt.Errorf("look for tasks in progress: %w", err)
	}
	strays := t.unheld(payloads)
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

// wantMaster fails as a write would while Redis is a replica: its list of tasks
// in progress is that of another machine then.
func (t *Tasks) wantMaster(ctx context.Context) error {
	role, err := helloRole(ctx, t.fetch.get())
	if err != nil {
		return err
	}
	if role != "master" {
		return errReplica
	}
	return nil
}

// unheld returns the payloads that are not being worked on, the oldest first.
func (t *Tasks) unheld(payloads []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := map[string]int{}
	var strays []string
	for i := len(payloads) - 1; i >= 0; i-- {
		payload := payloads[i]
		if seen[payload]++; seen[payload] > t.held[payload] {
			strays = append(strays, payload)
		}
	}
	return strays
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
// as the reply to a fetch that was broken off may be.
func (t *Tasks) Return(ctx context.Context) error {
	key := inProgressKey(t.opt.Agent)
	payloads, err := t.board.get().LRange(ctx, key, 0, -1).Result()
	if err != nil {
		return fmt.Errorf("look for tasks to give back: %w", err)
	}
	for _, payload := range t.unheld(payloads) {
		pipe := t.board.get().TxPipeline()
		pipe.LRem(ctx, key, 1, payload)
		pipe.RPush(ctx, queueKey(t.opt.Agent), payload)
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("give a task back: %w", err)
		}
	}
	return nil
}

func (t *Tasks) settle(ctx context.Context, task worker.Task) error {
	if task.ID == "" {
		return t.board.get().LRem(ctx, inProgressKey(t.opt.Agent), 1, string(task.Payload)).Err()
	}
	t.opt.Log.Warnf("task/%s/%s: was interrupted when the agent ended, settled as aborted", t.opt.Agent, task.ID)
	return t.Finish(ctx, task, worker.Result{
		Error:    []byte("The agent was interrupted while it ran the task\n"),
		ExitCode: worker.ExitInterrupted,
		Final:    worker.Progress{Status: worker.Aborted},
	})
}
