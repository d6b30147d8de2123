package protocol

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// begin pushes a task whose step waits at the gate, and waits until it does.
func (n *node) begin(id, action string) {
	n.t.Helper()
	n.push(map[string]any{"id": id, "action": action})
	until(n.t, id+" has begun", func() bool { return n.runs(id) > 0 })
}

// noting is a step that appends a line to the file of its task before it does
// anything else.
func (n *node) noting(rest string) string {
	return "echo run >>" + filepath.Join(n.dir, "runs") + ".$AGENT_TASK_ID\n" + rest
}

// runs is how often such a step ran.
func (n *node) runs(id string) int {
	n.t.Helper()
	if !n.isFile("runs." + id) {
		return 0
	}
	return strings.Count(n.read("runs."+id), "run\n")
}

// dies kills the agent, and the steps it leaves behind.
func (n *node) dies(p *process) {
	n.t.Helper()
	p.signal(syscall.SIGKILL)
	p.end()
	killAll(n.t, processes(n.t, within(n.dir)))
}

// Rule (section 7): "started → final status `aborted`, exit
// code 12, error text that says the agent was interrupted at which step"
func TestKilledInAStep(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("two/10first", "true")
	n.step("two/20second", n.noting(gate.wait()))
	first := n.start(nil)
	n.begin("cut", "two")
	n.dies(first)
	told := n.watch("cut")
	second := n.start(nil)
	if got := told(); got != `{"status":"aborted","progress":0}` {
		t.Errorf("final status is %s", got)
	}
	n.want("cut", "exit_code", "12")
	if text := n.get("cut", "error"); !strings.Contains(text, "interrupted") || !strings.Contains(text, "20second") {
		t.Errorf("error text is %q", text)
	}
	second.says(`action "two" status is "aborted" (12) at step 20second`)
	if n.runs("cut") != 1 {
		t.Errorf("the step ran %d times", n.runs("cut"))
	}
	until(t, "nothing is in progress", func() bool { return len(n.inProgress()) == 0 })
}

// Rule (section 7): "never started → it is run"
func TestKilledBeforeTheStep(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("short/10", n.noting("true"))
	first := n.start(nil)
	n.do("before", "short")
	list := n.listOf()
	n.dies(first)
	// As a kill leaves it that comes between the fetch and the journal.
	n.redis.Do(t, "lpush", list, `{"id":"taken","action":"short"}`)
	told := n.watch("taken")
	n.start(nil)
	told()
	n.want("taken", "exit_code", "0")
	if n.runs("taken") != 1 {
		t.Errorf("the step ran %d times", n.runs("taken"))
	}
}

// listOf is the list in progress of a running agent.
func (n *node) listOf() string {
	n.t.Helper()
	gate := filepath.Join(n.dir, "hold")
	n.step("hold/10", n.noting(": <"+gate))
	must(n.t, syscall.Mkfifo(gate, 0o600))
	n.begin("held", "hold")
	lists := n.inProgress()
	if len(lists) != 1 {
		n.t.Fatalf("lists are %q", lists)
	}
	finished := n.watch("held")
	n.push(map[string]any{"id": "end", "action": "cancel-task", "data": map[string]any{"task": "held"}})
	finished()
	return lists[0]
}

// Rule (section 7): "unless the action is declared
// safe to run again, in which case it is."
func TestKilledInARepeatableStep(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("read/10", n.noting(gate.wait()))
	n.file("actions/repeatable", 0o644, "# these only read\nread\n")
	for lives, id := range []string{1: "twice", 2: "three times", 3: "too often"} {
		if id == "" {
			continue
		}
		gate.close()
		told := n.watch(id)
		n.push(map[string]any{"id": id, "action": "read"})
		for life := range lives {
			p := n.start(nil)
			until(t, fmt.Sprintf("it runs in life %d", life), func() bool { return n.runs(id) == life+1 })
			n.dies(p)
		}
		gate.open()
		last := n.start(nil)
		told()
		want, runs := "0", lives+1
		if lives == 3 {
			want, runs = "12", 3
		}
		n.want(id, "exit_code", want)
		if n.runs(id) != runs {
			t.Errorf("%s: ran %d times", id, n.runs(id))
		}
		n.dies(last)
	}
}

