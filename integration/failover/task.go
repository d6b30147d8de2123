package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"cluster-agent/integration/lab"
	"cluster-agent/internal/wait"
)

// The action of the tasks: each run of it leaves a line, in the state directory, which is a
// step's working directory.
const (
	action   = "note-run"
	stepPath = "/var/lib/nethserver/node/actions/" + action + "/10note"
	step     = "#!/bin/sh\nexec echo \"$AGENT_TASK_ID\" >>note-run.log\n"
	runsPath = "/var/lib/nethserver/node/state/note-run.log"
)

// taskPause is the time between two tasks of a client: each costs a process.
const taskPause = 80 * time.Millisecond

// pusher is a client that gives tasks to the node agents, by turns.
type pusher struct {
	client

	prefix string
	mu     sync.Mutex
	tasks  []task
	acks   ledger // their numbers
}

// task is one that was pushed, or may have been.
type task struct {
	ID    string
	Node  int
	Began time.Time // of the push
	Acked bool
}

func newPusher(st *stage, part string, n int) *pusher {
	return &pusher{client: client{stage: st, seat: n}, prefix: fmt.Sprintf("failover-%s-%d-", part, n)}
}

// run pushes until ctx ends.
func (p *pusher) run(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := taskPause
		if p.push(ctx) != nil {
			pause = refusedTime
			if err := p.drop(); err != nil {
				return err
			}
		}
		wait.For(ctx, pause)
	}
	return p.drop()
}

// push pushes a task. One whose push failed may be there all the same, so its number is
// not used again.
func (p *pusher) push(ctx context.Context) error {
	db, err := p.db()
	if err != nil {
		return err
	}
	t := p.add()
	payload, err := json.Marshal(map[string]any{"id": t.ID, "action": action})
	if err != nil {
		return fmt.Errorf("encode a task: %w", err)
	}
	if err = db.LPush(ctx, "node/"+strconv.Itoa(t.Node)+"/tasks", payload).Err(); err == nil {
		p.acked()
	}
	return err
}

func (p *pusher) add() task {
	p.mu.Lock()
	defer p.mu.Unlock()
	members := p.stage.members
	t := task{
		ID: p.prefix + strconv.Itoa(len(p.tasks)), Node: members[len(p.tasks)%len(members)], Began: time.Now(),
	}
	p.tasks = append(p.tasks, t)
	return t
}

// acked notes that the last push was acknowledged.
func (p *pusher) acked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.tasks) - 1
	p.tasks[last].Acked = true
	p.acks.add(int64(last), p.of)
}

func (t task) resultKey() string {
	return "task/node/" + strconv.Itoa(t.Node) + "/" + t.ID + "/exit_code"
}

// readRuns counts how often each task ran, by the nodes' own files.
func readRuns(nodes []*lab.Node) (map[string]int, error) {
	runs := map[string]int{}
	for _, n := range nodes {
		has, err := n.HasFile(runsPath)
		if err != nil {
			return nil, err
		}
		if !has {
			continue
		}
		text, err := n.ReadFile(runsPath)
		if err != nil {
			return nil, err
		}
		for id := range strings.FieldsSeq(text) {
			runs[id]++
		}
	}
	return runs, nil
}