// Rule (section 7): "With the limit reached the agent leaves tasks in the
// queue (they wait, in order, and start when a slot frees)"
//
// Rule (section 7): "`cancel-task` and
// `list-actions` are served even then."
func TestServedAtTheLimit(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()))
	n.start(map[string]string{"MAX_CONCURRENCY": "1"})
	n.begin("first", "hold")
	for _, id := range []string{"second", "third"} {
		n.push(map[string]any{"id": id, "action": "hold"})
	}
	n.do("list", "list-actions")
	n.want("list", "exit_code", "0")
	told, cancelled := n.watch("second"), n.watch("cancel")
	n.push(map[string]any{"id": "cancel", "action": "cancel-task", "data": map[string]any{"task": "second"}})
	cancelled()
	n.want("cancel", "exit_code", "0")
	if got := told(); !strings.Contains(got, "aborted") {
		t.Errorf("the task that waited is %s", got)
	}
	n.want("second", "exit_code", "13")
	gate.open()
	until(t, "the third has its result", func() bool { return n.has("third") })
	if n.runs("second") != 0 || n.runs("third") != 1 {
		t.Errorf("ran %d and %d times", n.runs("second"), n.runs("third"))
	}
}

// TestSubtaskAtTheLimit: a task that waits for another in the same queue gets it, be there a free slot or not.
//
// Rule (section 6): "a running one may be waiting for a subtask in the same
// queue"
func TestSubtaskAtTheLimit(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()))
	n.step("child/10", n.noting("exit 7"))
	n.start(map[string]string{"MAX_CONCURRENCY": "2"})
	for _, id := range []string{"first", "second"} {
		n.begin(id, "hold")
	}
	n.push(map[string]any{"id": "third", "action": "hold"})
	for number, parent := range []string{"first", "second", "first"} {
		id := fmt.Sprintf("child%d", number)
		told := n.watch(id)
		n.push(map[string]any{"id": id, "action": "child", "parent": parent})
		told()
		n.want(id, "exit_code", "7")
	}
	if n.runs("third") != 0 {
		t.Error("another task ran over the limit")
	}
	gate.open()
	until(t, "the third has its result", func() bool { return n.has("third") })
}

// Rule (section 7): "Rejecting with code 11 stays available as a setting."
func TestRejectWhenBusy(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()))
	n.launch(map[string]string{"MAX_CONCURRENCY": "1", "OVERLOAD_SLEEP": "50ms"},
		"--agentid="+n.id, "--actionsdir", filepath.Join(n.dir, "actions"), "--reject-when-busy")
	n.begin("first", "hold")
	n.do("second", "hold")
	n.want("second", "exit_code", "11")
	if text := n.get("second", "error"); !strings.Contains(text, "busy") {
		t.Errorf("error text is %q", text)
	}
	gate.open()
	until(t, "the first has its result", func() bool { return n.has("first") })
	n.want("first", "exit_code", "0")
}

// Rule (section 7): "whatever
// kills the agent (SIGKILL, power, Redis restart, cut connection), the next start finds each of
// these tasks and settles it"
//
// Here the agent ended while Redis was away: the result waits on disk.
func TestResultOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()+"; echo done"))
	first := n.start(nil)
	n.begin("late", "hold")
	n.redis.Pause(t)
	gate.open()
	first.shows(t, `action "hold" status is "completed" (0)`)
	first.signal(syscall.SIGTERM)
	first.end()
	n.redis.Resume(t)
	n.start(nil)
	until(t, "the result is stored", func() bool { return n.has("late") })
	n.want("late", "output", "done\n")
	n.want("late", "exit_code", "0")
	if n.runs("late") != 1 {
		t.Errorf("the step ran %d times", n.runs("late"))
	}
}

// Two agents that were given the same id by mistake leave each other's tasks
// alone; what one of them leaves for good the other settles.
//
// Rule (section 7): "**No task is lost.**"
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()))
	interval := map[string]string{"AGENT_POLLING_INTERVAL": "300ms"}
	first := n.start(interval)
	n.begin("mine", "hold")
	second := n.start(interval)
	second.shows(t, "another agent with the id "+n.id+" runs")
	for i := range 10 {
		n.begin(strconv.Itoa(i), "hold")
	}
	first.signal(syscall.SIGKILL)
	first.end()
	until(t, "what the first was running is settled", func() bool { return n.has("mine") })
	gate.open()
	until(t, "all have their results", func() bool {
		for i := range 10 {
			if !n.has(strconv.Itoa(i)) {
				return false
			}
		}
		return true
	})
	n.want("mine", "exit_code", "12")
	if second.lines("was interrupted") != nil {
		t.Error("the second took its own for interrupted")
	}
	for i := range 10 {
		if id := strconv.Itoa(i); n.runs(id) != 1 {
			t.Errorf("%s ran %d times", id, n.runs(id))
		}
	}
}

// An agent that was started from a copy of another one's state directory leaves that one's tasks
// alone, and says that it is a copy, whether the copy knows the task or was made before it.
//
// Rule (section 7): "**No task is lost.**"
func TestCopiedStateDirectory(t *testing.T) {
	t.Parallel()
	for name, knows := range map[string]bool{"a backup": false, "as it is": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			gate := n.gate()
			n.step("hold/10", n.noting(gate.wait()))
			busy := map[string]string{"MAX_CONCURRENCY": "1"}
			first, elsewhere := n.start(busy), filepath.Join(n.dir, "copy")
			n.do("before", "list-actions")
			copyState := func() { must(t, os.CopyFS(elsewhere, os.DirFS(filepath.Join(n.dir, "state")))) }
			if !knows {
				copyState()
			}
			n.begin("mine", "hold")
			if knows {
				copyState()
			}
			second := n.start(map[string]string{"AGENT_STATE_DIR": elsewhere})
			second.says("the journal is a copy")
			n.begin("other", "hold") // it has seen to what was in progress before it took this
			gate.open()
			for _, id := range []string{"mine", "other"} {
				until(t, id+" has its result", func() bool { return n.has(id) })
				if n.want(id, "exit_code", "0"); n.runs(id) != 1 {
					t.Errorf("%s ran %d times", id, n.runs(id))
				}
			}
			for _, p := range []*process{first, second} {
				p.drain()
			}
			n.wantNothingLeft()
		})
	}
}

// An agent that was started from a backup tells no second end of a task that was in progress when the
// backup was made, and ended so long ago that Redis knows nothing of it any more.
//
// Rule (section 7): "**No task is lost.**"
func TestBackupOfEndedTask(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()))
	first, backup := n.start(nil), filepath.Join(n.dir, "backup")
	n.begin("mine", "hold")
	must(t, os.CopyFS(backup, os.DirFS(filepath.Join(n.dir, "state"))))
	finals := n.watchFinals()
	gate.open()
	until(t, "the task has ended", func() bool { return n.has("mine") && finals.count("mine") == 1 })
	n.want("mine", "exit_code", "0")
	first.drain()
	for _, part := range []string{"context", "exit_code", "output", "error"} {
		n.redis.Do(t, "del", "task/"+n.id+"/mine/"+part)
	}
	second := n.start(map[string]string{"AGENT_STATE_DIR": backup})
	second.says("the journal is a copy")
	n.do("after", "hold")
	second.drain()
	until(t, "its end was heard of", func() bool { return finals.count("after") == 1 })
	if told := finals.count("mine"); told != 1 || n.has("mine") || n.runs("mine") != 1 {
		t.Errorf("it ran %d times, its end was told %d times, it has a result again: %t", n.runs("mine"), told, n.has("mine"))
	}
	n.wantNothingLeft()
}

// What was in progress when a backup was made, and is still, since its agent was killed, is settled once by
// an agent that was started from the backup.
//
// Rule (section 7): "**No task is lost.**"
func TestBackupOfKilledAgent(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("hold/10", n.noting(n.gate().wait()))
	first, backup := n.start(nil), filepath.Join(n.dir, "backup")
	n.begin("mine", "hold")
	must(t, os.CopyFS(backup, os.DirFS(filepath.Join(n.dir, "state"))))
	n.dies(first)
	finals := n.watchFinals()
	second := n.start(map[string]string{"AGENT_STATE_DIR": backup, "AGENT_POLLING_INTERVAL": "300ms"})
	until(t, "the task is settled", func() bool { return finals.count("mine") > 0 })
	second.drain()
	n.want("mine", "exit_code", "12")
	if told := finals.count("mine"); told != 1 || n.runs("mine") != 1 {
		t.Errorf("it ran %d times, its end was told %d times", n.runs("mine"), told)
	}
	n.wantNothingLeft()
}

// An agent that is stopped for so long that another one of its id settles its task tells
// no second end of it when it goes on.
//
// Rule (section 7): "**No task is lost.**"
func TestStoppedAgent(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()))
	interval := map[string]string{"AGENT_POLLING_INTERVAL": "300ms"}
	first := n.start(interval)
	n.begin("mine", "hold")
	finals := n.watchFinals()
	second := n.start(interval)
	second.shows(t, "another agent with the id "+n.id+" runs")
	first.signal(syscall.SIGSTOP)
	until(t, "the task is settled", func() bool { return n.has("mine") })
	gate.open()
	first.signal(syscall.SIGCONT)
	first.shows(t, `task/`+n.id+`/mine: action "hold" status is "completed"`)
	first.signal(syscall.SIGTERM) // it ends when all is told that there is to tell
	first.end()
	n.want("mine", "exit_code", "12")
	if told := finals.count("mine"); told != 1 || n.runs("mine") != 1 {
		t.Errorf("it ran %d times, its end was told %d times", n.runs("mine"), told)
	}
}

// A second agent that was killed left its notes in a journal of its own: the next
// one goes on with that.
func TestSecondJournal(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()))
	first := n.start(nil)
	n.begin("first", "hold")
	second := n.start(nil)
	second.shows(t, "another agent with the id "+n.id+" runs")
	finished := n.watch("first")
	n.push(map[string]any{"id": "end", "action": "cancel-task", "data": map[string]any{"task": "first"}})
	n.push(map[string]any{"id": "end again", "action": "cancel-task", "data": map[string]any{"task": "first"}})
	first.signal(syscall.SIGTERM)
	first.end()
	finished()
	n.begin("second", "hold")
	n.dies(second)
	n.start(nil)
	until(t, "what the second was running is settled", func() bool { return n.has("second") })
	if text := n.get("second", "error"); !strings.Contains(text, "at step 10") {
		t.Errorf("error text is %q", text)
	}
}

// A result that meets a replica for longer than the agent asks it waits on disk,
// and is stored when that Redis is a master again.
func TestResultOutlivesAReplica(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	gate := n.gate()
	n.step("hold/10", n.noting(gate.wait()+"; echo done"))
	p := n.start(map[string]string{"AGENT_POLLING_INTERVAL": "20ms"})
	n.begin("late", "hold")
	n.redis.Do(t, "replicaof", "127.0.0.1", "1") // which does not answer: the data stay
	gate.open()
	p.shows(t, "it is stored when that is possible again")
	n.redis.Do(t, "replicaof", "no", "one")
	until(t, "the result is stored", func() bool { return n.has("late") })
	n.want("late", "output", "done\n")
	until(t, "nothing is in progress", func() bool { return len(n.inProgress()) == 0 })
	if n.runs("late") != 1 {
		t.Errorf("the step ran %d times", n.runs("late"))
	}
}

// Beyond the rules: a leader that dies may take the result of a task with it, and an agent
// that dies with it has run the task nevertheless. What it came to is told once more.
func TestEndedBeforeTheKill(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("say/10", n.noting("echo done; echo told >&2; exit 3"))
	first := n.start(nil)
	payload := `{"id":"over","action":"say"}`
	ended := n.watch("over")
	n.redis.Do(t, "lpush", n.id+"/tasks", payload)
	final := ended()
	list := n.listOf()
	n.dies(first)
	for _, where := range []string{list, n.id + "/tasks"} {
		for _, part := range []string{"context", "exit_code", "output", "error"} {
			n.redis.Do(t, "del", "task/"+n.id+"/over/"+part)
		}
		n.redis.Do(t, "lpush", where, payload)
		told := n.watch("over")
		again := n.start(nil)
		if got := told(); got != final {
			t.Errorf("final status is %s, was %s", got, final)
		}
		n.want("over", "exit_code", "3")
		n.want("over", "output", "done\n")
		if text := n.get("over", "error"); !strings.Contains(text, "told") {
			t.Errorf("error text is %q", text)
		}
		until(t, "nothing is in progress", func() bool { return len(n.inProgress()) == 0 })
		n.dies(again)
	}
	if n.runs("over") != 1 {
		t.Errorf("the step ran %d times", n.runs("over"))
	}
}
